"""The LAV loss (equation 8): soft-DTW between two videos, Contrastive-IDM on each."""

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import MAX_WEIGHT, check_not_negative
from tacref.reference._contrastive_idm import check_idm_options, idm_of_embeddings
from tacref.reference._soft_dtw import soft_dtw_value_and_grad
from tacref.reference.checks import check_embeddings
from tacref.reference.costs import cost_matrix, embedding_gradients
from tacref.reference.times import check_times


def lav_loss(
    x: ArrayLike,
    y: ArrayLike,
    *,
    gamma: float = 0.1,
    alpha: float | None = None,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "paper",
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
    video_length_x: float | None = None,
    video_length_y: float | None = None,
) -> float:
    """LAV loss of a pair of videos (equation 8).

    `L(X, Y) = dtw_gamma(X, Y) + alpha (I*(X) + I*(Y))`.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
    gamma : float
        Smoothing of soft-DTW, > 0, in squared distance.
    alpha : float, optional
        Weight of the regularizer, from 0 to 1e100. By default what suits the variant,
        `tacref.variants.VARIANTS`.
    sigma, margin, variant
        As for `contrastive_idm`. "official" divides the whole loss by the number of frames
        (our choice where n != m: by their mean).
    times_x, times_y : array_like, shapes (n,) and (m,), optional
        Of each row in its source video, read by "official" alone: frame numbers, or timestamps
        in seconds, as for `contrastive_idm`.
    video_length_x, video_length_y : int or float, optional
        Lengths of the source videos in the same unit; given with the times.

    Returns
    -------
    float
        The loss.

    Raises
    ------
    ValueError
        If an array or a number is not as described.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equation 8.
    """
    return lav_loss_value_and_grad(
        x,
        y,
        gamma=gamma,
        alpha=alpha,
        sigma=sigma,
        margin=margin,
        variant=variant,
        times_x=times_x,
        times_y=times_y,
        video_length_x=video_length_x,
        video_length_y=video_length_y,
    )[0]


def lav_loss_value_and_grad(
    x: ArrayLike,
    y: ArrayLike,
    *,
    gamma: float = 0.1,
    alpha: float | None = None,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "paper",
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
    video_length_x: float | None = None,
    video_length_y: float | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """LAV loss of a pair of videos and its gradients with respect to both embeddings.

    Parameters
    ----------
    x, y, gamma, alpha, sigma, margin, variant
        As for `lav_loss`.
    times_x, times_y, video_length_x, video_length_y
        As for `lav_loss`.

    Returns
    -------
    value : float
        As `lav_loss` returns.
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
    options = check_idm_options(sigma, margin, variant)
    if alpha is None:
        alpha = options.variant.defaults.alpha
    alpha = check_not_negative(alpha, "alpha", most=MAX_WEIGHT)
    source_x = check_times(times_x, video_length_x, len(x), "_x")
    source_y = check_times(times_y, video_length_y, len(y), "_y")
    alignment, E = soft_dtw_value_and_grad(cost_matrix(x, y), gamma=gamma)
    grad_x, grad_y = embedding_gradients(x, y, E)
    regularizer_x, own_x = idm_of_embeddings(x, options, *source_x)
    regularizer_y, own_y = idm_of_embeddings(y, options, *source_y)
    value = alignment + alpha * (regularizer_x + regularizer_y)  # eq. 8
    grad_x += alpha * own_x
    grad_y += alpha * own_y
    frames = (len(x) + len(y)) / 2 if options.variant.lav_per_frame else 1.0
    return value / frames, grad_x / frames, grad_y / frames
