"""Sweeps over the cells of a pair: layout in memory, threads, progress."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tacref.alignment.distances import comparable_rows
from tacref.bands import Columns, band_columns
from tacref.cores import threads_available
from tacref.ends import border_costs
from tacref.kernels.costs import COLUMNS, ROWS, STRIDE, copy_columns
from tacref.kernels.dtw.pair import (
    COMPLETE,
    Area,
    Pair,
    Storage,
    Team,
    Worker,
    rows_of_columns,
    size_of,
    windows,
)
from tacref.kernels.dtw.sweep import ENDED, PAUSED, WAITING, sweep
from tacref.kernels.dtw.tile import SLOT, TILE

# Rough times on a slow processor: they only decide how often the calling thread reports progress
# and whether more threads pay.
_SECONDS_PER_CELL, _SECONDS_PER_DIMENSION = 1e-9, 1e-10
# How often the calling thread pauses, to show progress and to let itself be interrupted.
_SECONDS_PER_TURN = 0.03
# A thread with less work than this costs more than it saves.
_MIN_SECONDS_PER_THREAD = 1e-3
# Share of the cells that remain if there is a bound, about.
_SHARE_WITHIN_BOUND = 1 / 32
# Seconds that a thread sleeps while it waits for another one.
_MIN_SLEEP, _MAX_SLEEP = 1e-6, 1e-3

Progress = Callable[[float], object]


def make_pair(
    x: np.ndarray,
    y: np.ndarray,
    band: Columns | None = None,
    cost: str = "sqeuclidean",
    open_begin: str | None = None,
) -> Pair:
    """Return two embeddings as the kernels take them; they have passed `check_embeddings`.

    `band` holds the columns of each row that are inside the band; by default there is no band.
    `cost` is one of `tacref.alignment.distances.COSTS`; `open_begin` has passed `check_open`.

    Raises
    ------
    ValueError
        If a value is so large that costs would overflow, or if there is a row of zeros, which has
        no cosine.
    """
    (n, d), m = x.shape, len(y)
    x, y, kind = comparable_rows(x, y, cost)
    band = band_columns(n, m, None) if band is None else band
    # Not by a dot product: BLAS would keep its threads busy for a while.
    largest = [max(float(array.max()), -float(array.min())) for array in (x, y)]
    # An overflow must not be mistaken for +inf, which marks forbidden cells.
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
    return Pair(
        flat,
        last.reshape(-1),
        columns,
        n,
        m,
        d,
        *band,
        *rows_of_columns(*band, m),
        kind,
        *border_costs(open_begin),
    )


def make_area(pair: Pair, rows: tuple[int, int], columns: tuple[int, int], bound: float) -> Area:
    """Return the part of a pair inside a range of rows, a range of columns and the band."""
    starts, stops = windows(*rows, *columns, pair.first_columns, pair.stop_columns)
    return Area(*rows, *columns, starts, stops, bound)


def whole_area(pair: Pair, bound: float = math.inf) -> Area:
    """Return the area of all cells of a pair."""
    return make_area(pair, (0, pair.n), (0, pair.m), bound)


def estimate_seconds(cells: int, d: int) -> float:
    """Return about how long one thread takes for cells of rows of d if none is left out."""
    return cells * (_SECONDS_PER_CELL + d * _SECONDS_PER_DIMENSION)


def make_borders(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the row above and the column left of a pair: where paths may begin, R is 0."""
    row, left = np.full(pair.m + 1, pair.above), np.full(pair.n + 1, pair.before)
    left[0] = 0.0
    return row, left


def no_storage() -> Storage:
    """Return empty storage, for a sweep of which only the value is needed."""
    none = np.empty((0, 0))
    return Storage(none, 0, none, 0, np.empty(0, np.uint8), 0)


def run_sweep(
    pair: Pair,
    area: Area,
    row: np.ndarray,
    left: np.ndarray,
    storage: Storage,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Sweep an area with several threads, including the calling one.

    Parameters
    ----------
    pair, area, row, left, storage
        As `tacref.kernels.dtw.sweep.sweep` takes them. When it is done, `row` holds R of the area's
        last row, and `left` R of its last column.
    threads : int, optional
        How many to use. By default as many as are available and pay.
    progress : callable, optional
        Called by the calling thread with the share of the area done so far.
    """
    strips = len(area.starts)
    # Columns that the first strip does not reach are above cells inside the area, too.
    row[area.stops[0] + 1 : area.column_stop + 1] = np.inf
    tiles, cells, widest = size_of(area)
    work = estimate_seconds(cells, pair.d)
    if threads is None:
        share = _SHARE_WITHIN_BOUND if area.bound < math.inf else 1.0
        threads = min(threads_available(), 1 + int(share * work / _MIN_SECONDS_PER_THREAD))
    threads = min(threads, strips)
    team = Team(
        progress=np.zeros(strips + 1, np.int64),
        claims=np.zeros(strips, np.int64),
        edges=np.empty((strips, ROWS + 1)),
        halt=np.zeros(1, np.int64),
    )
    team.progress[0] = COMPLETE  # the first strip waits for nothing
    # Short videos fill only a part of a tile.
    diagonals = -(-min(widest, TILE) // COLUMNS) * COLUMNS + ROWS
    workers = [
        Worker(np.zeros(diagonals * STRIDE), np.zeros(3 * SLOT), np.zeros(1, np.int64))
        for _ in range(threads)
    ]
    tiles_per_turn = max(1, int(_SECONDS_PER_TURN / work * tiles))

    def sweep_until_done(worker: Worker, tiles_per_turn: int) -> None:
        sleep, tiles_before = _MIN_SLEEP, 0
        try:
            while not team.halt[0]:
                status = sweep(
                    pair, area, row, left, storage, team, worker, 4 * threads, tiles_per_turn
                )
                if status == ENDED:
                    return
                if status == PAUSED and progress is not None:
                    progress(min(1.0, sum(int(one.done[0]) for one in workers) / tiles))
                if status == WAITING:
                    # If threads share a core, the one waited for must get it.
                    stuck = worker.done[0] == tiles_before
                    sleep = min(2 * sleep, _MAX_SLEEP) if stuck else _MIN_SLEEP
                    tiles_before = int(worker.done[0])
                    time.sleep(sleep)
        except BaseException:
            team.halt[0] = 1
            raise

    if threads == 1:
        sweep_until_done(workers[0], tiles_per_turn)
        _finish_borders(area, row, left, team)
        return
    with ThreadPoolExecutor(threads - 1) as pool:
        try:
            others = [pool.submit(sweep_until_done, worker, 2**62) for worker in workers[1:]]
            sweep_until_done(workers[0], tiles_per_turn)
            for other in others:
                other.result()
        except BaseException:
            team.halt[0] = 1  # else the others would wait forever
            raise
    _finish_borders(area, row, left, team)


def _finish_borders(area: Area, row: np.ndarray, left: np.ndarray, team: Team) -> None:
    """Let `row` and `left` hold R of an area's last row and last column, and nothing else."""
    # Where the last strip does not reach, R of a strip above is left.
    row[area.column_start + 1 : area.starts[-1] + 1] = np.inf
    row[max(area.stops[-1], area.column_start) + 1 : area.column_stop + 1] = np.inf
    edges = team.edges[:, 1:]
    edges[(area.stops < area.column_stop) | (area.stops <= area.starts)] = np.inf
    rows = area.row_stop - area.row_start
    left[area.row_start + 1 : area.row_stop + 1] = edges.reshape(-1)[:rows]
