"""Contrastive-IDM (equation 7): of a video's embeddings, and of the distances between them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import MAX_WEIGHT, check_not_negative, check_positive, check_variant
from tacref.compiled import njit
from tacref.reference.checks import check_rows, check_square, check_squared
from tacref.reference.costs import cost_matrix, embedding_gradients
from tacref.reference.times import check_times
from tacref.variants import VARIANTS, Variant


class IDMOptions(NamedTuple):
    """The options of equation 7, checked."""

    sigma: float
    margin: float
    variant: Variant


def contrastive_idm(
    x: ArrayLike,
    *,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "paper",
    times: ArrayLike | None = None,
    video_length: float | None = None,
) -> float:
    """Contrastive-IDM of a video (equation 7).

    `I*(X) = sum_ij [ y_ij far_ij max(0, margin - D_X(i, j)) + (1 - y_ij) near_ij D_X(i, j) ]`
    with D_X the squared distances between the rows of x, and y_ij = 1 where the frames i and j are
    farther apart in time than sigma.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of the video. Not modified.
    sigma : float, optional
        Window, >= 0: frames more than sigma apart are far. In rows of `x`; for "official" in the
        unit of `times`. By default what suits the variant, `tacref.variants.VARIANTS`.
    margin : float, optional
        Hinge margin lambda, > 0 and at most 1e100, in squared distance; for "laser" in distance.
        By default what suits the variant.
    variant : {"paper", "official", "printed", "laser"}
        Which published form:

        - "paper": far weight (i-j)^2 + 1, near weight 1 / ((i-j)^2 + 1).
        - "official": the authors' code; far weight ((t_i-t_j) / video_length)^2 + 1, near
          weight 1.
        - "printed": both weights 1 / ((i-j)^2 + 1), as a garbled copy has it.
        - "laser": the paper's weights on Euclidean distances, divided by n^2.
    times : array_like, shape (n,), optional
        Of each row in the source video, read by "official" alone: frame numbers, or timestamps
        in seconds if of a floating type; by default 0 … n-1. Frame numbers decide exactly which
        pairs are far, timestamps by their difference in float64, which may fall on either side
        of sigma for pairs that are meant to be sigma apart.
    video_length : int or float, optional
        Length of the source video in the same unit, more than the last time; given with `times`.

    Returns
    -------
    float
        The loss, >= 0.

    Raises
    ------
    ValueError
        If an array or a number is not as described.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equation 7; for "laser",
    Meghanani & Hain, "LASER", Interspeech 2024.
    """
    return contrastive_idm_value_and_grad(
        x, sigma=sigma, margin=margin, variant=variant, times=times, video_length=video_length
    )[0]


def contrastive_idm_value_and_grad(
    x: ArrayLike,
    *,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "paper",
    times: ArrayLike | None = None,
    video_length: float | None = None,
) -> tuple[float, np.ndarray]:
    """Contrastive-IDM of a video and its gradient with respect to the embeddings.

    Parameters
    ----------
    x, sigma, margin, variant, times, video_length
        As for `contrastive_idm`.

    Returns
    -------
    value : float
        As `contrastive_idm` returns.
    grad_x : ndarray of float64, shape (n, d)
        Gradient. At the kinks one-sided derivatives are taken: 0 where a distance equals the
        margin; and 0, for "laser", where it is 0.

    Raises
    ------
    ValueError
        If an array or a number is not as described.
    """
    x = check_rows(x, "x")
    options = check_idm_options(sigma, margin, variant)
    return idm_of_embeddings(x, options, *check_times(times, video_length, len(x)))


def contrastive_idm_of_distances(
    D_X: ArrayLike,
    *,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "paper",
    times: ArrayLike | None = None,
    video_length: float | None = None,
) -> float:
    """Contrastive-IDM of a self-distance matrix (equation 7).

    Parameters
    ----------
    D_X : array_like, shape (n, n)
        Squared Euclidean distances, >= 0, between the frames of one video. Not modified.
    sigma, margin, variant, times, video_length
        As for `contrastive_idm`.

    Returns
    -------
    float
        As `contrastive_idm` returns.

    Raises
    ------
    ValueError
        If an array or a number is not as described.
    """
    return contrastive_idm_of_distances_value_and_grad(
        D_X, sigma=sigma, margin=margin, variant=variant, times=times, video_length=video_length
    )[0]


def contrastive_idm_of_distances_value_and_grad(
    D_X: ArrayLike,
    *,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "paper",
    times: ArrayLike | None = None,
    video_length: float | None = None,
) -> tuple[float, np.ndarray]:
    """Contrastive-IDM and its gradient with respect to the self-distances.

    Parameters
    ----------
    D_X, sigma, margin, variant, times, video_length
        As for `contrastive_idm_of_distances`.

    Returns
    -------
    value : float
        As `contrastive_idm_of_distances` returns.
    G : ndarray of float64, shape (n, n)
        Gradient. At the kinks one-sided derivatives are taken: 0 where the distance equals the
        margin; and 0, for "laser", where `D_X` is 0.

    Raises
    ------
    ValueError
        If an array or a number is not as described.
    """
    options = check_idm_options(sigma, margin, variant)
    distances = check_squared(check_square(D_X, "D_X"), "D_X")
    return _idm_of_distances(distances, options, *check_times(times, video_length, len(distances)))


def check_idm_options(sigma: float | None, margin: float | None, variant: str) -> IDMOptions:
    """Return the options of `contrastive_idm`; where one is None, the variant's own.

    Raises
    ------
    ValueError
        If one is not as `contrastive_idm` describes it.
    """
    form = VARIANTS[check_variant(variant)]
    sigma = form.defaults.sigma if sigma is None else sigma
    margin = form.defaults.margin if margin is None else margin
    return IDMOptions(
        check_not_negative(sigma, "sigma"),
        check_positive(margin, "margin", most=MAX_WEIGHT),
        form,
    )


def idm_of_embeddings(
    x: np.ndarray, options: IDMOptions, times: np.ndarray, video_length: float
) -> tuple[float, np.ndarray]:
    """Contrastive-IDM of a video and its gradient, of checked arguments.

    Raises
    ------
    ValueError
        If the rows of x are so far apart that a sum of distances could overflow.
    """
    distances = check_square(cost_matrix(x, x), "D_X")
    value, G = _idm_of_distances(distances, options, times, video_length)
    # x_i stands in row i and in column i of D_X.
    by_rows, by_columns = embedding_gradients(x, x, G)
    return value, by_rows + by_columns


def _idm_of_distances(
    D_X: np.ndarray, options: IDMOptions, times: np.ndarray, video_length: float
) -> tuple[float, np.ndarray]:
    (sigma, margin, form), n = options, len(D_X)
    if not form.in_source_frames:
        times, video_length = np.arange(n), 1.0
    far, rising = _far_and_weights(times, video_length, sigma)
    falling = 1.0 / rising
    far_weights = rising if form.far_weight_rises else falling
    near_weights = falling if form.near_weight_falls else np.ones((n, n))
    if form.of_roots:
        roots = np.sqrt(D_X)
        value, slopes = _contrastive_idm(roots, far, far_weights, near_weights, margin)
        G = _root_chain_rule(slopes, roots)
    else:
        value, G = _contrastive_idm(D_X, far, far_weights, near_weights, margin)
    return (value / n**2, G / n**2) if form.mean_over_pairs else (value, G)


@njit(cache=True)
def _far_and_weights(
    times: np.ndarray, video_length: float, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    n = len(times)
    far, rising = np.empty((n, n), np.bool_), np.empty((n, n))
    for i in range(n):
        for j in range(n):
            # y_ij. Undivided: |t_i - t_j| > sigma / video_length, in floating point, misjudges
            # pairs that are exactly sigma frames apart.
            far[i, j] = abs(times[i] - times[j]) > sigma
            rising[i, j] = ((times[i] - times[j]) / video_length) ** 2 + 1.0  # W_bar
    return far, rising


@njit(cache=True)
def _contrastive_idm(
    D_X: np.ndarray,
    far: np.ndarray,
    far_weights: np.ndarray,
    near_weights: np.ndarray,
    margin: float,
) -> tuple[float, np.ndarray]:
    value, G = 0.0, np.zeros_like(D_X)
    for i in range(len(D_X)):
        for j in range(len(D_X)):
            if not far[i, j]:
                value += near_weights[i, j] * D_X[i, j]  # eq. 7, near
                G[i, j] = near_weights[i, j]
            elif D_X[i, j] < margin:  # at the kink, D_X = margin, the derivative is 0
                value += far_weights[i, j] * (margin - D_X[i, j])  # eq. 7, far
                G[i, j] = -far_weights[i, j]
    return value, G


@njit(cache=True)
def _root_chain_rule(slopes: np.ndarray, roots: np.ndarray) -> np.ndarray:
    G = np.zeros_like(slopes)
    for i in range(len(roots)):
        for j in range(len(roots)):
            # d sqrt(D) / dD = 1 / (2 sqrt(D)); our choice where D = 0: 0
            if roots[i, j] > 0.0:
                G[i, j] = slopes[i, j] / (2.0 * roots[i, j])
    return G
