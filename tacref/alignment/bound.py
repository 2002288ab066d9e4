"""An upper bound on the cost of a pair: the cost of a path near that of the coarsened pair."""

import math

import numpy as np

from tacref.alignment.path import find_path, plan_blocks
from tacref.alignment.sweep import estimate_seconds, make_borders, make_pair, no_storage, run_sweep
from tacref.kernels.costs import COLUMNS, ROWS
from tacref.kernels.dtw.pair import Area, Pair, size_of

# For a pair that takes less time than this, a bound costs more than it saves.
MIN_SECONDS_FOR_BOUND = 3e-3
# At least this many frames are averaged into one, and at most this many averages remain.
MIN_FRAMES_AVERAGED, MAX_AVERAGES = 8, 2048
# If the mean cost along the coarse path is a larger share of the mean cost of all pairs, the bound
# would leave little out.
MAX_COARSE_COST_SHARE = 0.5
# The corridor extends this many averages beyond the coarse path.
CORRIDOR_RADIUS = 1


def upper_bound(
    x: np.ndarray, y: np.ndarray, pair: Pair, area: Area, *, threads: int | None = None
) -> float:
    """Return the cost of some path through a pair, or +inf if finding one is not worth it.

    Groups of frames are averaged and the averages aligned; the bound is the cost of the cheapest
    path of the frames that stays near. It is computed by the arithmetic of every other sweep, so
    it is not below the cost of the cheapest path, to the last bit.
    """
    if estimate_seconds(size_of(area)[1], pair.d) < MIN_SECONDS_FOR_BOUND:
        return math.inf
    factor = max(MIN_FRAMES_AVERAGED, -(-max(pair.n, pair.m) // MAX_AVERAGES))
    coarse_x, coarse_y = _averages(x, factor), _averages(y, factor)
    coarse = make_pair(coarse_x, coarse_y)
    path = find_path(coarse, plan_blocks(coarse))
    differences = coarse_x[path[:, 0]] - coarse_y[path[:, 1]]
    if (differences**2).sum(axis=1).mean() > MAX_COARSE_COST_SHARE * _mean_cost(coarse_x, coarse_y):
        return math.inf
    corridor = _corridor(area, path, factor)
    if (corridor.stops <= corridor.starts).any():
        return math.inf  # the band forbids it
    row, left = make_borders(pair)
    run_sweep(pair, corridor, row, left, no_storage(), threads=threads)
    return float(row[-1])


def _averages(frames: np.ndarray, factor: int) -> np.ndarray:
    groups, d = len(frames) // factor, frames.shape[1]
    means = frames[: groups * factor].reshape(groups, factor, d).mean(axis=1)
    rest = frames[groups * factor :]
    return np.vstack((means, rest.mean(axis=0))) if len(rest) else means


def _mean_cost(x: np.ndarray, y: np.ndarray) -> float:
    """Mean of all squared distances between two sequences."""
    spread = x.var(axis=0).sum() + y.var(axis=0).sum()
    return float(spread + ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum())


def _corridor(area: Area, path: np.ndarray, factor: int) -> Area:
    """Return the part of an area near a path of averages."""
    steps = np.searchsorted(path[:, 0], np.arange(path[-1, 0] + 1))
    lows = path[steps, 1]
    highs = path[np.append(steps[1:], len(path)) - 1, 1]
    firsts = np.arange(area.row_start, area.row_stop, ROWS)
    lasts = np.minimum(firsts + ROWS, area.row_stop) - 1
    starts = (lows[firsts // factor] - CORRIDOR_RADIUS) * factor // COLUMNS * COLUMNS
    stops = (highs[lasts // factor] + 1 + CORRIDOR_RADIUS) * factor
    return area._replace(
        starts=np.maximum(area.starts, starts), stops=np.minimum(area.stops, stops)
    )
