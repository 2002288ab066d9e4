"""Retrieval: whether the frames nearest to a frame show its phase, by several definitions."""

from collections.abc import Sequence

import numpy as np

from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.checks import Embeddings, Labels, check_labels, check_videos, labeled_frames
from tacref.evaluation.nearest import k_nearest


def retrieval_scores(
    embeddings: Embeddings, labels: Labels, *, ks: Sequence[int] = (5, 10, 15)
) -> dict[str, Scores]:
    """Score retrieval by several definitions, all of which are published as "AP@K".

    Every frame that has a phase is a query, and one of the frames to retrieve. Distances are
    Euclidean; of equally near frames the first ones are taken. If there are fewer than K
    candidates, all of them are taken.

    Parameters
    ----------
    embeddings : mapping of str to array_like, each of shape (T_v, d)
        Frame embeddings of at least two videos of one activity, by name.
    labels : mapping of str to sequence of str or None
        The phase of every frame of each video. Frames without one, None, are left out.
    ks : sequence of int
        Numbers K of frames to retrieve, >= 1.

    Returns
    -------
    dict of str to Scores
        The mean over all queries, of which long videos have more:

        - "precision_across@K": the share of the K nearest frames in other videos that show the
          query's phase (the LAV paper).
        - "average_precision_across@K": for the same frames, the mean of the precisions at the
          ranks of those that show it; 0 if none does (AE2's code).
        - "precision_within@K": the share of the K nearest frames in the same video, the query
          itself included. Neighboring frames alone make it high.

        And the mean over videos of the mean over each one's queries:

        - "precision_across_per_video@K" (CARL's code).
        - "precision_within_per_video@K" (the LAV authors' code).

    Raises
    ------
    ValueError
        If there are fewer than two videos, or an array or a number is not as described.
    """
    if not ks or any(k != int(k) or k < 1 for k in ks):
        raise ValueError(f"ks must be whole numbers >= 1, got {ks!r}")
    videos = check_videos(embeddings, "embeddings", min_videos=2)
    videos, phases = labeled_frames(videos, check_labels(labels, videos, "labels"))
    max_k, names = max(ks), list(videos)
    sums: dict[str, list[float]] = {}
    queries: dict[str, list[int]] = {}
    for name in names:
        others = [other for other in names if other != name]
        gallery = np.concatenate([videos[other] for other in others])
        gallery_phases = np.concatenate([phases[other] for other in others])
        query, truth = videos[name], phases[name][:, None]
        across = _hits(query, truth, gallery, gallery_phases, max_k)
        within = _hits(query, truth, query, phases[name], max_k)
        for metric, hits, of_hits in (
            ("precision_across", across, _precision),
            ("average_precision_across", across, _average_precision),
            ("precision_within", within, _precision),
        ):
            queries.setdefault(metric, []).append(len(hits))
            for k in dict.fromkeys(ks):
                sums.setdefault(f"{metric}@{k}", []).append(of_hits(hits[:, :k]).sum())
    counts = {metric: np.array(of_videos, np.float64) for metric, of_videos in queries.items()}
    scores = {
        metric: Scores(np.array(totals), counts[metric.partition("@")[0]])
        for metric, totals in sums.items()
    }
    for k in dict.fromkeys(ks):
        for metric in ("precision_across", "precision_within"):
            means = scores[f"{metric}@{k}"].totals / np.maximum(counts[metric], 1.0)
            asks = (counts[metric] > 0).astype(np.float64)
            scores[f"{metric}_per_video@{k}"] = Scores(means, asks)
    return scores


def _hits(
    query: np.ndarray, truth: np.ndarray, gallery: np.ndarray, phases: np.ndarray, k: int
) -> np.ndarray:
    """Return for each query whether its k nearest show its phase; no rows for an empty gallery."""
    if not (len(query) and len(gallery)):
        return np.zeros((0, k), dtype=bool)
    hits: np.ndarray = phases[k_nearest(query, gallery, k)] == truth
    return hits


def _precision(hits: np.ndarray) -> np.ndarray:
    """Share of hits of each query; `hits` `(T, K)` has the nearest first."""
    return hits.mean(1)


def _average_precision(hits: np.ndarray) -> np.ndarray:
    """Mean over the hits of a query of the share of hits up to each; 0 without hits."""
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return (precisions * hits).sum(1) / np.maximum(hits.sum(1), 1)
