"""An upper bound on the cost of a pair: that of a path near the one of the coarsened pair."""

import math

import numpy as np

from tacref.alignment.path import find_path, plan_blocks
from tacref.alignment.sweep import as_pair, borders, nothing_kept, run, seconds
from tacref.kernels.costs import COLUMNS, ROWS
from tacref.kernels.dtw.pair import Area, Pair, extent

# A pair that takes less than so many seconds is not worth the look.
LEAST_SECONDS = 3e-3
# Frames that are averaged to one, at least, and averages that are left, at most.
LEAST_FACTOR, MOST_AVERAGES = 8, 2048
# Where the costs along the coarse path are above such a share of all, little could be left out.
CONTRAST = 0.5
# The corridor goes beyond the coarse path by so many averages.
RADIUS = 1


def upper_bound(x: np.ndarray, y: np.ndarray, pair: Pair, area: Area) -> float:
    """Return the cost of some path through all of a pair, or +inf where that is not worth it.

    Frames are averaged in groups, the averages aligned, and of all paths of the frames that stay
    near, the cheapest is taken. Its cost comes from the arithmetic of any other sweep, so that it
    is no less than that of the cheapest path, to the last bit.
    """
    if seconds(pair, extent(area)[1]) < LEAST_SECONDS:
        return math.inf
    factor = max(LEAST_FACTOR, -(-max(pair.n, pair.m) // MOST_AVERAGES))
    coarse_x, coarse_y = _averages(x, factor), _averages(y, factor)
    coarse = as_pair(coarse_x, coarse_y, None)
    path = find_path(coarse, plan_blocks(coarse))
    differences = coarse_x[path[:, 0]] - coarse_y[path[:, 1]]
    if (differences**2).sum(axis=1).mean() > CONTRAST * _mean_cost(coarse_x, coarse_y):
        return math.inf
    corridor = _corridor(area, path, factor)
    if (corridor.stops <= corridor.starts).any():
        return math.inf  # the band forbids it
    row, left = borders(pair)
    run(pair, corridor, row, left, nothing_kept())
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
    """Return the part of an area that lies near a path of averages."""
    steps = np.searchsorted(path[:, 0], np.arange(path[-1, 0] + 1))
    lows = path[steps, 1]
    highs = path[np.append(steps[1:], len(path)) - 1, 1]
    firsts = np.arange(area.row_start, area.row_stop, ROWS)
    lasts = np.minimum(firsts + ROWS, area.row_stop) - 1
    starts = (lows[firsts // factor] - RADIUS) * factor // COLUMNS * COLUMNS
    stops = (highs[lasts // factor] + 1 + RADIUS) * factor
    return area._replace(
        starts=np.maximum(area.starts, starts), stops=np.minimum(area.stops, stops)
    )
