"""An alignment as functions of the reference's time (matched time, speed, cost); worst moments."""

from typing import NamedTuple

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.costs import frame_means
from tacref.report.path_ends import path_ends

# Points of a series, at most: for long videos the page interpolates between them.
MAX_POINTS = 20_000
# A path is a staircase: matched times are averaged over about this many seconds.
SMOOTHING_SPAN = 0.25
# Speed is measured over about this many seconds.
SPEED_SPAN = 0.6


class Series(NamedTuple):
    """One alignment on the page, a value for each point of the reference's time.

    Times are in seconds from a video's first frame.
    """

    times: np.ndarray
    matches: np.ndarray
    speeds: np.ndarray
    costs: np.ndarray


def points(frames: int) -> np.ndarray:
    """Return the frames of a series, the end of the video included: all, or evenly spaced ones."""
    return np.unique(np.linspace(0, frames, min(frames + 1, MAX_POINTS)).round().astype(int))


def rounded(values: np.ndarray, digits: int) -> list[float]:
    """Return numbers rounded for the page."""
    return values.round(digits).tolist()


def elapsed(times: np.ndarray) -> np.ndarray:
    """Return times since the first frame, followed by the end of the last one, shape (n + 1,)."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    return np.append(times, times[-1] + max(step, 1e-3)) - times[0]


def series(alignment: Alignment) -> Series:
    """Return an alignment as functions of the reference's time, x's.

    Parameters
    ----------
    alignment : Alignment
        Of the reference x and another video y.

    Returns
    -------
    Series
        `matches` is the smoothed time in y; `speeds` the speed of y relative to x, infinite where y
        jumps, NaN where it has not begun or has ended; `costs` the mean cost of the steps of each
        frame, NaN off the path. One point per frame of x and one at its end, but at most
        `MAX_POINTS`.
    """
    times, ends = elapsed(alignment.times_x), elapsed(alignment.times_y)
    n = len(alignment.x)
    i, j = alignment.path.T
    # One more than the frames: a frame lasts from its time to that of the next one. Before an open
    # begin and after an open end of x, y stands still.
    matches = np.full(n + 1, ends[j[-1] + 1])
    on_path = slice(i[0], i[-1] + 1)
    matches[on_path] = frame_means(i, ends[j], n)[on_path]
    matches[: i[0]] = ends[j[0]]
    costs = frame_costs(alignment)
    # Rounding must not let it decrease.
    matches = np.maximum.accumulate(_smooth(matches, _frames(times, SMOOTHING_SPAN)))
    speeds = np.full(n + 1, np.nan)
    first, last, *_ = path_ends(alignment)
    begin, end = int(i[first]), int(i[last]) + 1
    moving = slice(begin, end + 1)
    own = frame_means(i[first : last + 1], ends[j[first : last + 1]], n)
    own = np.append(own[begin:end], ends[j[last] + 1])
    own = np.maximum.accumulate(_smooth(own, _frames(times, SMOOTHING_SPAN)))
    speeds[moving] = _speeds(times[moving], own, _frames(times, SPEED_SPAN))
    kept = points(n)
    # The largest cost between two points: a narrow peak must not vanish.
    peaks = np.fmax.reduceat(np.append(costs, costs[-1]), kept)
    return Series(times[kept], matches[kept], speeds[kept], peaks)


def frame_costs(alignment: Alignment) -> np.ndarray:
    """Return the mean cost of the steps of each frame of x, shape (n,); NaN off the path."""
    return frame_means(alignment.path[:, 0], alignment.step_costs, len(alignment.x))


def warp(alignment: Alignment) -> float:
    """Return how far a path is from constant speed: the mean over its steps of |i/n' - j/m'|.

    Frames i and j are counted from the first ones of the path; n' and m' are its last ones, so that
    0 means constant speed, and 1/2 is the maximum.
    """
    frames = alignment.path - alignment.path[0]
    shares = frames / np.maximum(frames[-1], 1)
    return float(np.abs(shares[:, 0] - shares[:, 1]).mean())


def worst_moments(alignment: Alignment, count: int = 4) -> list[tuple[int, int, float]]:
    """Return the frames of x that match worst, no two of them close to each other.

    Parameters
    ----------
    alignment : Alignment
        Of x and y.
    count : int
        Number of frames, at most.

    Returns
    -------
    list of (int, int, float)
        Frame of x, its frame of y and their cost, the costliest first. No two are within a
        twentieth of x.
    """
    i = alignment.path[:, 0]
    costs = alignment.step_costs
    min_distance = max(1, len(alignment.x) // 20)
    worst: list[tuple[int, int, float]] = []
    for step in np.argsort(-costs, kind="stable"):
        if costs[step] <= 0 or len(worst) == count:
            break
        if all(abs(int(i[step]) - frame) > min_distance for frame, _, _ in worst):
            i_worst, j_worst = alignment.path[step].tolist()
            worst.append((i_worst, j_worst, float(costs[step])))
    return worst


def _frames(times: np.ndarray, span: float) -> int:
    """Return about half a span of seconds, in frames."""
    step = times[-1] / max(1, len(times) - 1)
    return min(round(span / 2 / step), (len(times) - 1) // 2)


def _smooth(values: np.ndarray, radius: int) -> np.ndarray:
    """Average over 2 radius + 1 neighbors, over fewer near the ends; the ends stay as they are."""
    sums = np.append(0.0, np.cumsum(values))
    positions = np.arange(len(values))
    reach = np.minimum(radius, np.minimum(positions, len(values) - 1 - positions))
    return (sums[positions + reach + 1] - sums[positions - reach]) / (2 * reach + 1)


def _speeds(times: np.ndarray, matches: np.ndarray, radius: int) -> np.ndarray:
    positions = np.arange(len(times))
    before = np.maximum(positions - max(radius, 1), 0)
    after = np.minimum(positions + max(radius, 1), len(times) - 1)
    own = matches[after] - matches[before]
    # If no time passes in the reference's match, the speed counts as infinite.
    return np.divide(
        times[after] - times[before], own, out=np.full(len(times), np.inf), where=own > 0
    )
