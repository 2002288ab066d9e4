"""Soft-DTW divergence: soft-DTW without its bias (Blondel, Mensch & Vert 2021)."""

import numpy as np
from numpy.typing import ArrayLike

from tacref.reference._soft_dtw import soft_dtw, soft_dtw_value_and_grad
from tacref.reference.checks import check_embeddings
from tacref.reference.costs import cost_matrix, embedding_gradients


def soft_dtw_divergence(
    x: ArrayLike,
    y: ArrayLike,
    *,
    gamma: float = 0.1,
    band: float | None = None,
    band_shape: str = "diagonal",
) -> float:
    """Soft-DTW between two videos less the mean of soft-DTW of each with itself.

    `dtw_gamma(X, Y) - (dtw_gamma(X, X) + dtw_gamma(Y, Y)) / 2`, on squared Euclidean costs.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
    gamma : float
        Smoothing, > 0, in squared distance.
    band, band_shape
        Band of all three terms, as for `dtw`; by default there is none.

    Returns
    -------
    float
        In squared distance; exactly 0 where `x` equals `y`.

    Raises
    ------
    ValueError
        If an array or a number is not as described.

    References
    ----------
    Blondel, Mensch & Vert, "Differentiable Divergences Between Time Series", AISTATS 2021.
    """
    x, y = check_embeddings(x, y)
    D, D_X, D_Y = cost_matrix(x, y), cost_matrix(x, x), cost_matrix(y, y)
    return soft_dtw(D, gamma=gamma, band=band, band_shape=band_shape) - 0.5 * (
        soft_dtw(D_X, gamma=gamma, band=band, band_shape=band_shape)
        + soft_dtw(D_Y, gamma=gamma, band=band, band_shape=band_shape)
    )


def soft_dtw_divergence_value_and_grad(
    x: ArrayLike,
    y: ArrayLike,
    *,
    gamma: float = 0.1,
    band: float | None = None,
    band_shape: str = "diagonal",
) -> tuple[float, np.ndarray, np.ndarray]:
    """Soft-DTW divergence and its gradients with respect to both embeddings.

    Parameters
    ----------
    x, y, gamma, band, band_shape
        As for `soft_dtw_divergence`.

    Returns
    -------
    value : float
        As `soft_dtw_divergence` returns.
    grad_x : ndarray of float64, shape (n, d)
        Gradient with respect to `x`; exactly 0 where `x` equals `y`.
    grad_y : ndarray of float64, shape (m, d)
        Gradient with respect to `y`; exactly 0 where `x` equals `y`.

    Raises
    ------
    ValueError
        If an array or a number is not as described.
    """
    x, y = check_embeddings(x, y)
    value, E = soft_dtw_value_and_grad(
        cost_matrix(x, y), gamma=gamma, band=band, band_shape=band_shape
    )
    grad_x, grad_y = embedding_gradients(x, y, E)
    value_x, grad_self_x = _self_value_and_grad(x, gamma, band, band_shape)
    value_y, grad_self_y = _self_value_and_grad(y, gamma, band, band_shape)
    return (
        value - 0.5 * (value_x + value_y),
        grad_x - 0.5 * grad_self_x,
        grad_y - 0.5 * grad_self_y,
    )


def _self_value_and_grad(
    x: np.ndarray, gamma: float, band: float | None, band_shape: str
) -> tuple[float, np.ndarray]:
    value, E = soft_dtw_value_and_grad(
        cost_matrix(x, x), gamma=gamma, band=band, band_shape=band_shape
    )
    as_row, as_column = embedding_gradients(x, x, E)
    # x_i stands in row i and in column i of D_X.
    return value, as_row + as_column
