"""Open-end DTW (equation 2), a row at a time: one new frame against the whole reference."""

import math

import numpy as np

from tacref.compiled import inner, njit
from tacref.kernels.dtw.cost import EUCLIDEAN, L1
from tacref.kernels.dtw.steps import Moves

# Reference frames whose costs are computed together: they stay in the first-level cache.
FRAMES_PER_BLOCK = 1024
# Alignments that cost more than this many gammas above the cheapest have no weight.
_NEGLIGIBLE_GAMMAS = 40.0


@njit(cache=True)
def advance(
    reference: np.ndarray,
    frame: np.ndarray,
    row: np.ndarray,
    costs: np.ndarray,
    kind: int,
    first: bool,
    open_begin: bool,
) -> tuple[int, float]:
    """Replace the accumulated costs of the frame before by those of a new frame.

    `reference` is `(blocks, d, width)`, padded; `row` `(n,)` accumulated costs and `costs` room for
    `(width,)`; `kind` is that of `tacref.kernels.dtw.cost`. Return the reference frame where the
    cheapest alignment ends, the first of several, and the cost of the new frame there.
    """
    blocks, _, width = reference.shape
    n = len(row)
    best, best_total, best_cost = 0, math.inf, 0.0
    diagonal = left = math.inf
    for block in range(blocks):
        start = block * width
        _frame_costs(reference[block], frame, kind, costs)
        for j in range(start, min(start + width, n)):
            if first:
                before = 0.0 if open_begin or j == 0 else left
            else:
                before = min(row[j], diagonal, left)
            diagonal = row[j]
            # eq. 2: r(i, j) = D(i, j) + min{ ... }
            left = row[j] = costs[j - start] + before
            if left < best_total:
                best, best_total, best_cost = j, left, costs[j - start]
    return best, best_cost


@njit(cache=True)
def advance_steps(
    reference: np.ndarray,
    frame: np.ndarray,
    history: np.ndarray,
    costs: np.ndarray,
    kind: int,
    moves: Moves,
    first: bool,
    open_begin: bool,
) -> tuple[int, float]:
    """Add a new frame's accumulated costs, by any steps: rows are frames, columns the reference.

    Parameters
    ----------
    reference, frame, costs, kind
        As for `advance`.
    history
        Accumulated costs of the last frames, `(rows, n)`, the newest last, +inf before the first;
        at least as many as the longest step goes back. The new frame's are added at its end.
    moves
        The steps.
    first
        Whether this is the first frame.
    open_begin
        Whether a path may begin at any frame of the reference, not only at the first one.

    Returns
    -------
    best
        As of `advance`; -1 if no path ends at the new frame, and then nothing is changed.
    cost
        Of the new frame there.
    """
    blocks, _, width = reference.shape
    rows, n = history.shape
    row = np.empty(n)
    best, best_total, best_cost = -1, math.inf, 0.0
    for block in range(blocks):
        start = block * width
        _frame_costs(reference[block], frame, kind, costs)
        for j in range(start, min(start + width, n)):
            cost = costs[j - start]
            total = cost if first and (open_begin or j == 0) else math.inf
            for k in range(len(moves.rows)):
                i, column = rows - moves.rows[k], j - moves.columns[k]
                if column >= 0:
                    # r(i, j) = min over steps of r(i - rows, j - columns) + weight D(i, j)
                    before = row[column] if i == rows else history[i, column]
                    total = min(total, before + moves.weights[k] * cost)
            row[j] = total
            if total < best_total:
                best, best_total, best_cost = j, total, cost
    if best >= 0:
        for i in range(1, rows):
            history[i - 1] = history[i]
        history[rows - 1] = row
    return best, best_cost


@inner
def _frame_costs(block: np.ndarray, frame: np.ndarray, kind: int, costs: np.ndarray) -> None:
    """Write the costs of a frame and each of a block's reference frames, `(d, width)`."""
    d, width = block.shape
    costs[:] = 0.0
    for k in range(d):  # along the reference inside: vectors, and one order of summation
        line, value = block[k], frame[k]
        if kind == L1:
            for j in range(width):
                costs[j] += abs(line[j] - value)
        else:
            for j in range(width):
                difference = line[j] - value
                costs[j] += difference * difference
    if kind == EUCLIDEAN:
        for j in range(width):
            costs[j] = math.sqrt(costs[j])


@njit(cache=True)
def share_near(row: np.ndarray, best: int, radius: int, gamma: float) -> float:
    """Share of the weight exp(-R / gamma) of all ends that lies at most `radius` from `best`."""
    least = row[best]
    near = total = 0.0
    for j in range(len(row)):
        excess = (row[j] - least) / gamma
        if excess < _NEGLIGIBLE_GAMMAS:
            weight = math.exp(-excess)
            total += weight
            if abs(j - best) <= radius:
                near += weight
    return near / total
