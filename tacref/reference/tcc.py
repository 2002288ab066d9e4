"""Temporal cycle-consistency by regression of positions (Dwibedi et al. 2019)."""

import math

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import check_positive
from tacref.compiled import njit
from tacref.reference.checks import check_embeddings
from tacref.reference.costs import cost_matrix, embedding_gradients
from tacref.reference.times import check_times

FORMS = ("regression_mse_var", "regression_mse")

# Of the authors' code: the weight of log variance.
VARIANCE_WEIGHT = 0.001
# Our choice, not the authors': added to the variance, which is 0 where one frame has all weight.
VARIANCE_FLOOR = 1e-6


def soft_nearest_neighbors(x: ArrayLike, y: ArrayLike, *, temperature: float = 1.0) -> np.ndarray:
    """Soft nearest neighbors in `y` of the rows of `x`.

    `v_i = sum_j alpha_ij y_j`, `alpha_ij = exp(-||x_i - y_j||^2 / temperature) / sum_k …`.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
    temperature : float
        > 0, in squared distance; small values approach the nearest neighbors.

    Returns
    -------
    ndarray of float64, shape (n, d)
        Means of the rows of `y`.

    Raises
    ------
    ValueError
        If an array or a number is not as described.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 3.1. (The authors'
    code divides the squared distance by d, too: a temperature d times as large.)
    """
    x, y = check_embeddings(x, y)
    return _means(_weights(x, y, check_positive(temperature, "temperature")), y)


def cycle_back(
    x: ArrayLike,
    y: ArrayLike,
    *,
    temperature: float = 1.0,
    times: ArrayLike | None = None,
    video_length: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where frames of `x` come back to by way of `y`: mean and variance of the position.

    `mu_i = sum_k beta_ik t_k`, `var_i = sum_k beta_ik (t_k - mu_i)^2`, with `beta_ik` the
    softmax over k of `-||v_i - x_k||^2 / temperature` of the soft nearest neighbor `v_i`.

    Parameters
    ----------
    x, y, temperature
        As for `soft_nearest_neighbors`.
    times : array_like of int or float, shape (n,), optional
        Of each row of `x` in its source video; by default 0 … n-1.
    video_length : int or float, optional
        Length of the source video in the same unit; given with `times`. A position t_k is the
        time over the length, in [0, 1).

    Returns
    -------
    mean : ndarray of float64, shape (n,)
        Positions in the video.
    variance : ndarray of float64, shape (n,)
        Of these positions, >= 0.

    Raises
    ------
    ValueError
        If an array or a number is not as described.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 3.2.
    """
    x, y = check_embeddings(x, y)
    temperature = check_positive(temperature, "temperature")
    steps = _positions(times, video_length, len(x), "")
    v = _means(_weights(x, y, temperature), y)
    return _moments(_weights(v, x, temperature), steps)


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
    steps_x = _positions(times_x, video_length_x, len(x), "_x")
    steps_y = _positions(times_y, video_length_y, len(y), "_y")
    value_x, grad_x, grad_y = _one_way(x, y, steps_x, temperature, with_variance)
    value_y, grad_y_too, grad_x_too = _one_way(y, x, steps_y, temperature, with_variance)
    return (
        0.5 * (value_x + value_y),
        0.5 * (grad_x + grad_x_too),
        0.5 * (grad_y + grad_y_too),
    )


def _positions(
    times: ArrayLike | None, video_length: float | None, n: int, suffix: str
) -> np.ndarray:
    frames, length = check_times(times, video_length, n, suffix)
    return frames / float(length)


def _weights(x: np.ndarray, y: np.ndarray, temperature: float) -> np.ndarray:
    return _softmin_weights(cost_matrix(x, y), temperature)


@njit(cache=True)
def _softmin_weights(D: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of each row of -D / temperature."""
    weights = np.empty_like(D)
    for i in range(len(D)):
        least, total = D[i].min(), 0.0
        for j in range(D.shape[1]):
            # The least first: the largest exponential is 1.
            weights[i, j] = math.exp((least - D[i, j]) / temperature)
            total += weights[i, j]
        for j in range(D.shape[1]):
            weights[i, j] /= total
    return weights


@njit(cache=True)
def _means(weights: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows of y, averaged by each row of weights."""
    means = np.zeros((len(weights), y.shape[1]))
    for i in range(len(weights)):
        for j in range(len(y)):
            for k in range(y.shape[1]):
                means[i, k] += weights[i, j] * y[j, k]
    return means


@njit(cache=True)
def _moments(beta: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the positions, by each row of beta."""
    mean, variance = np.zeros(len(beta)), np.zeros(len(beta))
    for i in range(len(beta)):
        for k in range(len(steps)):
            mean[i] += beta[i, k] * steps[k]
        for k in range(len(steps)):
            variance[i] += beta[i, k] * (steps[k] - mean[i]) ** 2
    return mean, variance


@njit(cache=True)
def _regression(
    steps: np.ndarray, mean: np.ndarray, variance: np.ndarray, with_variance: bool
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean of the frames' terms, and its slopes in the means and in the variances."""
    n = len(steps)
    value, by_mean, by_variance = 0.0, np.empty(n), np.zeros(n)
    for i in range(n):
        error = steps[i] - mean[i]
        if with_variance:
            s = variance[i] + VARIANCE_FLOOR
            value += (error**2 / s + VARIANCE_WEIGHT * math.log(s)) / n
            by_mean[i] = -2.0 * error / s / n
            by_variance[i] = (VARIANCE_WEIGHT - error**2 / s) / s / n
        else:
            value += error**2 / n
            by_mean[i] = -2.0 * error / n
    return value, by_mean, by_variance


@njit(cache=True)
def _weights_backward(weights: np.ndarray, slopes: np.ndarray, temperature: float) -> np.ndarray:
    """Chain rule through `_softmin_weights`: to slopes in the costs."""
    by_cost = np.empty_like(weights)
    for i in range(len(weights)):
        mean = 0.0
        for j in range(weights.shape[1]):
            mean += weights[i, j] * slopes[i, j]
        for j in range(weights.shape[1]):
            by_cost[i, j] = -weights[i, j] * (slopes[i, j] - mean) / temperature
    return by_cost


@njit(cache=True)
def _moments_backward(
    mean: np.ndarray, by_mean: np.ndarray, by_variance: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Chain rule through `_moments`: to slopes in beta."""
    by_beta = np.empty((len(mean), len(steps)))
    for i in range(len(mean)):
        for k in range(len(steps)):
            # d mean_i / d beta_ik = t_k; d var_i / d beta_ik = (t_k - mean_i)^2, as the variance
            # does not change to first order with the mean it is taken about.
            gap = steps[k] - mean[i]
            by_beta[i, k] = by_mean[i] * steps[k] + by_variance[i] * gap**2
    return by_beta


@njit(cache=True)
def _means_backward(
    weights: np.ndarray, y: np.ndarray, by_means: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Chain rule through `_means`: to slopes in the weights and in y."""
    by_weights, by_y = np.zeros_like(weights), np.zeros_like(y)
    for i in range(len(weights)):
        for j in range(len(y)):
            for k in range(y.shape[1]):
                by_weights[i, j] += by_means[i, k] * y[j, k]
                by_y[j, k] += by_means[i, k] * weights[i, j]
    return by_weights, by_y


def _one_way(
    x: np.ndarray, y: np.ndarray, steps: np.ndarray, temperature: float, with_variance: bool
) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss of the cycles from x by way of y back to x, and its gradients to x and y."""
    alpha = _weights(x, y, temperature)
    v = _means(alpha, y)
    beta = _weights(v, x, temperature)
    mean, variance = _moments(beta, steps)
    value, by_mean, by_variance = _regression(steps, mean, variance, with_variance)

    by_beta = _moments_backward(mean, by_mean, by_variance, steps)
    by_v, grad_x = embedding_gradients(v, x, _weights_backward(beta, by_beta, temperature))
    by_alpha, grad_y = _means_backward(alpha, y, by_v)
    by_x, by_y = embedding_gradients(x, y, _weights_backward(alpha, by_alpha, temperature))
    return value, grad_x + by_x, grad_y + by_y
