"""DTW of a whole pair or a part of it, tile by tile, by any number of threads.

A thread takes the first strip that can go on, its next tile below one that is done, and follows it
as far as it can; then it takes another. So no thread waits while there is anything to do, although
the system may hold up any of them at any time. There is one row of accumulated costs: a strip
replaces that of the strip above as it goes, which nobody reads any more.

Costs are not negative, so that a path never gets cheaper. Where all that leads into some columns of
a tile is above a bound that the whole path keeps to, no path that matters comes through: they
are left out, as forbidden. That changes no bit of any R up to the bound, nor of the path.
"""

import numpy as np

from tacref.compiled import inner, njit
from tacref.kernels.atomics import claim, observe, publish
from tacref.kernels.costs import COLUMNS, ROWS
from tacref.kernels.dtw.cost import tile_costs
from tacref.kernels.dtw.pair import COMPLETE, Area, Pair, Storage, Team, Worker
from tacref.kernels.dtw.tile import DIAGONAL_BYTES, TILE, TILE_BYTES, back, forward

ENDED, WAITING, PAUSED = 0, 1, 2
# How often a thread looks for something to do before it leaves to sleep: some fifty microseconds.
LOOKS = 2_000


@njit(cache=True, nogil=True)
def sweep(
    pair: Pair,
    area: Area,
    row: np.ndarray,
    left: np.ndarray,
    storage: Storage,
    team: Team,
    worker: Worker,
    span: int,
    budget: int,
) -> int:
    """Accumulate costs in an area, from the row above and the column left of it.

    Column j of `row`, at j + 1, is replaced by R of the area's last row; `left` holds row i at
    i + 1. At most `span` strips are under way at once. Return `ENDED`, or before that `WAITING` for
    other threads, or `PAUSED` after `budget` tiles, to be called again.
    """
    strips = len(team.claims)
    head = looks = 0
    while True:
        while head < strips and observe(team.progress, head + 1) == COMPLETE:
            head += 1
        if head == strips or observe(team.halt, 0):
            return ENDED
        looks += 1
        for s in range(head, min(strips, head + span)):
            above = observe(team.progress, s)
            if above == 0:
                break  # nor can any below go on
            if observe(team.progress, s + 1) < above and claim(team.claims, s):
                tiles = _follow(pair, area, row, left, storage, team, worker, s, budget)
                publish(team.claims, s, 0)
                if tiles > 0:
                    worker.done[0] += tiles
                    budget -= tiles
                    looks = 0
                    break
        if budget == 0:
            return PAUSED
        if looks > LOOKS:
            return WAITING


@inner
def _follow(
    pair: Pair,
    area: Area,
    row: np.ndarray,
    left: np.ndarray,
    storage: Storage,
    team: Team,
    worker: Worker,
    s: int,
    budget: int,
) -> int:
    """Follow a strip as far as that above has come, at most `budget` tiles; return how many."""
    first = area.row_start + s * ROWS
    rows = min(ROWS, area.row_stop - first)
    start, stop = area.starts[s], area.stops[s]
    edge = team.edges[s]
    first_tile = start // TILE
    tile = max(observe(team.progress, s + 1), first_tile)
    tiles = 0
    while tiles < budget and observe(team.progress, s) > tile and not observe(team.halt, 0):
        if tile * TILE < stop:
            if tile == first_tile:
                _enter(area, row, left, s, edge)
            tile_start, tile_stop = max(start, tile * TILE), min(stop, (tile + 1) * TILE)
            begin = _leave_out(row, edge, rows, tile_start, tile_stop, area.bound)
            if begin < tile_stop:
                tile_costs(pair, first, rows, begin, tile_stop, worker.strip)
                bits_start = (s * storage.tiles + tile - first_tile) * TILE_BYTES
                forward(
                    worker.strip,
                    row,
                    edge,
                    rows,
                    begin,
                    tile_stop,
                    worker.ring,
                    storage.tiles > 0,
                    storage.bits,
                    bits_start + (begin - tile_start) * DIAGONAL_BYTES,
                )
            _store(pair, storage, row, edge, first, rows, tile_start, tile_stop)
        tiles += 1
        tile = tile + 1 if (tile + 1) * TILE < stop else COMPLETE
        publish(team.progress, s + 1, tile)
    return tiles


@inner
def _enter(area: Area, row: np.ndarray, left: np.ndarray, s: int, edge: np.ndarray) -> None:
    """Fill in the edge left of a strip."""
    start, first = area.starts[s], area.row_start + s * ROWS
    if start == area.column_start:
        stop = min(first + ROWS, area.row_stop)
        edge[: stop - first + 1] = left[first : stop + 1]
        return
    edge[:] = np.inf
    # The strip above may come from further left: by a corner, it leads in here.
    if s == 0 or area.starts[s - 1] < start:
        edge[0] = row[start]


@inner
def _leave_out(
    row: np.ndarray, edge: np.ndarray, rows: int, start: int, stop: int, bound: float
) -> int:
    """Forbid the first columns of a tile, if nothing that leads in is within the bound.

    Return the first column that is not left out, a multiple of COLUMNS, or `stop`.
    """
    for r in range(rows + 1):
        if edge[r] <= bound:
            return start
    begin = start
    while begin < stop and not row[begin + 1] <= bound:
        begin += 1
    if begin < stop:
        begin = begin // COLUMNS * COLUMNS
    if begin > start:
        row[start + 1 : begin + 1] = np.inf
        edge[: rows + 1] = np.inf
    return begin


@inner
def _store(
    pair: Pair,
    storage: Storage,
    row: np.ndarray,
    edge: np.ndarray,
    first: int,
    rows: int,
    start: int,
    stop: int,
) -> None:
    """Keep the last row and the last column of a tile, if they are to be storage."""
    i, j = first + rows - 1, stop - 1
    if storage.row_step and (i + 1) % storage.row_step == 0 and i + 1 < pair.n:
        offset = pair.first_columns[i]
        for column in range(max(start, offset), min(stop, pair.stop_columns[i])):
            storage.rows[(i + 1) // storage.row_step - 1, column - offset] = row[column + 1]
    if storage.column_step and stop % storage.column_step == 0 and stop < pair.m:
        offset = pair.first_rows[j]
        for line in range(max(first, offset), min(first + rows, pair.stop_rows[j])):
            storage.columns[stop // storage.column_step - 1, line - offset] = edge[line - first + 1]


@njit(cache=True)
def walk(
    area: Area, storage: Storage, i: int, j: int, path: np.ndarray, step: int
) -> tuple[int, int, int]:
    """Write the path to (i, j) backwards before `step`, as far as it lies in an area.

    Return the cell before, and the path's start.
    """
    while i >= area.row_start and j >= area.column_start:
        s = (i - area.row_start) // ROWS
        first = area.row_start + s * ROWS
        start, tile = area.starts[s], j // TILE
        bits_start = (s * storage.tiles + tile - start // TILE) * TILE_BYTES
        i, j, step = back(
            storage.bits, bits_start, first, max(start, tile * TILE), i, j, path, step
        )
    return i, j, step
