"""Open-end DTW (equation 2), a row at a time: one new frame against the whole reference."""

import math

import numpy as np

from tacref.compiled import njit

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
    first: bool,
    open_begin: bool,
) -> tuple[int, float]:
    """Replace the accumulated costs of the frame before by those of a new frame.

    `reference` is `(blocks, d, width)`, padded; `row` `(n,)` accumulated costs and `costs` room for
    `(width,)`. Return the reference frame where the cheapest alignment ends, the first of several,
    and the cost of the new frame there.
    """
    blocks, d, width = reference.shape
    n = len(row)
    best, best_total, best_cost = 0, math.inf, 0.0
    diagonal = left = math.inf
    for block in range(blocks):
        start = block * width
        costs[:] = 0.0
        for k in range(d):  # along the reference inside: vectors, and one order of summation
            line, value = reference[block, k], frame[k]
            for j in range(width):
                difference = line[j] - value
                costs[j] += difference * difference
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
