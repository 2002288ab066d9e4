"""Cycle-consistency error: how far from home nearest neighbors lead, there and back."""

import numpy as np

from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.checks import Embeddings, check_videos
from tacref.evaluation.nearest import nearest


def cycle_scores(embeddings: Embeddings) -> Scores:
    """Cycle-consistency error of each ordered pair of videos.

    From frame i of video A to its nearest frame (Euclidean) in B, and from there to the nearest
    frame i' in A: |i - i'| / T, of A's T frames. The mean over the frames of A is the error of a
    pair. 0: every frame comes home; frames by chance: about 1/3.

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
    frames that come home; the distance is our choice, since a neighboring frame is nearly home.
    """
    videos = list(check_videos(embeddings, "embeddings", least=2).values())
    there = nearest(videos)
    errors = np.zeros((len(videos), len(videos)))
    for a, video in enumerate(videos):
        frames = np.arange(len(video))
        for b in range(len(videos)):
            if a != b:
                errors[a, b] = np.abs(there[b][a][there[a][b]] - frames).mean() / len(video)
    return Scores(errors, 1.0 - np.eye(len(videos)))
