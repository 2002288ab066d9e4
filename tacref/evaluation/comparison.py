"""Encoders next to each other: each embeds the same clips, and is scored on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tacref.data import Clip
from tacref.encoder.embedding import Embed, GatherResults, embed_shares
from tacref.evaluation.bootstrap import Estimate, Scores, estimate
from tacref.evaluation.kendall import UndefinedPairs, undefined_pairs
from tacref.evaluation.labeled import ALL_CLIPS, UnlabeledFrames, count_unlabeled, score_clips

Clips = Mapping[str, list[Clip]]  # by activity


@dataclass(frozen=True)
class Comparison:
    """Scores of several encoders on the same clips.

    Parameters
    ----------
    scores : dict of str to dict of str to dict of str to Scores
        By title of the encoder, activity and metric. A data set without activities has one,
        `ALL_CLIPS`.
    embeddings : dict of str to dict of str to ndarray
        Of the first encoder: by activity and name of the clip.
    unlabeled : dict of str to UnlabeledFrames
        By activity, of those that have phases: frames that count in no score of phases.
    seed : int
        Of the draws of clips for intervals.
    """

    scores: dict[str, dict[str, dict[str, Scores]]]
    embeddings: dict[str, dict[str, np.ndarray]]
    unlabeled: dict[str, UnlabeledFrames]
    seed: int

    def means(self, title: str) -> dict[str, Estimate]:
        """Return the mean of each metric over the activities that have it."""
        activities = self.scores[title].values()
        metrics = dict.fromkeys(metric for scores in activities for metric in scores)
        return {
            metric: estimate(
                [scores[metric] for scores in activities if metric in scores], seed=self.seed
            )
            for metric in metrics
        }

    def activities(self, title: str) -> dict[str, dict[str, Estimate]]:
        """Return each metric of each activity."""
        return {
            activity: {
                metric: estimate([scores], seed=self.seed) for metric, scores in metrics.items()
            }
            for activity, metrics in self.scores[title].items()
        }

    def undefined(self, title: str) -> dict[str, UndefinedPairs]:
        """Return how many pairs of clips of each activity have no Kendall's tau."""
        return {
            activity: undefined_pairs(metrics) for activity, metrics in self.scores[title].items()
        }


def compare(
    embedders: Mapping[str, Embed],
    clips: Clips,
    train_clips: Clips,
    *,
    stride: int,
    seed: int,
    rank: int,
    world: int,
    gather: GatherResults,
) -> Comparison | None:
    """Embed this process's share of the clips with each encoder, and score them in the first one.

    Parameters
    ----------
    embedders : mapping of str to callable
        By title, a clip's path to its embeddings.
    clips : mapping of str to list of Clip
        What is scored, by activity.
    train_clips : mapping of str to list of Clip
        What is learned from where clips have phases, by activity.
    stride : int
        Kendall's tau is taken on every stride-th frame.
    seed : int
        Of the draws of clips, to learn from and for intervals.
    rank, world : int
        This process and the number of processes.
    gather : callable
        A call in this process to what it gives in all, in order of rank.

    Returns
    -------
    Comparison or None
        None in all processes but the first.

    Raises
    ------
    ValueError
        If a clip is damaged or not what an encoder takes, its phases are wrong, or the stride
        leaves one frame of the longest clip of an activity.
    """
    paths = [
        clip.path for split in (clips, train_clips) for part in split.values() for clip in part
    ]
    scores: dict[str, dict[str, dict[str, Scores]]] = {}
    embeddings: dict[str, dict[str, np.ndarray]] = {}
    unlabeled: dict[str, UnlabeledFrames] = {}
    for title, embed in embedders.items():
        rows = embed_shares(embed, paths, rank, world, gather, title=title, progress=rank == 0)
        if rank != 0:
            continue
        scores[title] = {}
        for activity, members in clips.items():
            _check_stride(stride, members, rows)
            train = train_clips.get(activity, [])
            scores[title][activity or ALL_CLIPS] = score_clips(
                members, train, rows, stride=stride, seed=seed
            )
            if len(scores) == 1:
                lengths = {path: len(each) for path, each in rows.items()}
                counted = count_unlabeled(members, train, lengths)
                if counted is not None:
                    unlabeled[activity or ALL_CLIPS] = counted
                embeddings[activity or ALL_CLIPS] = {clip.name: rows[clip.path] for clip in members}
    return Comparison(scores, embeddings, unlabeled, seed) if rank == 0 else None


def _check_stride(stride: int, clips: list[Clip], rows: Mapping[Path, np.ndarray]) -> None:
    longest = max(len(rows[clip.path]) for clip in clips)
    if stride >= longest:
        raise ValueError(
            f"--stride must be < {longest}, the frames of the longest clip of "
            f"{clips[0].path.parent}, got {stride}"
        )
