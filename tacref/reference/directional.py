"""Derivatives of soft-DTW along a direction: the sharp value and the Hessian-vector product."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import takes_costs
from tacref.compiled import njit
from tacref.reach import check_moves
from tacref.reference._soft_dtw import backward, expected_alignment, forward
from tacref.reference.checks import check_direction, check_reached, check_smoothing
from tacref.reference.stepwise import backward_by_steps, forward_by_steps, hvp_by_steps
from tacref.steps import check_steps


@takes_costs
def sharp_soft_dtw(
    D: ArrayLike,
    *,
    gamma: float = 0.1,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
) -> float:
    """Mean cost of an alignment, `<E, D>`: soft-DTW without its entropy.

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames; +inf forbids a cell. Not modified.
    gamma : float
        Smoothing, > 0, in the unit of `D`.
    steps, band, band_shape
        As for `soft_dtw`.

    Returns
    -------
    float
        In the unit of `D`; at least `dtw(D)`, at least `soft_dtw(D)`.

    Raises
    ------
    ValueError
        As `soft_dtw`.

    References
    ----------
    Blondel, Mensch & Vert, "Differentiable Divergences Between Time Series", AISTATS 2021.
    """
    checked = check_steps(steps)
    costs, gamma = check_smoothing(D, gamma, band, band_shape)
    if not checked.are_any:
        E = expected_alignment(costs, gamma=gamma, steps=steps)
        return float(np.vdot(E, np.where(E > 0.0, costs, 0.0)))
    value, weights = forward(costs, gamma)
    check_reached(float(value))
    # <E, D> is the derivative of the value in the direction D itself.
    return float(tangent(costs, weights)[-1, -1])


def soft_dtw_hvp(
    D: ArrayLike,
    Z: ArrayLike,
    *,
    gamma: float = 0.1,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
) -> np.ndarray:
    """Hessian of soft-DTW times a direction: how the expected alignment changes along `Z`.

    `H Z = d E(D + t Z) / dt at t = 0 = -Cov(A, <A, Z>) / gamma`.

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames; +inf forbids a cell. Not modified.
    Z : array_like, shape (n, m)
        Direction, finite; forbidden cells do not count. Not modified.
    gamma : float
        Smoothing, > 0, in the unit of `D`.
    steps, band, band_shape
        As for `soft_dtw`.

    Returns
    -------
    ndarray of float64, shape (n, m)
        The product, 0 in forbidden cells. `sum(Z * result) <= 0`: soft-DTW is concave.

    Raises
    ------
    ValueError
        As `soft_dtw`, or if `Z` has another shape, is not finite, or too large for `gamma`.

    References
    ----------
    Mensch & Blondel, "Differentiable Dynamic Programming", ICML 2018.
    """
    checked = check_steps(steps)
    costs, gamma = check_smoothing(D, gamma, band, band_shape)
    Z = check_direction(Z, costs, gamma)
    if not checked.are_any:
        moves = check_moves(checked, costs.shape, band, band_shape)
        value, shares = forward_by_steps(costs, gamma, *moves)
        check_reached(float(value))
        _, mass = backward_by_steps(shares, *moves)
        return hvp_by_steps(Z, gamma, shares, mass, *moves)
    value, weights = forward(costs, gamma)
    check_reached(float(value))
    return backward_tangent(weights, backward(weights), tangent(Z, weights), gamma)


@njit(cache=True)
def tangent(Z: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Slopes `(n + 1, m + 1)` of R along the direction Z, by the softmin weights of `forward`."""
    n, m = Z.shape
    # Slopes of R, with the same border.
    T = np.zeros((n + 1, m + 1))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            p_diagonal, p_up, p_left = weights[i - 1, j - 1]
            # Where no path arrives, the weights are 0 and the slope stays 0, not 0 times inf.
            if p_diagonal + p_up + p_left > 0.0:
                mean = p_diagonal * T[i - 1, j - 1] + (p_up * T[i - 1, j] + p_left * T[i, j - 1])
                # eq. 2, differentiated: the slope of a softmin is the mean of the slopes
                T[i, j] = Z[i - 1, j - 1] + mean
    return T


@njit(cache=True)
def backward_tangent(weights: np.ndarray, E: np.ndarray, T: np.ndarray, gamma: float) -> np.ndarray:
    """Slopes of E, by the softmin weights and the slopes T of R."""
    n, m = E.shape
    E_slope = np.zeros((n, m))
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            # Predecessors of (i, j): E is 0-based, T is 1-based
            diagonal, up, left = T[i, j], T[i, j + 1], T[i + 1, j]
            p_diagonal, p_up, p_left = weights[i, j]
            # Slopes of the softmin weights, p_k sum_l p_l (t_l - t_k) / gamma: by pairs, as
            # t_k - mean would lose the digits where one weight is nearly 1.
            slope_diagonal = p_diagonal * (p_up * (up - diagonal) + p_left * (left - diagonal))
            slope_up = p_up * (p_diagonal * (diagonal - up) + p_left * (left - up))
            slope_left = p_left * (p_diagonal * (diagonal - left) + p_up * (up - left))
            # eq. 4, differentiated by the product rule
            if i > 0 and j > 0:
                E_slope[i - 1, j - 1] += E_slope[i, j] * p_diagonal + E[i, j] * (
                    slope_diagonal / gamma
                )
            if i > 0:
                E_slope[i - 1, j] += E_slope[i, j] * p_up + E[i, j] * (slope_up / gamma)
            if j > 0:
                E_slope[i, j - 1] += E_slope[i, j] * p_left + E[i, j] * (slope_left / gamma)
    return E_slope
