"""Phase progression: how far through the activity a frame is, by linear regression."""

from collections.abc import Callable

import numpy as np

from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.checks import (
    Embeddings,
    Labels,
    check_held_out,
    check_labels,
    check_videos,
    is_labeled,
)
from tacref.evaluation.pooled import PooledScores
from tacref.evaluation.scaling import scaled


def progression_scores(
    embeddings: Embeddings,
    labels: Labels,
    train_embeddings: Embeddings,
    train_labels: Labels,
) -> Scores:
    """R^2 of the progress through phase boundaries, regressed on embeddings, of each video.

    The progress of frame t to the boundary of a phase is (t - b) / T in a video of T frames whose
    last frame of that phase is b. There is one boundary for each phase but the last, in the order
    of the training video with the most phases (the first one by name). They are predicted by linear
    regression with intercept, fitted on all training frames. R^2 of a held-out video is the mean
    over boundaries, about the video's own means: 1 is perfect, 0 is as good as a constant, and it
    may be far below 0.

    Parameters
    ----------
    embeddings, train_embeddings : mapping of str to array_like, each of shape (T_v, d)
        Frame embeddings of the videos to score, and of the training videos.
    labels, train_labels : mapping of str to sequence of str or None
        The phase of every frame of each of these videos. Frames without one, None, count for t and
        T, but are neither learned from nor scored.

    Returns
    -------
    Scores
        Over videos `(V,)`. Our choice: a video that lacks a phase does not count, and is not used
        for training. Nothing counts if there is only one phase.

    Raises
    ------
    ValueError
        If an array is not as described, or a video is in both sets.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 4. Their code takes
    one R^2 over all frames, which is "progression_pooled" of `progression_scores_by_definition`.
    """
    return progression_scores_by_definition(embeddings, labels, train_embeddings, train_labels)[
        "phase_progression"
    ]


def progression_scores_by_definition(
    embeddings: Embeddings,
    labels: Labels,
    train_embeddings: Embeddings,
    train_labels: Labels,
) -> dict[str, Scores]:
    """R^2 of the progress through phase boundaries, under both names.

    Parameters
    ----------
    embeddings, labels, train_embeddings, train_labels
        As for `progression_scores`.

    Returns
    -------
    dict of str to Scores
        Over videos `(V,)`, from the same regression:

        - "phase_progression": the mean over videos of each one's R^2, about its own means.
        - "progression_pooled": R^2 over the frames of all videos together, about their common
          means (the code of TCC, LAV, CARL and AE2). These targets spread more, as the boundaries
          differ between videos, so it is usually the higher score.

    Raises
    ------
    ValueError
        As `progression_scores`.
    """
    videos = check_videos(embeddings, "embeddings")
    phases = check_labels(labels, videos, "labels")
    train = check_videos(train_embeddings, "train_embeddings")
    train_phases = check_labels(train_labels, train, "train_labels")
    check_held_out(videos, train)
    names = sorted(train)  # the result does not depend on their order
    order = max((_phases_of(train_phases[name]) for name in names), key=len)
    targets = {name: _progress(train_phases[name], order) for name in names}
    learned = [
        (train[name][is_labeled(train_phases[name])], target)
        for name, target in targets.items()
        if target is not None
    ]
    count, boundaries = len(videos), len(order) - 1
    means, counts, frames = np.zeros(count), np.zeros(count), np.zeros(count)
    errors, sums, squares = np.zeros((3, count, boundaries))
    if learned:
        predict = _regression(*(np.concatenate(side) for side in zip(*learned, strict=True)))
        for index, (name, video) in enumerate(videos.items()):
            target = _progress(phases[name], order)
            if target is None:
                continue
            counts[index], frames[index] = 1.0, len(target)
            labeled = video[is_labeled(phases[name])]
            errors[index] = ((target - predict(labeled)) ** 2).sum(0)
            sums[index], squares[index] = target.sum(0), (target**2).sum(0)
            spread = ((target - target.mean(0)) ** 2).sum(0)
            means[index] = (1 - errors[index] / spread).mean()
    return {
        "phase_progression": Scores(means, counts),
        "progression_pooled": PooledScores(errors, frames, sums, squares),
    }


def _regression(rows: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that predicts targets `(T, B)` from embeddings, fitted to these."""
    from sklearn.linear_model import LinearRegression

    train_rows, _ = scaled(rows, rows)
    # Centred, as an offset of all embeddings would cost digits.
    mean = train_rows.mean(0)
    model = LinearRegression().fit(train_rows - mean, targets)
    return lambda video: model.predict(scaled(rows, video)[1] - mean)


def _phases_of(truth: np.ndarray) -> list[str]:
    """Return the phases of a video in order."""
    return list(dict.fromkeys(truth[is_labeled(truth)].tolist()))


def _progress(truth: np.ndarray, order: list[str]) -> np.ndarray | None:
    """Progress of the frames that have a phase, `(frames, phases - 1)`.

    None if the video lacks a phase, or there is no boundary.
    """
    if len(order) < 2 or not set(order) <= set(truth.tolist()):
        return None
    frames = np.flatnonzero(is_labeled(truth))
    boundaries = [np.flatnonzero(truth == phase)[-1] for phase in order[:-1]]
    return (frames[:, None] - np.array(boundaries)) / len(truth)
