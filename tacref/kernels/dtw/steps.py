"""DTW by any steps: a strip of rows after another, each tile by tile, and back along the path.

Only the last rows of accumulated costs are kept: as many as the longest step goes back.
"""

from typing import NamedTuple

import numpy as np

from tacref.compiled import inner, njit
from tacref.kernels.costs import copy_strip
from tacref.kernels.dtw.cost import tile_costs
from tacref.kernels.dtw.pair import Pair
from tacref.kernels.dtw.tile import TILE

# Directions that are no step: a path begins in this cell, or none leads there.
BEGIN, UNREACHED = -1, -2


class Moves(NamedTuple):
    """Steps: rows and columns that each goes on, and its weight; ties take the first."""

    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray


class Begins(NamedTuple):
    """What a path has cost before it begins in a cell of the first row or the first column.

    0 where it may begin, +inf where it may not; entry 0 of both is the first cell's. A path that
    begins in a cell costs as much as the cell, and ties prefer it to one that comes from elsewhere.
    """

    row: np.ndarray
    column: np.ndarray


class Buffers(NamedTuple):
    """Memory of a strip: its costs, by anti-diagonals and by rows, and what is accumulated.

    `R` holds the rows above the strip and then its own; in front of a tile's columns it holds as
    many of those before as the widest step goes back. `choices` are the directions of a tile.
    """

    strip: np.ndarray
    costs: np.ndarray
    R: np.ndarray
    choices: np.ndarray


@njit(cache=True, nogil=True)
def sweep_strip(
    pair: Pair,
    moves: Moves,
    begins: Begins,
    history: np.ndarray,
    buffers: Buffers,
    first: int,
    stop_row: int,
    stop_column: int,
    directions: np.ndarray,
    first_kept: int,
) -> None:
    """Accumulate the costs of one strip.

    Parameters
    ----------
    pair
        The sequences and the band.
    moves, begins
        How paths go on, and where they begin.
    history
        R of the last rows above the strip, `(rows, m)`, +inf outside the band; replaced by R of
        the strip's last rows.
    buffers
        Memory.
    first, stop_row
        The strip's first row, a multiple of `ROWS`, and one beyond its last.
    stop_column
        One beyond the last column to compute.
    directions
        Where the steps to the cells go, a row of cells inside the band per row; nothing is written
        if it is empty.
    first_kept
        The row that the first row of `directions` stands for.
    """
    above, margin = history.shape[0], buffers.R.shape[1] - TILE
    rows, R = stop_row - first, buffers.R
    start = pair.first_columns[first] // TILE * TILE
    stop = min(pair.stop_columns[stop_row - 1], stop_column)
    R[:] = np.inf
    for column in range(max(0, start - margin), start):
        R[:above, margin + column - start] = history[:, column]
    # Columns left of the band lead nowhere from here.
    for column in range(pair.first_columns[max(first - above, 0)] if first else 0, start):
        history[:, column] = np.inf
    for tile_start in range(start, stop, TILE):
        tile_stop = min(stop, tile_start + TILE)
        width = tile_stop - tile_start
        R[:above, margin : margin + width] = history[:, tile_start:tile_stop]
        tile_costs(pair, first, rows, tile_start, tile_stop, buffers.strip)
        copy_strip(buffers.strip, rows, 0, width, 0, buffers.costs)
        for r in range(rows):
            _accumulate_row(moves, begins, buffers, above, margin, first, r, tile_start, width)
            if len(directions):
                _keep(pair, buffers.choices, first + r, tile_start, width, directions, first_kept)
        history[:, tile_start:tile_stop] = R[rows : rows + above, margin : margin + width]
        for row in range(above + rows):
            for column in range(margin):
                R[row, column] = R[row, width + column]


@inner
def _accumulate_row(
    moves: Moves,
    begins: Begins,
    buffers: Buffers,
    above: int,
    margin: int,
    first: int,
    r: int,
    tile_start: int,
    width: int,
) -> None:
    """Accumulate the costs of one row of a strip in one tile, and write where they come from.

    Parameters
    ----------
    moves, begins, buffers
        As for `sweep_strip`.
    above, margin
        Rows above the strip, and columns in front of the tile, that `buffers.R` holds.
    first, r
        The strip's first row, and which of its rows this is.
    tile_start, width
        The tile's first column, and how many columns of it to compute.
    """
    costs, totals, choices = buffers.costs[r], buffers.R[above + r], buffers.choices
    totals = totals[margin : margin + width]
    totals[:] = np.inf
    choices[:width] = UNREACHED
    for k in range(len(moves.rows)):
        if moves.rows[k] == 0:
            continue
        begin = margin - moves.columns[k]
        before = buffers.R[above + r - moves.rows[k], begin : begin + width]
        weight = moves.weights[k]
        for t in range(width):
            # r(i, j) = min over steps of r(i - rows, j - columns) + weight D(i, j)
            total = before[t] + weight * costs[t]
            better = total < totals[t]
            totals[t] = total if better else totals[t]
            choices[t] = k if better else choices[t]
    if first + r == 0:
        for t in range(width):
            _begin(begins.row[tile_start + t] + costs[t], totals, choices, t)
    elif tile_start == 0:
        _begin(begins.column[first + r] + costs[0], totals, choices, 0)
    _step_along(moves, buffers.R[above + r], margin, costs, choices, width)


@inner
def _begin(total: float, totals: np.ndarray, choices: np.ndarray, t: int) -> None:
    if total < np.inf and total <= totals[t]:
        totals[t], choices[t] = total, BEGIN


@inner
def _step_along(
    moves: Moves,
    line: np.ndarray,
    margin: int,
    costs: np.ndarray,
    choices: np.ndarray,
    width: int,
) -> None:
    """Take the steps that stay in the row, whose cells depend on each other."""
    if moves.rows.min() > 0:
        return
    for t in range(width):
        for k in range(len(moves.rows)):
            if moves.rows[k] == 0:
                total = line[margin + t - moves.columns[k]] + moves.weights[k] * costs[t]
                best = line[margin + t]
                # Of ties, the step that is listed first; a beginning stays.
                if total < best or (total == best and total < np.inf and k < choices[t]):
                    line[margin + t], choices[t] = total, k


@inner
def _keep(
    pair: Pair,
    choices: np.ndarray,
    i: int,
    tile_start: int,
    width: int,
    directions: np.ndarray,
    first_kept: int,
) -> None:
    """Copy the directions of a row's cells in a tile to where the path is looked up."""
    offset = pair.first_columns[i]
    begin = max(tile_start, offset)
    end = min(tile_start + width, pair.stop_columns[i])
    for column in range(begin, end):
        directions[i - first_kept, column - offset] = choices[column - tile_start]


@njit(cache=True)
def walk_steps(
    pair: Pair,
    moves: Moves,
    directions: np.ndarray,
    first_kept: int,
    i: int,
    j: int,
    path: np.ndarray,
    step: int,
) -> tuple[int, int, int]:
    """Write a path backwards, as far as directions are kept.

    Parameters
    ----------
    pair, moves
        As for `sweep_strip`.
    directions, first_kept
        What `sweep_strip` has kept, and the row that it begins with.
    i, j
        The path's last cell.
    path, step
        Where to write, and the entry before which the cells go.

    Returns
    -------
    i, j
        The cell before, of row -1 if the path has begun.
    step
        Where the path starts.
    """
    while i >= first_kept:
        step -= 1
        path[step, 0], path[step, 1] = i, j
        k = directions[i - first_kept, j - pair.first_columns[i]]
        if k < 0:
            return -1, -1, step
        i, j = i - moves.rows[k], j - moves.columns[k]
    return i, j, step
