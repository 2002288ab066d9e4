"""Kendall's tau: whether the nearest neighbors of a video's frames are in order in another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.checks import Embeddings, check_videos
from tacref.evaluation.nearest import nearest

# Up to so many frames, all pairs of them are compared; scipy sorts, which pays for more.
ALL_PAIRS = 200


def kendall_tau(embeddings: Sequence[ArrayLike], *, stride: int = 1) -> float:
    """Mean Kendall's tau over all ordered pairs of videos.

    For each frame of video A, the nearest frame (Euclidean) of video B is found; tau-b compares
    the order of those frames with the order of A's. 1: all in order; 0: no order; -1: reversed.

    Parameters
    ----------
    embeddings : sequence of array_like, each of shape (T_v, d)
        Frame embeddings of at least two videos of one activity.
    stride : int
        Every how many frames of each video are taken, >= 1. The sources differ (1, 2 or 5), so
        it belongs beside every number.

    Returns
    -------
    float
        In [-1, 1]. A pair whose neighbors are all one frame, where tau is undefined, counts as 0
        (our choice: such embeddings have no order).

    Raises
    ------
    ValueError
        If there are fewer than two videos, the shapes do not fit, a value is not finite, or
        `stride` is not >= 1, or > 1 and leaves no more than one frame of any video.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 4.
    """
    return kendall_scores(dict(enumerate(embeddings)), stride=stride).value  # type: ignore[arg-type]


def kendall_scores(embeddings: Embeddings, *, stride: int = 1) -> Scores:
    """Kendall's tau of each ordered pair of videos.

    Parameters
    ----------
    embeddings : mapping of str to array_like, each of shape (T_v, d)
        Frame embeddings of at least two videos of one activity, by name.
    stride : int
        As for `kendall_tau`.

    Returns
    -------
    Scores
        Over ordered pairs `(V, V)`; its value is what `kendall_tau` returns.

    Raises
    ------
    ValueError
        As `kendall_tau`.
    """
    if stride < 1:
        raise ValueError(f"stride must be >= 1, got {stride!r}")
    whole = check_videos(embeddings, "embeddings", least=2).values()
    if 1 < stride >= (longest := max(map(len, whole))):
        raise ValueError(f"stride must be < {longest}, the longest video's frames, got {stride}")
    videos = [video[::stride] for video in whole]
    taus = np.array([[_tau(order) for order in orders] for orders in nearest(videos)])
    np.fill_diagonal(taus, 0.0)
    return Scores(taus, 1.0 - np.eye(len(videos)))


def _tau(order: np.ndarray) -> float:
    """Tau-b of a sequence with 0, 1, 2, …; 0 if it is constant."""
    if np.all(order == order[0]):
        return 0.0
    if len(order) > ALL_PAIRS:
        from scipy.stats import kendalltau

        return float(kendalltau(np.arange(len(order)), order, method="asymptotic").statistic)
    signs = np.sign(np.subtract.outer(order, order))  # every pair of frames, twice
    pairs = len(order) * (len(order) - 1)
    return float(2 * np.tril(signs).sum() / np.sqrt(pairs * np.count_nonzero(signs)))
