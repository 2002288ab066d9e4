"""Bands in seconds: which frames are near the straight line between two clips' times."""

import numpy as np

from tacref.bands import Columns, leaves_path
from tacref.checks import check_positive
from tacref.ends import CLOSED, OpenEnds
from tacref.reach import check_steps_reach, leads_through
from tacref.steps import Steps

# Times such as k / 30 are rounded: a difference this share above the band is still inside.
_ROUNDING = 1e-9
# How near to the least width that leaves a path a message comes; it never names a smaller one.
_SEARCH_SHARE, _MARGIN = 1e-3, 1.006


def seconds_columns(
    times_x: np.ndarray,
    times_y: np.ndarray,
    seconds: float,
    steps: Steps,
    open_ends: OpenEnds = CLOSED,
) -> Columns:
    """Columns of each row inside a band that is measured in seconds.

    With the durations a = t_{n-1} - t_0 and b = u_{m-1} - u_0 of the two clips, frames i and j are
    inside if |(t_i - t_0) / a - (u_j - u_0) / b| min(a, b) <= seconds, up to rounding: within so
    much time of the shorter clip from the line that leads from both first to both last frames. If
    a or b is 0, all are inside.

    Parameters
    ----------
    times_x, times_y : ndarray of float64, shapes (n,) and (m,)
        Times of the frames, finite; they must not decrease.
    seconds : float
        Width, > 0.
    steps : Steps
        Steps that must find a path inside.
    open_ends : OpenEnds
        Where that path may begin and end.

    Returns
    -------
    Columns
        As `tacref.bands.band_columns` returns them.

    Raises
    ------
    ValueError
        If times decrease, the steps lead nowhere, or the band is narrower than a frame or leaves
        no path.
    """
    seconds = check_positive(seconds, "band_seconds")
    for times, name in ((times_x, "times_x"), (times_y, "times_y")):
        if (np.diff(times) < 0).any():
            frame = int(np.flatnonzero(np.diff(times) < 0)[0]) + 1
            raise ValueError(
                f"{name} must not decrease for band_seconds, got {float(times[frame])!r} after "
                f"{float(times[frame - 1])!r} at frame {frame}"
            )
    n, m = len(times_x), len(times_y)
    durations = float(times_x[-1] - times_x[0]), float(times_y[-1] - times_y[0])
    shorter = min(durations)
    everything = check_steps_reach(steps, n, m, None, open_ends=open_ends)
    if shorter == 0:
        return everything
    frame_seconds = shorter / (max(n, m) - 1)
    if seconds < frame_seconds * (1 - _ROUNDING):
        raise ValueError(
            f"band_seconds must be at least a frame, {frame_seconds:.3g} s on the line between "
            f"the clips, got {seconds!r}"
        )
    p = (times_x - times_x[0]) / durations[0] * shorter
    q = (times_y - times_y[0]) / durations[1] * shorter
    columns = _columns(p, q, seconds)
    if not _leaves_path(columns, m, steps, open_ends):
        raise ValueError(_message(p, q, seconds, shorter, steps, open_ends))
    return columns


def _columns(p: np.ndarray, q: np.ndarray, seconds: float) -> Columns:
    reach = seconds * (1 + _ROUNDING)
    first = np.searchsorted(q, p - reach, side="left")
    stop = np.searchsorted(q, p + reach, side="right")
    return Columns(first.astype(np.int64), stop.astype(np.int64))


def _leaves_path(columns: Columns, m: int, steps: Steps, open_ends: OpenEnds) -> bool:
    if steps.are_any:
        return leaves_path(*columns, m)
    if (columns.first >= columns.stop).any():
        return False
    return leads_through(steps, columns, m, open_ends)


def _message(
    p: np.ndarray,
    q: np.ndarray,
    too_narrow: float,
    shorter: float,
    steps: Steps,
    open_ends: OpenEnds,
) -> str:
    got, enough = too_narrow, shorter
    if not _leaves_path(_columns(p, q, enough), len(q), steps, open_ends):
        return f"steps {steps.label} leave no path for n = {len(p)} and m = {len(q)}"
    while enough - too_narrow > _SEARCH_SHARE * enough:
        middle = (enough + too_narrow) / 2
        if _leaves_path(_columns(p, q, middle), len(q), steps, open_ends):
            enough = middle
        else:
            too_narrow = middle
    return (
        f"band_seconds must be >= {_MARGIN * enough:.3g} for clips of {len(p)} and {len(q)} "
        f"frames, or no path fits, got {got!r}"
    )
