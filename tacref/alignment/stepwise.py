"""DTW by any steps, strip after strip: its cost, and its path in memory linear in n + m.

The forward pass stores rows of accumulated costs as checkpoints; blocks between them are computed
again, backwards, with the direction of each cell, or with checkpoints of their own if they are
still too large.
"""

from typing import NamedTuple

import numpy as np

from tacref.alignment.sweep import Progress
from tacref.ends import find_end
from tacref.kernels.costs import ROWS, STRIDE
from tacref.kernels.dtw.pair import Pair
from tacref.kernels.dtw.steps import Begins, Buffers, Moves, sweep_strip, walk_steps
from tacref.kernels.dtw.tile import DIAGONALS, TILE
from tacref.steps import Steps

# The directions of a block's cells, a byte each, take at most this many bytes, or are those of a
# single strip; and so do the checkpoints of a block.
MAX_DIRECTION_BYTES = 2**25
MAX_CHECKPOINT_BYTES = 2**27
# Share of the work in the forward pass, about; the rest is the backward pass.
_FORWARD_SHARE = 0.5
# Share of the work in finding an open end, about; the rest is the path to it.
_END_SHARE = 0.4


class _Search(NamedTuple):
    """What all passes over a pair share."""

    pair: Pair
    moves: Moves
    begins: Begins
    buffers: Buffers
    rows_above: int
    margin: int
    widest: int


def steps_cost(
    pair: Pair, steps: Steps, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the accumulated costs of the last row and column, +inf where no path leads.

    Parameters
    ----------
    pair : Pair
        As `make_pair` returns it; says where paths may begin.
    steps : Steps
        Checked.
    progress : callable, optional
        Called with the share of the rows done so far.

    Returns
    -------
    last_row, last_column : ndarray of float64, shapes (m,) and (n,)
        R of row n-1 and of column m-1.
    """
    search = _make_search(pair, steps)
    history, last_column = _no_history(search), np.full(pair.n, np.inf)
    for first in range(0, pair.n, ROWS):
        stop = min(first + ROWS, pair.n)
        _sweep(search, history, first, stop, pair.m)
        if pair.stop_columns[stop - 1] == pair.m:
            # A strip leaves its last columns in front of where the next tile's would be.
            kept = search.buffers.R[search.rows_above :, search.margin - 1]
            last_column[first:stop] = kept[: stop - first]
        if progress is not None:
            progress(stop / pair.n)
    return history[-1], last_column


def steps_path(
    pair: Pair,
    steps: Steps,
    open_end: str | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the cheapest path, where there is one.

    Parameters
    ----------
    pair, steps, progress
        As `steps_cost` takes them.
    open_end : str, optional
        Which sequence may end anywhere. Its end is found by a pass of its own over all cells.

    Returns
    -------
    ndarray of int64, shape (L, 2)
        Cells (i, j) in order. Going back, ties take the step that is listed first.
    """
    i, j = pair.n - 1, pair.m - 1
    if open_end is not None:
        first_part, progress = _in_parts(progress)
        i, j, _ = find_end(*steps_cost(pair, steps, first_part), open_end)
    return steps_path_to(pair, steps, (i, j), progress)


def steps_path_to(
    pair: Pair, steps: Steps, end: tuple[int, int], progress: Progress | None = None
) -> np.ndarray:
    """Return the path to a cell that some path must reach; otherwise as `steps_path`."""
    search = _make_search(pair, steps)
    i, j = end
    path = np.empty((i + j + 1, 2), np.int64)
    *_, step = _walk_back(search, _no_history(search), 0, (i, j, len(path)), path, progress)
    return path[step:].copy()


def _in_parts(progress: Progress | None) -> tuple[Progress | None, Progress | None]:
    """Return what shows the progress of the first pass, and of the path after it."""
    if progress is None:
        return None, None
    show = progress
    return (
        lambda share: show(_END_SHARE * share),
        lambda share: show(_END_SHARE + (1.0 - _END_SHARE) * share),
    )


def _make_search(pair: Pair, steps: Steps) -> _Search:
    rows_above, margin = max(1, int(steps.rows.max())), max(1, int(steps.columns.max()))
    begins = Begins(np.full(pair.m, pair.above), np.full(pair.n, pair.before))
    begins.row[0] = begins.column[0] = 0.0
    buffers = Buffers(
        strip=np.zeros(DIAGONALS * STRIDE),
        costs=np.zeros((ROWS, TILE)),
        R=np.empty((rows_above + ROWS, margin + TILE)),
        choices=np.empty(TILE, np.int8),
    )
    moves = Moves(steps.rows, steps.columns, steps.weights)
    widest = int((pair.stop_columns - pair.first_columns).max())
    return _Search(pair, moves, begins, buffers, rows_above, margin, widest)


def _no_history(search: _Search) -> np.ndarray:
    """Return the accumulated costs above the first row: no path comes from there."""
    return np.full((search.rows_above, search.pair.m), np.inf)


def _sweep(
    search: _Search,
    history: np.ndarray,
    first: int,
    stop_row: int,
    stop_column: int,
    directions: np.ndarray | None = None,
    first_kept: int = 0,
) -> None:
    if directions is None:
        directions = np.empty((0, 0), np.int8)
    sweep_strip(
        search.pair,
        search.moves,
        search.begins,
        history,
        search.buffers,
        first,
        stop_row,
        stop_column,
        directions,
        first_kept,
    )


def _walk_back(
    search: _Search,
    history: np.ndarray,
    first: int,
    end: tuple[int, int, int],
    path: np.ndarray,
    progress: Progress | None = None,
) -> tuple[int, int, int]:
    """Write the path to a cell backwards, down to row `first`, above which `history` is known.

    `end` is the cell's row and column and where the path starts so far; return the same of the
    cell before.
    """
    pair = search.pair
    i, j, step = end
    rows, columns = i + 1 - first, j + 1
    if rows <= ROWS or rows * search.widest <= MAX_DIRECTION_BYTES:
        directions = np.empty((rows, search.widest), np.int8)
        for begin in range(first, i + 1, ROWS):
            _sweep(search, history, begin, min(begin + ROWS, i + 1), columns, directions, first)
        return walk_steps(pair, search.moves, directions, first, i, j, path, step)
    height = _block_height(search, rows)
    checkpoints = [(first, history.copy())]
    last_block = first + (rows - 1) // height * height
    for begin in range(first, last_block, ROWS):
        _sweep(search, history, begin, begin + ROWS, columns)
        if (begin + ROWS - first) % height == 0:
            checkpoints.append((begin + ROWS, _inside(search, history, begin + ROWS)))
        if progress is not None:
            progress(_FORWARD_SHARE * (begin + ROWS) / pair.n)
    while i >= first:
        block, stored = checkpoints.pop()
        if block > i:  # a step passed the whole block by
            continue
        above = stored if block == first else _restored(search, stored, block)
        i, j, step = _walk_back(search, above, block, (i, j, step), path)
        if progress is not None:
            done = 1.0 - (i + j + 2) / (pair.n + pair.m)
            progress(_FORWARD_SHARE + (1.0 - _FORWARD_SHARE) * done)
    return i, j, step


def _block_height(search: _Search, rows: int) -> int:
    """Choose how many rows apart checkpoints are: as near as memory allows, whole strips."""
    checkpoint = 8 * search.rows_above * search.widest
    # Nearer than that, checkpoints would take more memory than the directions between them.
    balanced = (checkpoint * rows / search.widest) ** 0.5
    height = max(balanced, checkpoint * rows / MAX_CHECKPOINT_BYTES)
    strips = max(1, -(-int(height) // ROWS))
    # At least two blocks, so that each is smaller than the whole.
    return ROWS * min(strips, -(-rows // (2 * ROWS)))


def _inside(search: _Search, history: np.ndarray, row: int) -> np.ndarray:
    """Return the part of the rows above `row` that is inside the band."""
    columns = _columns_above(search, row)
    return history[:, columns].copy()


def _restored(search: _Search, stored: np.ndarray, row: int) -> np.ndarray:
    history = _no_history(search)
    history[:, _columns_above(search, row)] = stored
    return history


def _columns_above(search: _Search, row: int) -> slice:
    """Return the columns that the band leaves in any of the rows above `row`."""
    first = search.pair.first_columns[max(0, row - search.rows_above)]
    return slice(int(first), int(search.pair.stop_columns[row - 1]))


def path_weights(path: np.ndarray, steps: Steps) -> np.ndarray:
    """Return the weight of each step of a path, 1 for its first cell."""
    weights = {
        (rows, columns): weight
        for rows, columns, weight in zip(
            steps.rows.tolist(), steps.columns.tolist(), steps.weights.tolist(), strict=True
        )
    }
    moves = np.diff(path, axis=0).tolist()
    return np.array([1.0, *(weights[rows, columns] for rows, columns in moves)])
