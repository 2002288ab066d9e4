"""An upper bound on the cost of a pair: the cost of a path near that of the coarsened pair."""

import math
from typing import NamedTuple

import numpy as np

from tacref.alignment.path import find_path, plan_blocks
from tacref.alignment.sweep import (
    estimate_seconds,
    make_area,
    make_borders,
    make_pair,
    no_storage,
    run_sweep,
)
from tacref.kernels.costs import COLUMNS, ROWS
from tacref.kernels.dtw.pair import Area, Pair, size_of
from tacref.kernels.dtw.tile import TILE

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
    x: np.ndarray,
    y: np.ndarray,
    pair: Pair,
    area: Area,
    open_end: str | None = None,
    *,
    threads: int | None = None,
) -> float:
    """Return the cost of some path through a pair, or +inf if finding one is not worth it.

    Groups of frames are averaged and the averages aligned; the bound is the cost of the cheapest
    path of the frames that stays near. It is computed by the arithmetic of every other sweep, so
    it is not below the cost of the cheapest path, to the last bit.
    """
    if estimate_seconds(size_of(area)[1], pair.d) < MIN_SECONDS_FOR_BOUND:
        return math.inf
    coarse = average(x, y, pair)
    path = find_path(coarse.pair, plan_blocks(coarse.pair), open_end=open_end)
    return bound_near(pair, coarse, path, open_end, threads=threads)


class Coarse(NamedTuple):
    """A pair of averages of `factor` frames each."""

    x: np.ndarray
    y: np.ndarray
    pair: Pair
    factor: int


def average(x: np.ndarray, y: np.ndarray, pair: Pair) -> Coarse:
    """Average groups of frames; paths may begin where they may in the pair."""
    # Of the shape of a square with as many cells.
    side = math.isqrt(pair.n * pair.m - 1) + 1
    factor = max(MIN_FRAMES_AVERAGED, -(-side // MAX_AVERAGES))
    coarse_x, coarse_y = _averages(x, factor), _averages(y, factor)
    coarse = make_pair(coarse_x, coarse_y)._replace(above=pair.above, before=pair.before)
    return Coarse(coarse_x, coarse_y, coarse, factor)


def bound_near(
    pair: Pair,
    coarse: Coarse,
    path: np.ndarray,
    open_end: str | None,
    *,
    threads: int | None = None,
) -> float:
    """Return the cost of the cheapest path near a path of averages, or +inf as `upper_bound`."""
    differences = coarse.x[path[:, 0]] - coarse.y[path[:, 1]]
    if (differences**2).sum(axis=1).mean() > MAX_COARSE_COST_SHARE * _mean_cost(coarse.x, coarse.y):
        return math.inf
    corridor = _corridor(pair, coarse, path)
    if (corridor.stops <= corridor.starts).any():
        return math.inf  # the band forbids it
    row, left = make_borders(pair)
    if corridor.row_start:
        row[:] = math.inf
    if corridor.column_start:
        left[corridor.row_start + 1 :] = math.inf
        left[corridor.row_start] = row[corridor.column_start]
    run_sweep(pair, corridor, row, left, no_storage(), threads=threads)
    ends = [math.inf]
    if corridor.row_stop == pair.n:
        last_row = row[corridor.column_start + 1 : corridor.column_stop + 1]
        if corridor.column_stop == pair.m:
            ends.append(last_row[-1])
        if open_end in ("y", "both"):
            ends.append(last_row.min())
    if corridor.column_stop == pair.m and open_end in ("x", "both"):
        ends.append(left[corridor.row_start + 1 : corridor.row_stop + 1].min())
    return float(min(ends))


def _averages(frames: np.ndarray, factor: int) -> np.ndarray:
    groups, d = len(frames) // factor, frames.shape[1]
    means = frames[: groups * factor].reshape(groups, factor, d).mean(axis=1)
    rest = frames[groups * factor :]
    return np.vstack((means, rest.mean(axis=0))) if len(rest) else means


def _mean_cost(x: np.ndarray, y: np.ndarray) -> float:
    """Mean of all squared distances between two sequences."""
    spread = x.var(axis=0).sum() + y.var(axis=0).sum()
    return float(spread + ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum())


def _corridor(pair: Pair, coarse: Coarse, path: np.ndarray) -> Area:
    """Return the part of a pair near a path of averages."""

    def reach(begin: int, end: int, size: int, whole: int) -> tuple[int, int]:
        """Return the frames near some averages; all to the end if the last one is among them."""
        first = max(0, begin - CORRIDOR_RADIUS) * coarse.factor
        return first, size if end == whole - 1 else min(
            size, (end + 1 + CORRIDOR_RADIUS) * coarse.factor
        )

    row_start, row_stop = reach(path[0, 0], path[-1, 0], pair.n, coarse.pair.n)
    column_start, column_stop = reach(path[0, 1], path[-1, 1], pair.m, coarse.pair.m)
    area = make_area(
        pair,
        (row_start // ROWS * ROWS, row_stop),
        (column_start // TILE * TILE, column_stop),
        math.inf,
    )
    firsts = np.arange(area.row_start, area.row_stop, ROWS)
    lasts = np.minimum(firsts + ROWS, area.row_stop) - 1
    firsts, lasts = (
        np.clip(rows // coarse.factor, path[0, 0], path[-1, 0]) for rows in (firsts, lasts)
    )
    lows = path[np.searchsorted(path[:, 0], firsts, side="left"), 1]
    highs = path[np.searchsorted(path[:, 0], lasts, side="right") - 1, 1]
    starts = (lows - CORRIDOR_RADIUS) * coarse.factor // COLUMNS * COLUMNS
    stops = (highs + 1 + CORRIDOR_RADIUS) * coarse.factor
    return area._replace(
        starts=np.maximum(area.starts, starts), stops=np.minimum(area.stops, stops)
    )
