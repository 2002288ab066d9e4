"""Kendall's tau: whether the nearest neighbors of a video's frames are in order in another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


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
        `stride` is not >= 1.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 4.
    """
    if stride < 1:
        raise ValueError(f"stride must be >= 1, got {stride!r}")
    if len(embeddings) < 2:
        raise ValueError(f"embeddings must hold at least two videos, got {len(embeddings)}")
    videos = [np.asarray(video, dtype=np.float64)[::stride] for video in embeddings]
    for index, video in enumerate(videos):
        if video.ndim != 2 or len(video) == 0 or video.shape[1] != videos[0].shape[1]:
            raise ValueError(
                f"embeddings[{index}] must have shape (T, {videos[0].shape[-1]}), "
                f"got {np.shape(embeddings[index])}"
            )
        if not np.isfinite(video).all():
            raise ValueError(f"embeddings[{index}] holds NaN or infinity")
    taus = [
        _pair_tau(video, other)
        for index, video in enumerate(videos)
        for position, other in enumerate(videos)
        if position != index
    ]
    return float(np.mean(taus))


def _pair_tau(video: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import kendalltau

    # |a - b|^2 = |a|^2 + |b|^2 - 2 ab, and |a|^2 does not change which b is nearest.
    nearest = np.argmin((other**2).sum(1) - 2.0 * video @ other.T, axis=1)
    if np.all(nearest == nearest[0]):
        return 0.0
    return float(kendalltau(np.arange(len(video)), nearest).statistic)
