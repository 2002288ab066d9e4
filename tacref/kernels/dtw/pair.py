"""What a sweep works on: a pair of sequences, a part of its cells, what threads share and leave."""

from typing import NamedTuple

import numpy as np

from tacref.compiled import njit
from tacref.kernels.costs import COLUMNS, ROWS
from tacref.kernels.dtw.tile import TILE

# Above any tile's number: a strip that is complete.
COMPLETE = 2**62


class Pair(NamedTuple):
    """Two sequences; cells with |i - j| > band are forbidden.

    x is flat `(n, d)`; `last` its last strip, padded by rows of zeros; y flat, tile by tile
    `(d, TILE)`, padded by zeros. `above` is R above the first row and `before` R left of the first
    column: 0 where paths may begin anywhere, else +inf.
    """

    x: np.ndarray
    last: np.ndarray
    y: np.ndarray
    n: int
    m: int
    d: int
    band: int
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
def windows(
    row_start: int, row_stop: int, column_start: int, column_stop: int, band: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first column of each strip that the band leaves, and one beyond the last."""
    strips = (row_stop - row_start + ROWS - 1) // ROWS
    starts, stops = np.empty(strips, np.int64), np.empty(strips, np.int64)
    for s in range(strips):
        first = row_start + s * ROWS
        starts[s] = max(max(0, first - band) // COLUMNS * COLUMNS, column_start)
        stops[s] = min(min(first + ROWS, row_stop) + band, column_stop)
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
