"""Costs between frames: squared Euclidean distances, and their chain rule."""

import numpy as np
from numpy.typing import ArrayLike

from tacref.compiled import njit
from tacref.reference.checks import check_embeddings, check_finite


def cost_matrix(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Squared Euclidean distances between the rows of two embeddings.

    `D[i, j] = || x_i - y_j ||^2`, without a factor 1/2.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.

    Returns
    -------
    ndarray of float64, shape (n, m)
        Equal rows give exactly 0.

    Raises
    ------
    ValueError
        If a shape does not fit, or a value or a distance is not finite.
    """
    # An overflow must not pass for +inf, which means forbidden.
    return check_finite(squared_distances(*check_embeddings(x, y)), "D")


@njit(nogil=True, cache=True)
def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared distances `(n, m)` of rows that were checked; they may overflow to +inf."""
    n, m = len(x), len(y)
    D = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            for k in range(x.shape[1]):
                # By differences: |x|^2 + |y|^2 - 2 xy would lose the digits of near rows.
                D[i, j] += (x[i, k] - y[j, k]) ** 2
    return D


@njit(cache=True)
def embedding_gradients(
    x: np.ndarray, y: np.ndarray, G: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Chain rule: gradients to `x` and `y` of a function with gradient `G` to their costs."""
    grad_x, grad_y = np.zeros_like(x), np.zeros_like(y)
    for i in range(len(x)):
        for j in range(len(y)):
            for k in range(x.shape[1]):
                # dD[i, j] / dx_i = 2 (x_i - y_j) = -dD[i, j] / dy_j
                slope = 2.0 * G[i, j] * (x[i, k] - y[j, k])
                grad_x[i, k] += slope
                grad_y[j, k] -= slope
    return grad_x, grad_y
