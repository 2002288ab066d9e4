"""Groups of videos: the best reference among them, their mean, and the videos that do not fit."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.exact import dtw
from tacref.checks import check_positive
from tacref.reference import cost_matrix, soft_dtw_value_and_grad
from tacref.reference.checks import as_float64, check_embeddings
from tacref.terminal import progress_bar

# Costs more than this many robust standard deviations above the median belong to outliers.
OUTLIER_DEVIATIONS = 3.0
# Pairs of frames of the barycenter and a video; the matrices for them stay below 400 MiB.
MAX_CELLS = 2**24


def pair_costs(
    videos: Sequence[ArrayLike], *, cost: str = "sqeuclidean", progress: bool = False
) -> np.ndarray:
    """Mean alignment cost of every pair of videos.

    Parameters
    ----------
    videos : sequence of array_like, each of shape (n_v, d)
        Frame embeddings.
    cost : {"sqeuclidean", "euclidean", "cosine", "l1"}
        Cost of a pair of frames, as `tacref.alignment.dtw` takes it.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    ndarray of float64, shape (K, K)
        Symmetric: the DTW cost of each pair divided by the sum of its lengths, so that long videos
        do not look worse than short ones. 0 on the diagonal.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite, or a row is zero and `cost` is "cosine".
    """
    costs = np.zeros((len(videos), len(videos)))
    pairs = list(combinations(range(len(videos)), 2))
    for a, b in progress_bar(pairs, "compare", len(pairs), "pairs") if progress else pairs:
        x, y = check_embeddings(videos[a], videos[b])
        costs[a, b] = costs[b, a] = dtw(x, y, cost=cost) / (len(x) + len(y))
    return costs


def medoid(costs: np.ndarray) -> int:
    """Return the number of the video whose mean cost to the others is least (the first one)."""
    return int(costs.sum(axis=1).argmin())


def outliers(costs: ArrayLike) -> list[int]:
    """Find the videos that do not fit a reference.

    Parameters
    ----------
    costs : array_like of float, shape (K,)
        Mean cost of each video's alignment with the reference.

    Returns
    -------
    list of int
        Numbers of the videos whose cost is more than three robust standard deviations (1.4826 times
        the median distance from the median) above the median, and above one and a half times the
        median; the worst first. Empty for fewer than four videos.
    """
    values = as_float64(costs, "costs")
    if len(values) < 4:
        return []
    middle = float(np.median(values))
    deviation = 1.4826 * float(np.median(np.abs(values - middle)))
    # If nearly all costs are the same, a small difference does not make an outlier.
    limit = max(middle + OUTLIER_DEVIATIONS * deviation, 1.5 * middle)
    return [int(k) for k in np.argsort(-values, kind="stable") if values[k] > limit]


def barycenter(
    videos: Sequence[ArrayLike],
    start: ArrayLike,
    *,
    gamma: float = 0.1,
    iterations: int = 10,
    progress: bool = False,
) -> np.ndarray:
    """Find a sequence whose soft-DTW to all videos is small.

    Soft-DTW is concave in the costs, so the costs weighted by the expected alignment at the current
    sequence lie above it, up to a constant, and touch it there. Their sum is least at a weighted
    mean of the videos' frames. Each iteration goes there and never increases the sum of soft-DTW.

    Parameters
    ----------
    videos : sequence of array_like, each of shape (n_v, d)
        Frame embeddings, at least one.
    start : array_like, shape (n, d)
        Where to begin, such as the medoid; decides the length. Not modified.
    gamma : float
        Smoothing, > 0, in squared distance.
    iterations : int
        Number of iterations, >= 1.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    ndarray of float64, shape (n, d)
        The barycenter, near a local minimum; each video is weighted by 1 / n_v.

    Raises
    ------
    ValueError
        If there are no videos, a shape does not fit, a value is not finite, an option is out of
        range, or n * n_v is above `MAX_CELLS`.

    References
    ----------
    Cuturi & Blondel, "Soft-DTW", ICML 2017, section 3, for the barycenter; Petitjean et al., "A
    global averaging method for dynamic time warping", Pattern Recognition 2011, for the mean.
    """
    gamma = check_positive(gamma, "gamma")
    if iterations < 1:
        raise ValueError(f"iterations must be >= 1, got {iterations!r}")
    if not videos:
        raise ValueError("videos must hold at least one, got none")
    pairs = [check_embeddings(start, video) for video in videos]
    for center, y in pairs:
        if len(center) * len(y) > MAX_CELLS:
            raise ValueError(
                f"start and videos must have at most {MAX_CELLS} pairs of frames, got "
                f"{len(center)} x {len(y)}"
            )
    center = pairs[0][0]
    rounds = range(iterations)
    for _ in progress_bar(rounds, "barycenter", iterations, "rounds") if progress else rounds:
        total, weights = np.zeros_like(center), np.zeros((len(center), 1))
        for _, y in pairs:
            _, E = soft_dtw_value_and_grad(cost_matrix(center, y), gamma=gamma)
            total += E @ y / len(y)
            weights += E.sum(axis=1, keepdims=True) / len(y)
        center = total / weights
    return center
