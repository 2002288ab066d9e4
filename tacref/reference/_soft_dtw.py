"""Soft-DTW (equations 3 and 4) and its gradient, the expected alignment."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import check_not_negative, takes_costs
from tacref.compiled import njit
from tacref.reach import check_moves
from tacref.reference.checks import check_reached, check_smoothing, check_vector
from tacref.reference.stepwise import backward_by_steps, forward_by_steps
from tacref.steps import check_steps


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
    smoothing = check_not_negative(gamma, "gamma")
    value = float(_softmin(a, smoothing)) if smoothing else float(a.min())
    if value == -math.inf:
        raise ValueError(f"gamma must leave the soft minimum finite, got {gamma!r}")
    return value


@takes_costs
def soft_dtw(
    D: ArrayLike,
    *,
    gamma: float = 0.1,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
) -> float:
    """Soft-DTW discrepancy of a cost matrix (equation 4).

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames; +inf forbids a cell. Not modified.
    gamma : float
        Smoothing, > 0, in the unit of `D`; small values approach DTW.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path and their weights, as for `dtw`.
    band, band_shape
        As for `dtw`: by default there is no band.

    Returns
    -------
    float
        Soft minimum over all alignments, in the unit of `D`; may be negative.

    Raises
    ------
    ValueError
        If `D` is not 2-d and non-empty, holds NaN or -inf, or leaves no path free; or if `gamma`
        is not > 0, or `band` is out of range; or if no path by `steps` leads to the last cell.

    References
    ----------
    Cuturi & Blondel, "Soft-DTW", ICML 2017, Algorithm 1.
    """
    checked = check_steps(steps)
    costs, gamma = check_smoothing(D, gamma, band, band_shape)
    if checked.are_any:
        value, _ = forward(costs, gamma)
    else:
        moves = check_moves(checked, costs.shape, band, band_shape)
        value, _ = forward_by_steps(costs, gamma, *moves)
    return check_reached(float(value))


@takes_costs
def soft_dtw_value_and_grad(
    D: ArrayLike,
    *,
    gamma: float = 0.1,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
) -> tuple[float, np.ndarray]:
    """Soft-DTW and its gradient with respect to the costs.

    Parameters
    ----------
    D : array_like, shape (n, m)
        As for `soft_dtw`.
    gamma, steps, band, band_shape
        As for `soft_dtw`.

    Returns
    -------
    value : float
        As `soft_dtw` returns.
    E : ndarray of float64, shape (n, m)
        Gradient, which is the expected alignment: entries in [0, 1], 1 in the first and the
        last corner, 0 in forbidden cells.

    Raises
    ------
    ValueError
        If `D` is not 2-d and non-empty, holds NaN or -inf, or leaves no path free; or if `gamma`
        is not > 0, or `band` is out of range; or if no path by `steps` leads to the last cell.

    References
    ----------
    Cuturi & Blondel, "Soft-DTW", ICML 2017, Algorithm 2, in the form of a flow of mass.
    """
    checked = check_steps(steps)
    costs, gamma = check_smoothing(D, gamma, band, band_shape)
    if checked.are_any:
        value, weights = forward(costs, gamma)
        return check_reached(float(value)), backward(weights)
    moves = check_moves(checked, costs.shape, band, band_shape)
    value, shares = forward_by_steps(costs, gamma, *moves)
    return check_reached(float(value)), backward_by_steps(shares, *moves)[0]


@takes_costs
def expected_alignment(
    D: ArrayLike,
    *,
    gamma: float = 0.1,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
) -> np.ndarray:
    """Mean of the alignment matrices under their Gibbs law, the gradient of soft-DTW.

    `E = sum_A A exp(-<A, D> / gamma) / sum_A exp(-<A, D> / gamma)`.

    Parameters
    ----------
    D : array_like, shape (n, m)
        As for `soft_dtw`.
    gamma, steps, band, band_shape
        As for `soft_dtw`.

    Returns
    -------
    ndarray of float64, shape (n, m)
        The probability that an alignment goes through each cell.

    Raises
    ------
    ValueError
        As `soft_dtw`.
    """
    return soft_dtw_value_and_grad(D, gamma=gamma, steps=steps, band=band, band_shape=band_shape)[1]


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
def forward(D: np.ndarray, gamma: float) -> tuple[float, np.ndarray]:
    """Value of soft-DTW, +inf where no path is free, and the softmin weights of each cell."""
    n, m = D.shape
    # The inf border forces every path to start at (0, 0), so fastmath stays off.
    R = np.full((n + 1, m + 1), np.inf)
    R[0, 0] = 0.0
    # What rounding cut off from R: a difference of two costs, over gamma, would show it.
    R_low = np.zeros((n + 1, m + 1))
    # Of the diagonal, upper and left predecessor; 0 where no path comes from.
    weights = np.zeros((n, m, 3))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            least, least_low = R[i - 1, j - 1], R_low[i - 1, j - 1]
            for cell in ((i - 1, j), (i, j - 1)):
                if R[cell] < least or (R[cell] == least and R_low[cell] < least_low):
                    least, least_low = R[cell], R_low[cell]
            if D[i - 1, j - 1] == np.inf or least == np.inf:
                continue
            p_diagonal = _mass(R[i - 1, j - 1] - least, R_low[i - 1, j - 1] - least_low, gamma)
            p_up = _mass(R[i - 1, j] - least, R_low[i - 1, j] - least_low, gamma)
            p_left = _mass(R[i, j - 1] - least, R_low[i, j - 1] - least_low, gamma)
            # In this order D.T gives the same numbers, transposed.
            total = p_diagonal + (p_up + p_left)
            weights[i - 1, j - 1, 0] = p_diagonal / total
            weights[i - 1, j - 1, 1] = p_up / total
            weights[i - 1, j - 1, 2] = p_left / total
            # eq. 2 with eq. 3 in place of min
            R[i, j], low = _exact_sum(least, D[i - 1, j - 1])
            R[i, j], low_too = _exact_sum(R[i, j], -gamma * math.log(total))
            R[i, j], R_low[i, j] = _exact_sum(R[i, j], least_low + (low + low_too))
    return float(R[n, m] + R_low[n, m]), weights


@njit(cache=True)
def _mass(excess: float, excess_low: float, gamma: float) -> float:
    return math.exp(-(excess + excess_low) / gamma)


@njit(cache=True)
def _exact_sum(a: float, b: float) -> tuple[float, float]:
    # Knuth: a + b = total + rest without error
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@njit(cache=True)
def backward(weights: np.ndarray) -> np.ndarray:
    """Flow of one unit of mass from the last cell to the first, E of equation 4."""
    n, m = weights.shape[:2]
    E = np.zeros((n, m))
    E[n - 1, m - 1] = 1.0
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            # eq. 4: each cell gets mass from its successors in proportion to their weights
            down = E[i + 1, j] * weights[i + 1, j, 1] if i < n - 1 else 0.0
            right = E[i, j + 1] * weights[i, j + 1, 2] if j < m - 1 else 0.0
            E[i, j] += down + right
            if i < n - 1 and j < m - 1:
                E[i, j] += E[i + 1, j + 1] * weights[i + 1, j + 1, 0]
    return E
