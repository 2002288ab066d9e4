"""There and back again: soft nearest neighbors, and the positions that frames come back to."""

import math

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import check_positive
from tacref.compiled import njit
from tacref.reference.checks import check_embeddings
from tacref.reference.costs import cost_matrix
from tacref.reference.times import check_times


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
    return weighted_means(neighbor_weights(x, y, check_positive(temperature, "temperature")), y)


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
    positions = positions_in_video(times, video_length, len(x), "")
    v = weighted_means(neighbor_weights(x, y, temperature), y)
    return moments(neighbor_weights(v, x, temperature), positions)


def positions_in_video(
    times: ArrayLike | None, video_length: float | None, n: int, suffix: str
) -> np.ndarray:
    """Return times over the length of the video, for n rows.

    Raises
    ------
    ValueError
        As `tacref.reference.times.check_times`, whose parameters these are.
    """
    times, video_length = check_times(times, video_length, n, suffix)
    return times / float(video_length)


def neighbor_weights(x: np.ndarray, y: np.ndarray, temperature: float) -> np.ndarray:
    """Weights of the rows of y in the soft nearest neighbor of each row of x, `(n, m)`."""
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
def weighted_means(weights: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows of y, averaged by each row of weights."""
    means = np.zeros((len(weights), y.shape[1]))
    for i in range(len(weights)):
        for j in range(len(y)):
            for k in range(y.shape[1]):
                means[i, k] += weights[i, j] * y[j, k]
    return means


@njit(cache=True)
def moments(beta: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the positions, by each row of beta."""
    mean, variance = np.zeros(len(beta)), np.zeros(len(beta))
    for i in range(len(beta)):
        for k in range(len(positions)):
            mean[i] += beta[i, k] * positions[k]
        for k in range(len(positions)):
            variance[i] += beta[i, k] * (positions[k] - mean[i]) ** 2
    return mean, variance


@njit(cache=True)
def neighbor_weights_backward(
    weights: np.ndarray, slopes: np.ndarray, temperature: float
) -> np.ndarray:
    """Chain rule through `neighbor_weights`: to slopes in the costs."""
    by_cost = np.empty_like(weights)
    for i in range(len(weights)):
        mean = 0.0
        for j in range(weights.shape[1]):
            mean += weights[i, j] * slopes[i, j]
        for j in range(weights.shape[1]):
            by_cost[i, j] = -weights[i, j] * (slopes[i, j] - mean) / temperature
    return by_cost


@njit(cache=True)
def moments_backward(
    mean: np.ndarray, by_mean: np.ndarray, by_variance: np.ndarray, positions: np.ndarray
) -> np.ndarray:
    """Chain rule through `moments`: to slopes in beta."""
    by_beta = np.empty((len(mean), len(positions)))
    for i in range(len(mean)):
        for k in range(len(positions)):
            # d mean_i / d beta_ik = t_k; d var_i / d beta_ik = (t_k - mean_i)^2, as the variance
            # does not change to first order with the mean it is taken about.
            gap = positions[k] - mean[i]
            by_beta[i, k] = by_mean[i] * positions[k] + by_variance[i] * gap**2
    return by_beta


@njit(cache=True)
def weighted_means_backward(
    weights: np.ndarray, y: np.ndarray, by_means: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Chain rule through `weighted_means`: to slopes in the weights and in y."""
    by_weights, by_y = np.zeros_like(weights), np.zeros_like(y)
    for i in range(len(weights)):
        for j in range(len(y)):
            for k in range(y.shape[1]):
                by_weights[i, j] += by_means[i, k] * y[j, k]
                by_y[j, k] += by_means[i, k] * weights[i, j]
    return by_weights, by_y
