"""Temporal cycle-consistency by regression of positions (Dwibedi et al. 2019)."""

import math

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import check_positive
from tacref.compiled import njit
from tacref.reference.checks import check_embeddings
from tacref.reference.costs import embedding_gradients
from tacref.reference.cycle import (
    moments,
    moments_backward,
    neighbor_weights,
    neighbor_weights_backward,
    positions_in_video,
    weighted_means,
    weighted_means_backward,
)

FORMS = ("regression_mse_var", "regression_mse")

# Of the authors' code: the weight of log variance.
VARIANCE_WEIGHT = 0.001
# Our choice, not the authors': added to the variance, which is 0 where one frame has all weight.
VARIANCE_FLOOR = 1e-6


def tcc_loss(
    x: ArrayLike,
    y: ArrayLike,
    *,
    temperature: float = 1.0,
    form: str = "regression_mse_var",
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
    video_length_x: float | None = None,
    video_length_y: float | None = None,
) -> float:
    """Cycle-consistency loss: half the mean over frames of `x`, half that over frames of `y`.

    With a frame's position t_i, and mean and variance of the position it comes back to, its term
    is `(t_i - mu_i)^2 / s + 0.001 log s`, `s = var_i + 1e-6`, in the form "regression_mse_var",
    and `(t_i - mu_i)^2` in the form "regression_mse".

    Parameters
    ----------
    x, y, temperature
        As for `soft_nearest_neighbors`.
    form : {"regression_mse_var", "regression_mse"}
        Whether the squared error is divided by the variance, or stands alone.
    times_x, times_y : array_like of int or float, shapes (n,) and (m,), optional
        Of each row in its source video; by default its index.
    video_length_x, video_length_y : int or float, optional
        Lengths of the source videos in the same unit; given with the times.

    Returns
    -------
    float
        The loss; the variance's logarithm may make it negative.

    Raises
    ------
    ValueError
        If an array or a number is not as described.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 3.2; the weight
    0.001, log variance in place of log deviation, and normalized positions are the authors'
    code's. That code has no floor of 1e-6, and is infinite where one frame takes all weight.
    """
    return tcc_loss_value_and_grad(
        x,
        y,
        temperature=temperature,
        form=form,
        times_x=times_x,
        times_y=times_y,
        video_length_x=video_length_x,
        video_length_y=video_length_y,
    )[0]


def tcc_loss_value_and_grad(
    x: ArrayLike,
    y: ArrayLike,
    *,
    temperature: float = 1.0,
    form: str = "regression_mse_var",
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
    video_length_x: float | None = None,
    video_length_y: float | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Cycle-consistency loss and its gradients with respect to both embeddings.

    Parameters
    ----------
    x, y, temperature, form, times_x, times_y, video_length_x, video_length_y
        As for `tcc_loss`.

    Returns
    -------
    value : float
        As `tcc_loss` returns.
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
    temperature = check_positive(temperature, "temperature")
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    with_variance = form == "regression_mse_var"
    positions_x = positions_in_video(times_x, video_length_x, len(x), "_x")
    positions_y = positions_in_video(times_y, video_length_y, len(y), "_y")
    value_x, grad_x, grad_y = _one_way(x, y, positions_x, temperature, with_variance)
    value_y, grad_y_too, grad_x_too = _one_way(y, x, positions_y, temperature, with_variance)
    return (
        0.5 * (value_x + value_y),
        0.5 * (grad_x + grad_x_too),
        0.5 * (grad_y + grad_y_too),
    )


@njit(cache=True)
def _regression(
    positions: np.ndarray, mean: np.ndarray, variance: np.ndarray, with_variance: bool
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean of the frames' terms, and its slopes in the means and in the variances."""
    n = len(positions)
    value, by_mean, by_variance = 0.0, np.empty(n), np.zeros(n)
    for i in range(n):
        error = positions[i] - mean[i]
        if with_variance:
            s = variance[i] + VARIANCE_FLOOR
            value += (error**2 / s + VARIANCE_WEIGHT * math.log(s)) / n
            by_mean[i] = -2.0 * error / s / n
            by_variance[i] = (VARIANCE_WEIGHT - error**2 / s) / s / n
        else:
            value += error**2 / n
            by_mean[i] = -2.0 * error / n
    return value, by_mean, by_variance


def _one_way(
    x: np.ndarray, y: np.ndarray, positions: np.ndarray, temperature: float, with_variance: bool
) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss of the cycles from x by way of y back to x, and its gradients to x and y."""
    alpha = neighbor_weights(x, y, temperature)
    v = weighted_means(alpha, y)
    beta = neighbor_weights(v, x, temperature)
    mean, variance = moments(beta, positions)
    value, by_mean, by_variance = _regression(positions, mean, variance, with_variance)

    by_beta = moments_backward(mean, by_mean, by_variance, positions)
    by_v, grad_x = embedding_gradients(v, x, neighbor_weights_backward(beta, by_beta, temperature))
    by_alpha, grad_y = weighted_means_backward(alpha, y, by_v)
    by_x, by_y = embedding_gradients(x, y, neighbor_weights_backward(alpha, by_alpha, temperature))
    return value, grad_x + by_x, grad_y + by_y
