"""Kendall's tau: whether the nearest neighbors of a video's frames are in order in another."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.checks import Embeddings, check_videos
from tacref.evaluation.nearest import nearest

# With more frames, scipy's sorting is faster than comparing all pairs.
MAX_FRAMES_FOR_ALL_PAIRS = 200


def kendall_tau(embeddings: Sequence[ArrayLike], *, stride: int = 1) -> float:
    """Mean Kendall's tau over all ordered pairs of videos.

    Each frame of video A has a nearest frame (Euclidean) in video B; tau-b compares the order of
    those frames with the order of the frames of A. 1: same order; 0: no order; -1: reversed.

    Parameters
    ----------
    embeddings : sequence of array_like, each of shape (T_v, d)
        Frame embeddings of at least two videos of one activity.
    stride : int
        Only every `stride`-th frame of each video is used, >= 1. Publications differ (1, 2 or 5),
        so state it with every number.

    Returns
    -------
    float
        In [-1, 1]. A pair whose neighbors are all the same frame, for which tau is undefined,
        counts as 0 (our choice: such embeddings have no order; published code leaves it out).

    Raises
    ------
    ValueError
        If there are fewer than two videos, the shapes do not fit, a value is not finite, or
        `stride` is not >= 1, or leaves only one frame of every video.

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
    return kendall_scores_by_definition(embeddings, stride=stride)["kendall_tau"]


def kendall_scores_by_definition(embeddings: Embeddings, *, stride: int = 1) -> dict[str, Scores]:
    """Kendall's tau of each ordered pair of videos, under both names.

    Parameters
    ----------
    embeddings, stride
        As for `kendall_scores`.

    Returns
    -------
    dict of str to Scores
        Over ordered pairs `(V, V)`:

        - "kendall_tau": a pair without a tau, whose neighbors are all the same frame, counts as 0.
        - "kendall_tau_defined_pairs": such a pair does not count (the code of TCC, LAV, CARL and
          AE2). An encoder that maps most videos to a point is scored on the others only.

    Raises
    ------
    ValueError
        As `kendall_tau`.
    """
    if stride < 1:
        raise ValueError(f"stride must be >= 1, got {stride!r}")
    unstrided = check_videos(embeddings, "embeddings", min_videos=2).values()
    if 1 < stride >= (longest := max(map(len, unstrided))):
        raise ValueError(f"stride must be < {longest}, the longest video's frames, got {stride}")
    videos = [video[::stride] for video in unstrided]
    taus = np.array([[_tau(order) for order in orders] for orders in nearest(videos)])
    np.fill_diagonal(taus, math.nan)
    defined = ~np.isnan(taus)
    taus[~defined] = 0.0
    return {
        "kendall_tau": Scores(taus, 1.0 - np.eye(len(videos))),
        "kendall_tau_defined_pairs": Scores(taus, defined.astype(np.float64)),
    }


class UndefinedPairs(NamedTuple):
    """Number of ordered pairs of videos without a Kendall's tau, and of all pairs."""

    undefined: int
    pairs: int

    def __str__(self) -> str:
        """Return `88 of 90`."""
        return f"{self.undefined} of {self.pairs}"


def undefined_pairs(scores: Mapping[str, Scores]) -> UndefinedPairs:
    """Count the pairs that count in "kendall_tau" but not in "kendall_tau_defined_pairs".

    Parameters
    ----------
    scores : mapping of str to Scores
        As `tacref.evaluation.all_scores` returns them. If "kendall_tau_defined_pairs" is missing,
        no pair has a tau.
    """
    pairs = int(scores["kendall_tau"].counts.sum())
    defined = scores.get("kendall_tau_defined_pairs")
    return UndefinedPairs(pairs - (0 if defined is None else int(defined.counts.sum())), pairs)


def _tau(order: np.ndarray) -> float:
    """Tau-b between a sequence and 0, 1, 2, …; NaN if the sequence is constant."""
    if np.all(order == order[0]):
        return math.nan
    if len(order) > MAX_FRAMES_FOR_ALL_PAIRS:
        from scipy.stats import kendalltau

        return float(kendalltau(np.arange(len(order)), order, method="asymptotic").statistic)
    signs = np.sign(np.subtract.outer(order, order))  # every pair of frames, twice
    pairs = len(order) * (len(order) - 1)
    return float(2 * np.tril(signs).sum() / np.sqrt(pairs * np.count_nonzero(signs)))
