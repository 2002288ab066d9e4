"""The path of a pair, exact, in memory that grows with n + m.

The forward pass stores rows and columns of accumulated costs as checkpoints, so that the backward
pass recomputes only the blocks between them that the path crosses.
"""

import math
from typing import NamedTuple

import numpy as np

from tacref.alignment.sweep import (
    Progress,
    make_area,
    make_borders,
    no_storage,
    run_sweep,
    whole_area,
)
from tacref.ends import End, find_end
from tacref.kernels.costs import ROWS
from tacref.kernels.dtw.pair import Area, Pair, Storage, size_of
from tacref.kernels.dtw.sweep import walk
from tacref.kernels.dtw.tile import TILE, TILE_BYTES

# If the directions of all cells take at most this many bytes, they are all stored.
MAX_DIRECTION_BYTES = 2**25
# Otherwise checkpoints are stored, of at most this many bytes.
MAX_CHECKPOINT_BYTES = 2**27
# Blocks between checkpoints have at least this many rows and columns.
MIN_BLOCK_SIDE = 512
# Share of the work in the forward pass; the rest is the backward pass.
_FORWARD_SHARE = 0.95


class Blocks(NamedTuple):
    """Rows and columns of each block of a pair's cells; whole strips and tiles."""

    rows: int
    columns: int


def plan_blocks(pair: Pair) -> Blocks:
    """Choose one block if the directions of all cells fit, else blocks that are small enough."""
    single = _whole_tiles(pair.n, pair.m)
    if _direction_bytes(pair, single) <= MAX_DIRECTION_BYTES:
        return single
    width, height = _checkpoint_sizes(pair)
    side = 8 * (pair.n * width + pair.m * height) / MAX_CHECKPOINT_BYTES
    return _whole_tiles(*(max(MIN_BLOCK_SIDE, math.ceil(side)),) * 2)


def find_path(
    pair: Pair,
    blocks: Blocks,
    bound: float = math.inf,
    *,
    open_end: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Find the path of a pair, as `dtw_path` does, with these blocks and threads.

    `bound` is the cost of some path, in the same arithmetic.
    """
    row, left = make_borders(pair)
    checkpoints = make_checkpoints(pair, blocks)
    end = End(pair.n - 1, pair.m - 1, bound)
    if checkpoints.row_step or checkpoints.column_step or open_end is not None:
        forward = None if progress is None else lambda share: progress(_FORWARD_SHARE * share)
        run_sweep(
            pair, whole_area(pair, bound), row, left, checkpoints, threads=threads, progress=forward
        )
        end = find_end(row[1:], left[1:], open_end)
    backward = None
    if progress is not None:

        def backward(share: float) -> None:
            progress(_FORWARD_SHARE + (1.0 - _FORWARD_SHARE) * share)

    return trace_path(pair, blocks, checkpoints, end, threads=threads, progress=backward)


def trace_path(
    pair: Pair,
    blocks: Blocks,
    checkpoints: Storage,
    end: End,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Follow a path back from its end, block by block.

    Parameters
    ----------
    pair, blocks
        As for `find_path`.
    checkpoints : Storage
        Of a sweep over all cells, whose bound was not below the cost of this path.
    end : End
        Last cell of the path, and its cost; or a bound on the cost.
    threads, progress
        As for `run_sweep`.
    """
    row, left = make_borders(pair)
    bits = np.empty(_direction_bytes(pair, blocks), np.uint8)
    directions = no_storage()._replace(bits=bits, tiles=_tiles(pair, blocks.columns))
    i, j, bound = end
    path = np.empty((i + j + 1, 2), np.int64)
    step = len(path)
    while i >= 0 and j >= 0:
        # The part of a block from its first cell to (i, j): later cells do not lead there.
        rows = i // blocks.rows * blocks.rows, i + 1
        columns = j // blocks.columns * blocks.columns, j + 1
        area = make_area(pair, rows, columns, bound)
        restore_borders(pair, area, checkpoints, row, left)
        run_sweep(pair, area, row, left, directions, threads=threads)
        i, j, step = walk(area, directions, i, j, path, step)
        if progress is not None:
            progress(1.0 - (i + j + 2) / (end.i + end.j + 2))
    return path[step:].copy()


def _whole_tiles(rows: int, columns: int) -> Blocks:
    return Blocks(-(-rows // ROWS) * ROWS, -(-columns // TILE) * TILE)


def _tiles(pair: Pair, columns: int) -> int:
    """Largest number of tiles in a strip's part of a block with this many columns."""
    tiles = -(-columns // TILE)
    if tiles <= 2:
        return tiles
    # The columns that the band leaves in a strip may begin anywhere in a tile.
    _, _, widest = size_of(whole_area(pair))
    return min(tiles, widest // TILE + 2)


def _direction_bytes(pair: Pair, blocks: Blocks) -> int:
    return blocks.rows // ROWS * _tiles(pair, blocks.columns) * TILE_BYTES


def _checkpoint_sizes(pair: Pair) -> tuple[int, int]:
    """Largest number of cells of a row and of a column inside the band."""
    widest = (pair.stop_columns - pair.first_columns).max()
    highest = (pair.stop_rows - pair.first_rows).max()
    return int(widest), int(highest)


def make_checkpoints(pair: Pair, blocks: Blocks) -> Storage:
    """Allocate storage for the last row and column of every block but the last."""
    rows, columns = (pair.n - 1) // blocks.rows, (pair.m - 1) // blocks.columns
    if rows == columns == 0:
        return no_storage()
    width, height = _checkpoint_sizes(pair)
    return no_storage()._replace(
        rows=np.empty((rows, width)),
        row_step=blocks.rows if rows else 0,
        columns=np.empty((columns, height)),
        column_step=blocks.columns if columns else 0,
    )


def restore_borders(
    pair: Pair, area: Area, storage: Storage, row: np.ndarray, left: np.ndarray
) -> None:
    """Fill in the row above and the column left of an area from the checkpoints."""
    rows = slice(area.row_start, area.row_stop + 1)
    columns = slice(area.column_start, area.column_stop + 1)
    row[columns] = np.inf if area.row_start else pair.above
    left[rows] = np.inf if area.column_start else pair.before
    if area.row_start:
        i = area.row_start - 1
        stored = storage.rows[area.row_start // storage.row_step - 1]
        _copy(stored, pair.first_columns[i], pair.stop_columns[i], row, columns)
    if area.column_start:
        j = area.column_start - 1
        stored = storage.columns[area.column_start // storage.column_step - 1]
        _copy(stored, pair.first_rows[j], pair.stop_rows[j], left, rows)
    if area.row_start and area.column_start:  # the corner is in both
        left[area.row_start] = row[area.column_start]
    elif not area.row_start:
        left[0] = pair.above if area.column_start else 0.0


def _copy(source: np.ndarray, first: int, stop: int, out: np.ndarray, part: slice) -> None:
    """Copy a stored row or column into a part of a border.

    Entry k of a border, at k + 1, is inside the band if `first` <= k < `stop`.
    """
    begin, end = max(part.start, first + 1), min(part.stop, stop + 1)
    if end > begin:
        out[begin:end] = source[begin - 1 - first : end - 1 - first]
