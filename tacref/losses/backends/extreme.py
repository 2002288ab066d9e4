"""Soft-DTW of single items beyond the range of the kernels, by the reference's recursion.

The kernels keep sums of exp(-R / gamma), whose exponents have digits enough up to
R / gamma = 2^52 or so, and end at 1e306. The reference keeps R, with what rounding cut off from
it: slower, in O(n m) memory, and right wherever R is.
"""

import math
from typing import NamedTuple

import numpy as np

from tacref.reference._soft_dtw import backward, forward
from tacref.reference.costs import embedding_gradients, squared_distances
from tacref.reference.directional import backward_tangent, tangent

# Costs so large that sums of them may overflow.
_MAX_SUMMABLE_COST = 1e290
# A power of 2 that makes them smaller, without rounding.
_SCALE = 2.0**-64


class Solved(NamedTuple):
    """A value, its gradient along the costs (0 where the value is +inf), and softmin weights."""

    value: float
    E: np.ndarray
    weights: np.ndarray


def soft_dtw(D: np.ndarray, gamma: float, band: int) -> Solved:
    """Soft-DTW of valid costs `(n, m)`; where one of them is NaN or -inf, all is NaN."""
    n, m = D.shape
    costs = D.astype(np.float64)
    if band >= 0:
        costs[np.abs(np.subtract.outer(np.arange(n), np.arange(m))) > band] = np.inf
    if not (costs > -np.inf).all():
        return Solved(np.nan, np.full((n, m), np.nan), np.full((n, m, 3), np.nan))
    forbidden = costs == np.inf
    if forbidden.all(1).any() or forbidden.all(0).any():  # spares the memory below
        return Solved(np.inf, np.zeros((n, m)), np.zeros((n, m, 3)))
    scale = _SCALE if costs.max(initial=0.0, where=costs < np.inf) > _MAX_SUMMABLE_COST else 1.0
    value, weights = forward(costs * scale, gamma * scale)
    value /= scale
    E = np.zeros((n, m)) if math.isinf(value) else backward(weights)
    return Solved(value, E, weights)


def soft_dtw_hvp(D: np.ndarray, Z: np.ndarray, gamma: float, band: int) -> np.ndarray:
    """Hessian of soft-DTW of valid costs times the direction Z, both `(n, m)`."""
    solved = soft_dtw(D, gamma, band)
    if math.isinf(solved.value):
        return np.zeros_like(solved.E)
    slopes = tangent(Z.astype(np.float64), solved.weights)
    return backward_tangent(solved.weights, solved.E, slopes, gamma)


def soft_dtw_of_embeddings(
    x: np.ndarray, y: np.ndarray, gamma: float, band: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Soft-DTW of the valid rows of embeddings, and its gradients."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    value, E, _ = soft_dtw(squared_distances(x, y), gamma, band)
    if not E.any():  # 0 times a distance that overflows
        return value, np.zeros_like(x), np.zeros_like(y)
    return value, *embedding_gradients(x, y, E)
