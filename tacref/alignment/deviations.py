"""Stretches where one video of a set does not do what the others do at the same place.

A dynamic time warping path exists for any two videos: it passes quickly through a step that is
missing and waits at one that is repeated. The costs along it show either: the frames that it then
has to match are unlike each other. How unlike is usual differs from place to place and from video
to video, so that both are taken into account. docs/report.md has the formula.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.costs import frame_means, step_costs
from tacref.checks import check_positive

DEFAULT_THRESHOLD = 6.0
# Other videos that the median and its spread are taken from, at least.
MIN_OTHERS = 4
# Steps of the path on either side over which costs are averaged.
SMOOTHING_STEPS = 3
# Frames of the reference on either side that share one estimate of the spread.
SPREAD_FRAMES = 10
# Costs below this share of the usual one count as equal, since logarithms exaggerate them; as do
# costs below the second share of the mean cost of any two frames, which are rounding.
NEGLIGIBLE_SHARE = 0.1
ROUNDING_SHARE = 1e-9
# Logarithms of costs that differ by less than this are alike, however alike the others are.
MIN_SPREAD = 0.05
# Median absolute deviations of a normal distribution in its standard deviation.
_MAD_TO_DEVIATION = 1.4826
# Numbers that are sorted at a time.
_MAX_BLOCK = 2**22


class Deviation(NamedTuple):
    """A stretch of a path that stands out against the other videos of a set.

    Parameters
    ----------
    start_x, end_x : int
        Frames of the reference, `end_x` exclusive.
    start_y, end_y : int
        Frames of the video, `end_y` exclusive.
    mean_cost, max_cost : float
        Of the steps in it.
    z : float
        The largest of it, in robust standard deviations of the other videos' costs there.
    """

    start_x: int
    end_x: int
    start_y: int
    end_y: int
    mean_cost: float
    max_cost: float
    z: float


def find_deviations(
    alignments: Sequence[Alignment], *, threshold: float = DEFAULT_THRESHOLD
) -> list[list[Deviation]]:
    """Find where each video of a set stands out against the others.

    Parameters
    ----------
    alignments : sequence of Alignment
        Of one reference x with each of the videos y, at least `MIN_OTHERS` + 1 of them.
    threshold : float
        A stretch is where `deviation_scores` are above it, > 0, and around that, where they are
        above half of it. Stretches between which there are fewer steps than costs are averaged over
        are one.

    Returns
    -------
    list of list of Deviation
        Of each video, in order.

    Raises
    ------
    ValueError
        If there are too few alignments, they differ in the length of x or leave some of it out
        at an open begin or end, or `threshold` is not > 0.
    """
    threshold = check_positive(threshold, "threshold")
    scores = deviation_scores(alignments)
    return [
        [_deviation(alignment, z, start, end) for start, end in _stretches(z, threshold)]
        for alignment, z in zip(alignments, scores, strict=True)
    ]


def deviation_scores(alignments: Sequence[Alignment]) -> list[np.ndarray]:
    """Return how far each step of each path stands out, in robust standard deviations.

    Parameters
    ----------
    alignments : sequence of Alignment
        As for `find_deviations`.

    Returns
    -------
    list of ndarray of float64, shape (L,)
        For each step of each path: the logarithm of the cost around it, relative to the video's own
        median; minus the median of the other videos there, divided by 1.4826 times their median
        absolute deviation.

    Raises
    ------
    ValueError
        As `find_deviations`.
    """
    if len(alignments) <= MIN_OTHERS:
        raise ValueError(
            f"alignments must be at least {MIN_OTHERS + 1}, so that each is compared with "
            f"{MIN_OTHERS} others, got {len(alignments)}"
        )
    lengths = {len(alignment.x) for alignment in alignments}
    if len(lengths) > 1:
        raise ValueError(f"alignments must have the same x, got {sorted(lengths)} frames")
    for alignment in alignments:
        begin, end = alignment.path[[0, -1], 0].tolist()
        if (begin, end) != (0, len(alignment.x) - 1):
            raise ValueError(
                "alignments must be of all of x, whose begin and end are not open, got a path from "
                f"frame {begin} to {end} of {len(alignment.x)}"
            )
    steps = [_costs(alignment) for alignment in alignments]
    negligible = _negligible_cost(alignments, np.concatenate(steps))
    if not negligible:  # all costs are 0
        return [np.zeros(len(costs)) for costs in steps]
    levels = [_levels(costs, negligible) for costs in steps]
    profiles = np.stack(
        [_by_frame(alignment, level) for alignment, level in zip(alignments, levels, strict=True)]
    )
    scores = []
    for k, (alignment, level) in enumerate(zip(alignments, levels, strict=True)):
        median, spread = _usual(np.delete(profiles, k, axis=0))
        frames = alignment.path[:, 0]
        scores.append((level - median[frames]) / spread[frames])
    return scores


def _negligible_cost(alignments: Sequence[Alignment], costs: np.ndarray) -> float:
    """Return the cost that is added to all costs before their logarithm is taken."""
    usual = float(np.median(costs)) or float(costs.mean())
    # Mean cost of any two frames, of each pair of videos.
    pairs = [each.mean_cost / each.relative_cost for each in alignments if each.relative_cost]
    return max(NEGLIGIBLE_SHARE * usual, ROUNDING_SHARE * max(pairs, default=0.0))


def _costs(alignment: Alignment) -> np.ndarray:
    """Return the cost of the frames at each step, whatever the step weighs."""
    return step_costs(alignment.x, alignment.y, alignment.path, alignment.cost_name)


def _levels(costs: np.ndarray, negligible: float) -> np.ndarray:
    """Return the logarithms of the costs around each step, relative to their median."""
    window = np.ones(2 * SMOOTHING_STEPS + 1)
    steps = slice(SMOOTHING_STEPS, SMOOTHING_STEPS + len(costs))
    means = np.convolve(costs, window)[steps] / np.convolve(np.ones(len(costs)), window)[steps]
    levels = np.log(means + negligible)
    return levels - np.median(levels)


def _by_frame(alignment: Alignment, values: np.ndarray) -> np.ndarray:
    """Return the mean over the steps of each frame of x, shape (n,); between those if skipped."""
    return frame_means(alignment.path[:, 0], values, len(alignment.x))


def _usual(profiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return median and robust standard deviation at each frame of x, of videos `(K, n)`."""
    median = np.median(profiles, axis=0)
    distances = np.abs(profiles - median)
    n = distances.shape[1]
    width = min(2 * SPREAD_FRAMES + 1, n)
    windows = np.lib.stride_tricks.sliding_window_view(distances, width, axis=1)
    block = max(1, _MAX_BLOCK // (len(distances) * width))
    medians = np.concatenate(
        [
            np.median(windows[:, start : start + block], axis=(0, 2))
            for start in range(0, windows.shape[1], block)
        ]
    )
    local = medians[np.clip(np.arange(n) - SPREAD_FRAMES, 0, n - width)]
    spread = _MAD_TO_DEVIATION * np.maximum(local, np.median(distances))
    return median, np.maximum(spread, MIN_SPREAD)


def _stretches(z: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Return runs of steps above half the threshold that are above it somewhere, merged."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], z > threshold / 2, [False]))))
    merged: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if z[start:end].max() <= threshold:
            continue
        if merged and start - merged[-1][1] <= 2 * SMOOTHING_STEPS:
            start = merged.pop()[0]
        merged.append((start, end))
    return merged


def _deviation(alignment: Alignment, z: np.ndarray, start: int, end: int) -> Deviation:
    costs = _costs(alignment)[start:end]
    (first_x, first_y), (last_x, last_y) = alignment.path[[start, end - 1]].tolist()
    return Deviation(
        first_x,
        last_x + 1,
        first_y,
        last_y + 1,
        float(costs.mean()),
        float(costs.max()),
        float(z[start:end].max()),
    )
