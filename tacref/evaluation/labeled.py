"""Scores of the clips of a data set, with the phases in its label files."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tacref.data import Clip, find_clips, phase_labels, read_phases
from tacref.data.phases import PHASES_FILE
from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.held_out import TRAIN_SPLIT
from tacref.evaluation.suite import all_scores

# Name of the only activity of a data set without activity folders.
ALL_CLIPS = "all"


def labeled_training_clips(
    data: str | Path, clips: Mapping[str, list[Clip]]
) -> dict[str, list[Clip]]:
    """Return the training clips of the activities that have phases in both splits.

    Parameters
    ----------
    data : str or Path
        The data set's folder.
    clips : mapping of str to list of Clip
        The clips to score, by activity.

    Raises
    ------
    ValueError
        If `find_clips` refuses the training split.
    """
    if not (Path(data) / TRAIN_SPLIT).is_dir():
        return {}
    return {
        activity: members
        for activity, members in find_clips(data, TRAIN_SPLIT).items()
        if activity in clips and _has_phases(members) and _has_phases(clips[activity])
    }


def score_clips(
    clips: list[Clip],
    train_clips: list[Clip],
    embeddings: Mapping[Path, np.ndarray],
    *,
    stride: int = 1,
    seed: int = 0,
) -> dict[str, Scores]:
    """Score the held-out clips of one activity, using their phases if they have any.

    Parameters
    ----------
    clips : list of Clip
        The clips to score; either all of them have phases, or none has.
    train_clips : list of Clip
        Training clips of the activity; those without phases are ignored.
    embeddings : mapping of Path to ndarray, each of shape (T, d)
        Embeddings of all these clips.
    stride, seed
        As for `tacref.evaluation.evaluate`.

    Returns
    -------
    dict of str to Scores
        As `all_scores`.

    Raises
    ------
    ValueError
        If a clip has no phases while others have; names the clip.
    """
    lengths = {path: len(rows) for path, rows in embeddings.items()}
    labels = _labels(clips, lengths)
    for clip in clips:
        if labels and clip.name not in labels:
            raise ValueError(
                f"{clip.path.parent / PHASES_FILE}: no phases for {clip.name!r}, frames 0 to "
                f"{lengths[clip.path]}"
            )
    train_labels = _labels(train_clips, lengths) if labels else {}
    return all_scores(
        {clip.name: embeddings[clip.path] for clip in clips},
        labels or None,
        train_embeddings={
            clip.name: embeddings[clip.path] for clip in train_clips if clip.name in train_labels
        }
        or None,
        train_labels=train_labels or None,
        stride=stride,
        seed=seed,
    )


class UnlabeledFrames(NamedTuple):
    """Frames without a phase in clips that have phases: held out, and of training."""

    held_out: int
    training: int


def count_unlabeled(
    clips: list[Clip], train_clips: list[Clip], lengths: Mapping[Path, int]
) -> UnlabeledFrames | None:
    """Count the frames that count in no score of phases; None if the clips have no phases.

    Parameters
    ----------
    clips, train_clips : list of Clip
        As for `score_clips`.
    lengths : mapping of Path to int
        Number of frames of all these clips.
    """
    labels = _labels(clips, lengths)
    if not labels:
        return None
    counts = (
        sum(phase is None for phases in each.values() for phase in phases)
        for each in (labels, _labels(train_clips, lengths))
    )
    return UnlabeledFrames(*counts)


def _has_phases(clips: list[Clip]) -> bool:
    return (clips[0].path.parent / PHASES_FILE).is_file()


def _labels(clips: list[Clip], lengths: Mapping[Path, int]) -> dict[str, list[str | None]]:
    """Return the phase of every frame of the clips of one folder that have phases."""
    if not clips:
        return {}
    own = {clip.name: lengths[clip.path] for clip in clips}
    phases = read_phases(clips[0].path.parent, own)
    return {name: phase_labels(of_clip, own[name]) for name, of_clip in phases.items()}


def mean_tau(taus: Mapping[str, float]) -> float:
    """Mean over activities, all with the same weight."""
    return float(np.mean(list(taus.values())))
