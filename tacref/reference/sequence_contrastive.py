"""Sequence contrastive loss between two views of one video (Chen et al. 2022)."""

import math

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import MIN_SCALE, check_positive
from tacref.compiled import njit
from tacref.reference.checks import check_embeddings, check_finite
from tacref.reference.times import check_real_times


def sequence_contrastive_loss(
    x: ArrayLike,
    y: ArrayLike,
    *,
    sigma: float = math.sqrt(10.0),
    temperature: float = 0.1,
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
) -> float:
    """Divergence of the views' similarities from what their times say.

    For each row of `x`, `p_j = exp(x_i . y_j / temperature) / sum_k …` should be
    `w_j = exp(-(s_i - t_j)^2 / (2 sigma^2)) / sum_k …`: its term is `sum_j w_j log(w_j / p_j)`.
    Half the mean over the rows of `x` plus half that over the rows of `y`, the other way round.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one view, of unit length for the paper's cosine similarity. Not
        modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other view. Not modified.
    sigma : float
        At least 1e-100, in the unit of the times: how far from a frame others are still alike.
    temperature : float
        At least 1e-100, in the unit of the similarities.
    times_x, times_y : array_like of int or float, shapes (n,) and (m,), optional
        When each row is, s and t, in the video that both views are of; by default its index.

    Returns
    -------
    float
        In nats, >= 0 but for rounding.

    Raises
    ------
    ValueError
        If an array or a number is not as described.

    References
    ----------
    Chen et al., "Frame-wise Action Representations for Long Videos via Sequence Contrastive
    Learning", CVPR 2022, equations 1 to 3. (The authors' code adds 1e-6 to p.)
    """
    return sequence_contrastive_loss_value_and_grad(
        x, y, sigma=sigma, temperature=temperature, times_x=times_x, times_y=times_y
    )[0]


def sequence_contrastive_loss_value_and_grad(
    x: ArrayLike,
    y: ArrayLike,
    *,
    sigma: float = math.sqrt(10.0),
    temperature: float = 0.1,
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Sequence contrastive loss and its gradients with respect to both embeddings.

    Parameters
    ----------
    x, y, sigma, temperature, times_x, times_y
        As for `sequence_contrastive_loss`.

    Returns
    -------
    value : float
        As `sequence_contrastive_loss` returns.
    grad_x : ndarray of float64, shape (n, d)
        Gradient with respect to `x`.
    grad_y : ndarray of float64, shape (m, d)
        Gradient with respect to `y`.

    Raises
    ------
    ValueError
        If an array or a number is not as described.
    """
    x, y = check_embeddings(x, y)
    sigma = check_positive(sigma, "sigma", least=MIN_SCALE)
    temperature = check_positive(temperature, "temperature", least=MIN_SCALE)
    gaps = np.subtract.outer(
        check_real_times(times_x, len(x), "times_x"), check_real_times(times_y, len(y), "times_y")
    )
    nearness = -((gaps / sigma) ** 2) / 2.0
    with np.errstate(over="ignore"):  # refused below
        similarity = x @ y.T / temperature
    check_finite(2.0 * similarity, "products of x and y over temperature")
    value_x, slopes_x = _one_way(nearness, similarity)
    value_y, slopes_y = _one_way(nearness.T, similarity.T)
    by_product = (slopes_x + slopes_y.T) / (2.0 * temperature)
    return 0.5 * (value_x + value_y), by_product @ y, by_product.T @ x


def _one_way(nearness: np.ndarray, similarity: np.ndarray) -> tuple[float, np.ndarray]:
    """KL(softmax of nearness || softmax of similarity), mean over rows; slopes in similarity."""
    log_w, log_p = _log_softmax(nearness), _log_softmax(similarity)
    w, n = np.exp(log_w), len(nearness)
    return float((w * (log_w - log_p)).sum() / n), (np.exp(log_p) - w) / n


@njit(cache=True)
def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax of each row."""
    logs = np.empty_like(logits)
    for i in range(len(logits)):
        # The largest is subtracted first: its exponential is 1.
        most, total = logits[i].max(), 0.0
        for j in range(logits.shape[1]):
            total += math.exp(logits[i, j] - most)
        for j in range(logits.shape[1]):
            logs[i, j] = logits[i, j] - most - math.log(total)
    return logs
