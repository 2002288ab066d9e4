"""Cycle-consistency error: how far a frame's nearest neighbor's nearest neighbor is from it."""

import numpy as np

from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.checks import Embeddings, check_videos
from tacref.evaluation.nearest import nearest


def cycle_scores(embeddings: Embeddings) -> Scores:
    """Cycle-consistency error of each ordered pair of videos.

    Frame i of video A leads to its nearest frame (Euclidean) in B, and that one to its nearest
    frame i' in A; the error of frame i is |i - i'| / T, where T is the number of frames of A. The
    error of a pair is the mean over the frames of A: 0 if every frame returns to itself, about 1/3
    for random frames.

    Parameters
    ----------
    embeddings : mapping of str to array_like, each of shape (T_v, d)
        Frame embeddings of at least two videos of one activity, by name.

    Returns
    -------
    Scores
        Over ordered pairs `(V, V)`; lower is better.

    Raises
    ------
    ValueError
        If there are fewer than two videos, the shapes do not fit, or a value is not finite.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 3.1, who count the
    frames that return to themselves; the distance is our choice, as a neighboring frame is nearly
    right.
    """
    videos = list(check_videos(embeddings, "embeddings", min_videos=2).values())
    neighbors = nearest(videos)
    errors = np.zeros((len(videos), len(videos)))
    for a, video in enumerate(videos):
        frames = np.arange(len(video))
        for b in range(len(videos)):
            if a != b:
                errors[a, b] = np.abs(neighbors[b][a][neighbors[a][b]] - frames).mean() / len(video)
    return Scores(errors, 1.0 - np.eye(len(videos)))
