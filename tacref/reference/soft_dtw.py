"""Soft-DTW (equations 3 and 4) and its gradient, the expected alignment."""

import math

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from tacref.checks import check_not_negative
from tacref.reference.checks import check_smoothing, check_vector


def softmin(values: ArrayLike, *, gamma: float) -> float:
    """Soft minimum, `min_gamma(a) = -gamma log sum_i exp(-a_i / gamma)` (equation 3).

    Parameters
    ----------
    values : array_like, shape (k,)
        Numbers; +inf counts as absent.
    gamma : float
        Smoothing, >= 0, in the unit of `values`; 0 gives the minimum.

    Returns
    -------
    float
        At most `min(values)`, at least `min(values) - gamma log k`.

    Raises
    ------
    ValueError
        If `values` is not 1-d and non-empty or holds NaN or -inf, or `gamma` is not >= 0.
    """
    a = check_vector(values, "values")
    if check_not_negative(gamma, "gamma") == 0.0:
        return float(a.min())
    return float(_softmin(a, float(gamma)))


def soft_dtw(D: ArrayLike, *, gamma: float = 0.1) -> float:
    """Soft-DTW discrepancy of a cost matrix (equation 4).

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames. Not modified.
    gamma : float
        Smoothing, > 0, in the unit of `D`; small values approach DTW.

    Returns
    -------
    float
        Soft minimum over all alignments, in the unit of `D`; may be negative.

    Raises
    ------
    ValueError
        If `D` is not 2-d, non-empty and finite, or `gamma` is not > 0.

    References
    ----------
    Cuturi & Blondel, "Soft-DTW", ICML 2017, Algorithm 1.
    """
    value, _ = _forward(*check_smoothing(D, gamma))
    return float(value)


def soft_dtw_value_and_grad(D: ArrayLike, *, gamma: float = 0.1) -> tuple[float, np.ndarray]:
    """Soft-DTW and its gradient with respect to the costs.

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames. Not modified.
    gamma : float
        Smoothing, > 0, in the unit of `D`.

    Returns
    -------
    value : float
        As `soft_dtw` returns.
    E : ndarray of float64, shape (n, m)
        Gradient, which is the expected alignment: entries in [0, 1], 1 in the first and the
        last corner.

    Raises
    ------
    ValueError
        If `D` is not 2-d, non-empty and finite, or `gamma` is not > 0.

    References
    ----------
    Cuturi & Blondel, "Soft-DTW", ICML 2017, Algorithm 2, in the form of a flow of mass.
    """
    value, weights = _forward(*check_smoothing(D, gamma))
    return float(value), _backward(weights)


@njit(cache=True)
def _softmin(a: np.ndarray, gamma: float) -> float:
    least = a.min()
    if least == np.inf:
        return least
    total = 0.0
    for value in a:
        # Subtract the smallest first: exp(-a / gamma) underflows at small gamma.
        total += math.exp(-(value - least) / gamma)
    return least - gamma * math.log(total)


@njit(cache=True)
def _forward(D: np.ndarray, gamma: float) -> tuple[float, np.ndarray]:
    n, m = D.shape
    # The inf border forces every path to start at (0, 0), so fastmath stays off.
    R = np.full((n + 1, m + 1), np.inf)
    R[0, 0] = 0.0
    # Softmin weights of each cell: of its diagonal, upper and left predecessor.
    weights = np.zeros((n, m, 3))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            diagonal, up, left = R[i - 1, j - 1], R[i - 1, j], R[i, j - 1]
            least = min(diagonal, up, left)
            p_diagonal = math.exp(-(diagonal - least) / gamma)
            p_up = math.exp(-(up - least) / gamma)
            p_left = math.exp(-(left - least) / gamma)
            total = p_diagonal + p_up + p_left
            weights[i - 1, j - 1, 0] = p_diagonal / total
            weights[i - 1, j - 1, 1] = p_up / total
            weights[i - 1, j - 1, 2] = p_left / total
            # eq. 2 with eq. 3 in place of min
            R[i, j] = D[i - 1, j - 1] + (least - gamma * math.log(total))
    return float(R[n, m]), weights


@njit(cache=True)
def _backward(weights: np.ndarray) -> np.ndarray:
    n, m = weights.shape[:2]
    E = np.zeros((n, m))
    E[n - 1, m - 1] = 1.0
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            # eq. 4: each cell passes its mass to its predecessors in proportion to the weights
            if i > 0 and j > 0:
                E[i - 1, j - 1] += E[i, j] * weights[i, j, 0]
            if i > 0:
                E[i - 1, j] += E[i, j] * weights[i, j, 1]
            if j > 0:
                E[i, j - 1] += E[i, j] * weights[i, j, 2]
    return E
