"""Sweeps over the cells of a pair: its layout in memory, its threads, and how far they are."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tacref.checks import check_band
from tacref.cores import threads_available
from tacref.kernels.costs import COLUMNS, ROWS, STRIDE, copy_columns
from tacref.kernels.dtw.pair import COMPLETE, Area, Kept, Pair, Team, Worker, extent, windows
from tacref.kernels.dtw.sweep import ENDED, PAUSED, WAITING, sweep
from tacref.kernels.dtw.tile import SLOT, TILE

# Seconds a cell takes at least, and those that each dimension adds, on a slow processor: rough,
# and only for how often the calling thread comes up and whether a second one pays.
_CELL, _DIMENSION = 1e-9, 1e-10
# The calling thread comes up so often, to show progress and to be interrupted.
_TURN = 0.03
# A thread that has less to do than this, in seconds, costs more than it saves.
_WORTH = 1e-3
# About the share that is left to do where there is a bound.
_WITHIN_BOUND = 1 / 32
# Seconds that a thread sleeps which waits for another one: at first, at most.
_NAP, _LONGEST_NAP = 1e-6, 1e-3

Progress = Callable[[float], object]


def as_pair(x: np.ndarray, y: np.ndarray, band: int | None) -> Pair:
    """Return two embeddings as the kernels take them, once `check_embeddings` has passed them.

    Raises
    ------
    ValueError
        If a value is so large that costs would overflow, or `band` is not a whole number >= |n - m|
        or None.
    """
    (n, d), m = x.shape, len(y)
    band = check_band(band, n, m)
    # Not by a dot product: the threads that BLAS has for it would stay busy for a while.
    largest = [max(float(array.max()), -float(array.min())) for array in (x, y)]
    # An overflow must not pass for +inf, which means forbidden.
    if math.isinf(sum(largest) * sum(largest) * d * (n + m)):
        raise ValueError(
            "x and y must have squared distances that stay finite when summed along a path, "
            f"got values up to {largest[0]!r} and {largest[1]!r}"
        )
    last = np.zeros((ROWS, d))
    begin = (n - 1) // ROWS * ROWS
    last[: n - begin] = x[begin:]
    tiles = -(-m // TILE)
    columns = np.zeros(tiles * d * TILE)
    for tile in range(tiles):
        part = y[tile * TILE : (tile + 1) * TILE]
        copy_columns(part, len(part), columns[tile * d * TILE :], TILE)
    flat = np.require(x, np.float64, ["C", "W"]).reshape(-1)  # one type for the compiler, not two
    return Pair(flat, last.reshape(-1), columns, n, m, d, n + m if band is None else band)


def area_of(pair: Pair, rows: tuple[int, int], columns: tuple[int, int], bound: float) -> Area:
    """Return the part of a pair from one row and column to another, as far as the band goes."""
    return Area(*rows, *columns, *windows(*rows, *columns, pair.band), bound)


def whole(pair: Pair, bound: float = math.inf) -> Area:
    """Return the area of all cells of a pair."""
    return area_of(pair, (0, pair.n), (0, pair.m), bound)


def seconds(pair: Pair, cells: int) -> float:
    """Return about how long one thread takes, if nothing is left out."""
    return cells * (_CELL + pair.d * _DIMENSION)


def borders(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the row above and the column left of a pair: paths start at (0, 0) only."""
    row, left = np.full(pair.m + 1, np.inf), np.full(pair.n + 1, np.inf)
    left[0] = 0.0
    return row, left


def nothing_kept() -> Kept:
    """Return what a sweep for its value alone leaves."""
    none = np.empty((0, 0))
    return Kept(none, 0, none, 0, np.empty(0, np.uint8), 0)


def run(
    pair: Pair,
    area: Area,
    row: np.ndarray,
    left: np.ndarray,
    kept: Kept,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Sweep an area by several threads, the calling one among them.

    Parameters
    ----------
    pair, area, row, left, kept
        As `tacref.kernels.dtw.sweep.sweep` takes them.
    threads : int, optional
        How many; by default as many as there are and as are worth it.
    progress : callable, optional
        Called by the calling thread with the share of the area that is done.
    """
    strips = len(area.starts)
    tiles, cells, widest = extent(area)
    work = seconds(pair, cells)
    if threads is None:
        left_over = _WITHIN_BOUND if area.bound < math.inf else 1.0
        threads = min(threads_available(), 1 + int(left_over * work / _WORTH))
    threads = min(threads, strips)
    team = Team(
        progress=np.zeros(strips + 1, np.int64),
        claims=np.zeros(strips, np.int64),
        edges=np.empty((strips, ROWS + 1)),
        halt=np.zeros(1, np.int64),
    )
    team.progress[0] = COMPLETE  # above the first strip there is nothing to wait for
    # Short videos fill a part of a tile.
    diagonals = -(-min(widest, TILE) // COLUMNS) * COLUMNS + ROWS
    workers = [
        Worker(np.zeros(diagonals * STRIDE), np.zeros(3 * SLOT), np.zeros(1, np.int64))
        for _ in range(threads)
    ]
    turn = max(1, int(_TURN / work * tiles))

    def follow(worker: Worker, turn: int) -> None:
        nap, seen = _NAP, 0
        try:
            while not team.halt[0]:
                status = sweep(pair, area, row, left, kept, team, worker, 4 * threads, turn)
                if status == ENDED:
                    return
                if status == PAUSED and progress is not None:
                    progress(min(1.0, sum(int(one.done[0]) for one in workers) / tiles))
                if status == WAITING:
                    # Where threads share a core, the one that is waited for must get it.
                    nap = _NAP if worker.done[0] > seen else min(2 * nap, _LONGEST_NAP)
                    seen = int(worker.done[0])
                    time.sleep(nap)
        except BaseException:
            team.halt[0] = 1
            raise

    if threads == 1:
        return follow(workers[0], turn)
    with ThreadPoolExecutor(threads - 1) as pool:
        try:
            others = [pool.submit(follow, worker, 2**62) for worker in workers[1:]]
            follow(workers[0], turn)
            for other in others:
                other.result()
        except BaseException:
            team.halt[0] = 1  # else the others would wait for ever
            raise
    return None
