"""Phase progression: how far through the activity a frame is, by linear regression."""

from typing import Any

import numpy as np

from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.checks import (
    Embeddings,
    Labels,
    check_held_out,
    check_labels,
    check_videos,
)


def progression_scores(
    embeddings: Embeddings,
    labels: Labels,
    train_embeddings: Embeddings,
    train_labels: Labels,
) -> Scores:
    """R^2 of the progress through phase boundaries, regressed on embeddings, of each video.

    A frame's progress to a phase's boundary is (t - b) / T, of frame t in a video of T frames
    whose last frame of that phase is b. There is one for each phase but the last, in the order
    of the first of the training videos with the most phases. Linear regression with intercept on
    all training frames; of a held-out video, R^2 is the mean over boundaries, about the video's
    own means: 1 is perfect, 0 as good as a constant, and it may be far below 0.

    Parameters
    ----------
    embeddings, train_embeddings : mapping of str to array_like, each of shape (T_v, d)
        Frame embeddings of the videos scored, and of those learned from.
    labels, train_labels : mapping of str to sequence of str
        The phase of every frame of each of these videos.

    Returns
    -------
    Scores
        Over videos `(V,)`. Our choice: a video that lacks a phase, or has a single frame, does
        not count, and is not learned from. Nothing counts if there is only one phase.

    Raises
    ------
    ValueError
        If an array is not as described, or a video is on both sides.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 4. (The LAV authors'
    code takes one R^2 over the frames of all videos together.)
    """
    videos = check_videos(embeddings, "embeddings")
    phases = check_labels(labels, videos, "labels")
    train = check_videos(train_embeddings, "train_embeddings")
    train_phases = check_labels(train_labels, train, "train_labels")
    check_held_out(videos, train)
    order = max((list(dict.fromkeys(each.tolist())) for each in train_phases.values()), key=len)
    targets = {name: _progress(truth, order) for name, truth in train_phases.items()}
    learned = [(train[name], target) for name, target in targets.items() if target is not None]
    totals, counts = np.zeros(len(videos)), np.zeros(len(videos))
    if not learned:
        return Scores(totals, counts)
    model = _fit(*(np.concatenate(side) for side in zip(*learned, strict=True)))
    for index, (name, video) in enumerate(videos.items()):
        target = _progress(phases[name], order)
        if target is not None and len(video) > 1:
            totals[index], counts[index] = _r2(model.predict(video), target), 1.0
    return Scores(totals, counts)


def _fit(rows: np.ndarray, targets: np.ndarray) -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(rows, targets)


def _progress(truth: np.ndarray, order: list[str]) -> np.ndarray | None:
    """Progress `(T, phases - 1)`; None if the video lacks a phase, or there is no boundary."""
    if len(order) < 2 or not set(order) <= set(truth.tolist()):
        return None
    frames = np.arange(len(truth))
    boundaries = [np.flatnonzero(truth == phase)[-1] for phase in order[:-1]]
    return (frames[:, None] - np.array(boundaries)) / len(truth)


def _r2(predicted: np.ndarray, target: np.ndarray) -> float:
    """Mean over columns of 1 - squared error / squared deviation from the column's mean."""
    error = ((target - predicted) ** 2).sum(0)
    spread = ((target - target.mean(0)) ** 2).sum(0)
    return float((1 - error / spread).mean())
