"""Phase classification: an SVM on the embeddings of labeled training videos."""

from collections.abc import Sequence

import numpy as np

from tacref.evaluation.bootstrap import Scores
from tacref.evaluation.checks import (
    Embeddings,
    Labels,
    check_held_out,
    check_labels,
    check_seed,
    check_videos,
)
from tacref.evaluation.scaling import scaled

# Which videos the smaller shares hold is chance: so many draws are averaged.
DRAWS = 10


def classification_scores(
    embeddings: Embeddings,
    labels: Labels,
    train_embeddings: Embeddings,
    train_labels: Labels,
    *,
    fractions: Sequence[float] = (0.1, 0.5, 1.0),
    seed: int = 0,
) -> dict[float, Scores]:
    """Share of held-out frames whose phase an SVM tells from their embedding.

    scikit-learn's `SVC` with its defaults (RBF kernel, C = 1), as in the field's code, fitted on
    the frames of a share of the training videos: `max(1, floor(fraction * V))` of them, the mean
    over 10 random draws (the field takes the first ones).

    Parameters
    ----------
    embeddings, train_embeddings : mapping of str to array_like, each of shape (T_v, d)
        Frame embeddings of the videos scored, and of those learned from.
    labels, train_labels : mapping of str to sequence of str
        The phase of every frame of each of these videos.
    fractions : sequence of float
        Shares of the training videos, in (0, 1].
    seed : int
        Of the draws; at fraction 1 all videos are taken, and it changes nothing.

    Returns
    -------
    dict of float to Scores
        For each fraction the frames that are right, and the frames, of each video `(V,)`.

    Raises
    ------
    ValueError
        If an array or a number is not as described, or a video is on both sides.
    """
    videos = check_videos(embeddings, "embeddings")
    phases = check_labels(labels, videos, "labels")
    train = check_videos(train_embeddings, "train_embeddings")
    train_phases = check_labels(train_labels, train, "train_labels")
    check_held_out(videos, train)
    rows, truth = np.concatenate(list(videos.values())), np.concatenate(list(phases.values()))
    counts = np.array([len(video) for video in videos.values()])
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    names = sorted(train)  # so that the order in which they are given changes nothing
    scores = {}
    check_seed(seed)
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise ValueError(f"fractions must be > 0 and <= 1, got {fraction!r}")
        # Not floor(0.29 * 100) = 28: the product is rounded.
        chosen = max(1, int(fraction * len(names) + 1e-9))
        rng = np.random.default_rng(seed)
        draws = DRAWS if chosen < len(names) else 1
        right = np.zeros(len(counts))
        for _ in range(draws):
            # In order: the machine's solution depends a little on that of its frames.
            picked = [names[index] for index in sorted(rng.permutation(len(names))[:chosen])]
            told = _classify(
                np.concatenate([train[name] for name in picked]),
                np.concatenate([train_phases[name] for name in picked]),
                rows,
            )
            right += np.add.reduceat(told == truth, starts, dtype=np.float64)
        scores[fraction] = Scores(right / draws, counts.astype(np.float64))
    return scores


def _classify(train_rows: np.ndarray, train_truth: np.ndarray, rows: np.ndarray) -> np.ndarray:
    from sklearn.svm import SVC

    if len(np.unique(train_truth)) == 1:  # nothing to tell apart
        return np.full(len(rows), train_truth[0])
    train_rows, rows = scaled(train_rows, rows)
    # SVC's default, "scale". Not of the centred rows: the variance is that of all numbers, so
    # that it grows with what sets the columns apart.
    variance = train_rows.var()
    gamma = 1.0 / (train_rows.shape[1] * variance) if variance else 1.0
    mean = train_rows.mean(0)
    machine = SVC(gamma=gamma).fit(train_rows - mean, train_truth)
    told: np.ndarray = machine.predict(rows - mean)
    return told
