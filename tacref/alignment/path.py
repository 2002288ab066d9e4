"""The path of a pair, exact, in memory that grows with n + m.

On the way forward, rows and columns of accumulated costs are kept as checkpoints, so that on the
way back only the blocks between them that the path crosses are computed again.
"""

import math
from typing import NamedTuple

import numpy as np

from tacref.alignment.sweep import Progress, area_of, borders, nothing_kept, run, whole
from tacref.kernels.costs import COLUMNS, ROWS
from tacref.kernels.dtw.pair import Area, Kept, Pair
from tacref.kernels.dtw.sweep import walk
from tacref.kernels.dtw.tile import TILE, TILE_BYTES

# Where the directions of all cells take no more bytes than this, they are kept, and that is all.
DIRECTION_BYTES = 2**25
# Otherwise checkpoints are, so many bytes of them at most.
CHECKPOINT_BYTES = 2**27
# Blocks between them have at least so many rows and columns.
BLOCK_SIDE = 512
# The share of the work that is done when the last cell is reached; the rest is the way back.
_FORWARD = 0.95


class Blocks(NamedTuple):
    """Blocks of a pair's cells: so many rows and columns each, of whole strips and tiles."""

    rows: int
    columns: int


def plan_blocks(pair: Pair) -> Blocks:
    """Choose blocks: a single one if directions of all cells fit, else small enough ones."""
    single = _whole_tiles(pair.n, pair.m)
    if _direction_bytes(pair, single) <= DIRECTION_BYTES:
        return single
    kept_width, kept_height = _kept_sizes(pair)
    side = 8 * (pair.n * kept_width + pair.m * kept_height) / CHECKPOINT_BYTES
    return _whole_tiles(*(max(BLOCK_SIDE, math.ceil(side)),) * 2)


def find_path(
    pair: Pair,
    blocks: Blocks,
    bound: float = math.inf,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Find the path of a pair, as `dtw_path` does, by the given blocks and threads.

    `bound` is the cost of any path, in the same arithmetic.
    """
    row, left = borders(pair)
    checkpoints = _checkpoints(pair, blocks)
    if checkpoints.row_step or checkpoints.column_step:
        forward = None if progress is None else lambda share: progress(_FORWARD * share)
        run(pair, whole(pair, bound), row, left, checkpoints, threads=threads, progress=forward)
    bits = np.empty(_direction_bytes(pair, blocks), np.uint8)
    directions = nothing_kept()._replace(bits=bits, tiles=_tiles(pair, blocks.columns))
    path = np.empty((pair.n + pair.m - 1, 2), np.int64)
    i, j, step = pair.n - 1, pair.m - 1, len(path)
    while i >= 0 and j >= 0:
        # The part of a block from its first cell to (i, j): nothing behind leads there.
        rows = i // blocks.rows * blocks.rows, i + 1
        columns = j // blocks.columns * blocks.columns, j + 1
        area = area_of(pair, rows, columns, bound)
        _restore(pair, area, checkpoints, row, left)
        run(pair, area, row, left, directions, threads=threads)
        i, j, step = walk(area, directions, i, j, path, step)
        if progress is not None:
            progress(1.0 - (1.0 - _FORWARD) * (i + j + 2) / (pair.n + pair.m))
    return path[step:].copy()


def _whole_tiles(rows: int, columns: int) -> Blocks:
    return Blocks(-(-rows // ROWS) * ROWS, -(-columns // TILE) * TILE)


def _tiles(pair: Pair, columns: int) -> int:
    """Most tiles of a strip's part in a block of so many columns."""
    # The band leaves a strip so many columns, which may begin anywhere in a tile.
    inside = 2 * pair.band + ROWS + COLUMNS
    return min(-(-columns // TILE), inside // TILE + 2)


def _direction_bytes(pair: Pair, blocks: Blocks) -> int:
    return blocks.rows // ROWS * _tiles(pair, blocks.columns) * TILE_BYTES


def _kept_sizes(pair: Pair) -> tuple[int, int]:
    """Most cells of a row and of a column inside the band."""
    return min(pair.m, 2 * pair.band + 1), min(pair.n, 2 * pair.band + 1)


def _checkpoints(pair: Pair, blocks: Blocks) -> Kept:
    """Return room for the last rows and columns of all blocks but the last."""
    width, height = _kept_sizes(pair)
    rows, columns = (pair.n - 1) // blocks.rows, (pair.m - 1) // blocks.columns
    return nothing_kept()._replace(
        rows=np.empty((rows, width)),
        row_step=blocks.rows if rows else 0,
        columns=np.empty((columns, height)),
        column_step=blocks.columns if columns else 0,
    )


def _restore(pair: Pair, area: Area, kept: Kept, row: np.ndarray, left: np.ndarray) -> None:
    """Fill in the row above and the column left of an area, from what was kept."""
    rows = slice(area.row_start, area.row_stop + 1)
    columns = slice(area.column_start, area.column_stop + 1)
    row[columns] = left[rows] = np.inf
    if area.row_start:
        _copy(
            kept.rows[area.row_start // kept.row_step - 1], area.row_start, pair.band, row, columns
        )
    if area.column_start:
        _copy(
            kept.columns[area.column_start // kept.column_step - 1],
            area.column_start,
            pair.band,
            left,
            rows,
        )
    # The corner is in both, or beside (0, 0).
    left[area.row_start] = row[area.column_start] if area.row_start else np.inf
    if area.row_start == area.column_start == 0:
        left[0] = 0.0


def _copy(source: np.ndarray, line: int, band: int, out: np.ndarray, part: slice) -> None:
    """Copy a kept row or column, the one before `line`, to its place in a border.

    Number k of a border, at k + 1, is inside the band where |k - (line - 1)| <= band.
    """
    offset = max(0, line - 1 - band)
    begin = max(part.start, offset + 1)
    end = min(part.stop, line + band + 1, len(out))
    if end > begin:
        out[begin:end] = source[begin - 1 - offset : end - 1 - offset]
