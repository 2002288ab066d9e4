"""Matches of a short video in a long one by any steps, in the stretches that are still free.

A step may skip frames, so that a path could step over frames that are taken: the free stretches
of the long video are searched each by itself.
"""

import math
from typing import NamedTuple

import numpy as np

from tacref.alignment.stepwise import steps_cost, steps_path_to
from tacref.alignment.sweep import Progress, make_pair
from tacref.kernels.dtw.pair import Pair
from tacref.reach import columns_reached
from tacref.steps import Steps


class _Stretch(NamedTuple):
    """Free frames of y from `begin` on, and the least cost of a match that ends at each."""

    begin: int
    costs: np.ndarray


def find_paths_by_steps(
    x: np.ndarray,
    y: np.ndarray,
    steps: Steps,
    cost: str,
    matches: int,
    progress: Progress | None = None,
) -> list[tuple[float, np.ndarray]]:
    """Find the paths of matches that do not overlap, at most as many as fit.

    Parameters
    ----------
    x, y : ndarray of float64, shapes (n, d) and (m, d)
        Embeddings that are checked.
    steps : Steps
        Checked.
    cost : str
        One of `tacref.alignment.distances.COSTS`.
    matches : int
        How many to find.
    progress : callable, optional
        Called with the share of the work done so far, about.

    Returns
    -------
    list of (float, ndarray of int64, shape (L, 2))
        Cost and path of each, the cheapest first.
    """
    parts = matches + 1  # all of y once, then match by match
    first = None if progress is None else lambda share: progress(share / parts)
    stretches = [_search(x, y, 0, len(y), steps, cost, first)]
    found: list[tuple[float, np.ndarray]] = []
    while stretches:
        # Of ties, the stretch that comes first, and in it the earliest end.
        best = min(range(len(stretches)), key=lambda k: float(stretches[k].costs.min()))
        begin, costs = stretches[best]
        last = begin + int(costs.argmin())
        if math.isinf(costs.min()):
            break
        path = _path_to(x, y, begin, last, steps, cost)
        found.append((float(costs.min()), path))
        if progress is not None:
            progress((1 + len(found)) / parts)
        if len(found) == matches:
            break
        # Costs before the match are as before; those after it may have come through it.
        before = _Stretch(begin, costs[: path[0, 1] - begin])
        rest = [before] if len(before.costs) else []
        stop = begin + len(costs)
        if last + 1 < stop:
            rest.append(_search(x, y, last + 1, stop, steps, cost))
        stretches[best : best + 1] = rest
    return found


def _search(
    x: np.ndarray,
    y: np.ndarray,
    begin: int,
    stop: int,
    steps: Steps,
    cost: str,
    progress: Progress | None = None,
) -> _Stretch:
    last_row, _ = steps_cost(_pair(x, y[begin:stop], cost), steps, progress)
    return _Stretch(begin, last_row)


def _path_to(
    x: np.ndarray, y: np.ndarray, begin: int, last: int, steps: Steps, cost: str
) -> np.ndarray:
    """Return the path of the match that ends with frame `last` of y, in a stretch from `begin`."""
    _, most = columns_reached(steps, len(x))
    first = begin if math.isinf(most) else max(begin, last + 1 - int(most))
    pair = _pair(x, y[first : last + 1], cost)
    return np.add(steps_path_to(pair, steps, (pair.n - 1, pair.m - 1)), (0, first))


def _pair(x: np.ndarray, y: np.ndarray, cost: str) -> Pair:
    return make_pair(x, y, cost=cost, open_begin="y")
