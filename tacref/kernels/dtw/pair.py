"""What a sweep works on: a pair of sequences, a part of its cells, what threads share and leave."""

from typing import NamedTuple

import numpy as np

from tacref.compiled import njit
from tacref.kernels.costs import COLUMNS, ROWS
from tacref.kernels.dtw.tile import TILE

# Above any tile's number: a strip that is complete.
COMPLETE = 2**62


class Pair(NamedTuple):
    """Two sequences, the kind of their costs, and the band: the cells that are not forbidden.

    x is flat `(n, d)`; `last` its last strip, padded by rows of zeros; y flat, tile by tile
    `(d, TILE)`, padded by zeros. The band leaves row i the columns from `first_columns[i]` to
    before `stop_columns[i]`, and column j the rows from `first_rows[j]` to before `stop_rows[j]`;
    none of these ever decreases. `above` is R above the first row and `before` R left of the first
    column: 0 where paths may begin anywhere, else +inf.
    """

    x: np.ndarray
    last: np.ndarray
    y: np.ndarray
    n: int
    m: int
    d: int
    first_columns: np.ndarray
    stop_columns: np.ndarray
    first_rows: np.ndarray
    stop_rows: np.ndarray
    kind: int
    above: float
    before: float


class Area(NamedTuple):
    """The cells to be accumulated, from the first row of a strip and the first column of a tile.

    Strip s takes the columns from `starts[s]`, a multiple of COLUMNS, to `stops[s]`; neither ever
    goes back. Accumulated costs above `bound` do not matter.
    """

    row_start: int
    row_stop: int
    column_start: int
    column_stop: int
    starts: np.ndarray
    stops: np.ndarray
    bound: float


class Storage(NamedTuple):
    """What a sweep stores for later.

    R of each `row_step`-th row and each `column_step`-th column, inside the band; nothing where
    the step is 0. And the directions of all cells, `tiles` tiles a strip, unless that is 0.
    """

    rows: np.ndarray
    row_step: int
    columns: np.ndarray
    column_step: int
    bits: np.ndarray
    tiles: int


class Team(NamedTuple):
    """What the threads of a sweep share.

    `progress[s + 1]` is the next tile of strip s, 0 before its first one; `claims[s]` is 1 while a
    thread works on it; `edges[s]` is R of its last column so far. If `halt[0]` is not 0, all end.
    """

    progress: np.ndarray
    claims: np.ndarray
    edges: np.ndarray
    halt: np.ndarray


class Worker(NamedTuple):
    """A thread's memory, costs and ring of a tile; `done[0]` counts its tiles."""

    strip: np.ndarray
    ring: np.ndarray
    done: np.ndarray


@njit(cache=True)
def rows_of_columns(
    first_columns: np.ndarray, stop_columns: np.ndarray, m: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each of `m` columns inside a band, and one beyond the last."""
    n = len(first_columns)
    first_rows, stop_rows = np.empty(m, np.int64), np.empty(m, np.int64)
    first = stop = 0
    for j in range(m):
        while first < n and stop_columns[first] <= j:
            first += 1
        while stop < n and first_columns[stop] <= j:
            stop += 1
        first_rows[j], stop_rows[j] = first, stop
    return first_rows, stop_rows


@njit(cache=True)
def windows(
    row_start: int,
    row_stop: int,
    column_start: int,
    column_stop: int,
    first_columns: np.ndarray,
    stop_columns: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first column of each strip that the band leaves, and one beyond the last."""
    strips = (row_stop - row_start + ROWS - 1) // ROWS
    starts, stops = np.empty(strips, np.int64), np.empty(strips, np.int64)
    for s in range(strips):
        first = row_start + s * ROWS
        last = min(first + ROWS, row_stop) - 1
        starts[s] = max(first_columns[first] // COLUMNS * COLUMNS, column_start)
        stops[s] = min(stop_columns[last], column_stop)
    return starts, stops


@njit(cache=True)
def size_of(area: Area) -> tuple[int, int, int]:
    """Return how many tiles and cells an area has, and the most columns of a strip."""
    tiles = cells = widest = 0
    for s in range(len(area.starts)):
        width = area.stops[s] - area.starts[s]
        if width > 0:
            tiles += (area.stops[s] + TILE - 1) // TILE - area.starts[s] // TILE
            cells += ROWS * width
            widest = max(widest, width)
    return tiles, cells, widest
