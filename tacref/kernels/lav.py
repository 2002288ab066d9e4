"""The LAV loss (equation 8) of batches of embeddings: its terms and gradient in one pass."""

import numpy as np

from tacref.compiled import njit
from tacref.kernels.contrastive_idm import idm_items
from tacref.kernels.soft_dtw_batch import embedding_items


@njit(nogil=True, cache=True)
def lav_items(
    x: np.ndarray,
    y: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    times_x: np.ndarray,
    times_y: np.ndarray,
    ends_x: np.ndarray,
    ends_y: np.ndarray,
    gamma: float,
    band: int,
    alpha: float,
    sigma: int,
    margin: float,
    official: bool,
    printed: bool,
    laser: bool,
    with_grad: bool,
    start: int,
    stop: int,
    terms: np.ndarray,
    grad_x: np.ndarray,
    grad_y: np.ndarray,
    idm_x: np.ndarray,
    idm_y: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Write loss, alignment, regularizer `(3, B)` and gradients of the items `start` to `stop`.

    Embeddings and their gradients are `(B, n, d)`; `idm_x` and `idm_y` are scratch like them.
    """
    embedding_items(
        x, y, rows, columns, gamma, band, with_grad, start, stop, terms[1], grad_x, grad_y, weights
    )
    idm_items(
        x, rows, times_x, ends_x, sigma, margin, official, printed, laser, with_grad, start, stop,
        terms[0], idm_x,
    )  # fmt: skip
    idm_items(
        y, columns, times_y, ends_y, sigma, margin, official, printed, laser, with_grad, start,
        stop, terms[2], idm_y,
    )  # fmt: skip
    for b in range(start, stop):
        scale = 2.0 / (rows[b] + columns[b]) if official else 1.0
        terms[1, b] = scale * terms[1, b]
        terms[2, b] = scale * (terms[0, b] + terms[2, b])
        terms[0, b] = terms[1, b] + alpha * terms[2, b]  # eq. 8
        if with_grad:
            _combine(grad_x[b], idm_x[b], rows[b], scale, alpha)
            _combine(grad_y[b], idm_y[b], columns[b], scale, alpha)


@njit(cache=True)
def _combine(grad: np.ndarray, idm: np.ndarray, count: int, scale: float, alpha: float) -> None:
    for i in range(count):
        for k in range(grad.shape[1]):
            grad[i, k] = scale * (grad[i, k] + alpha * idm[i, k])
