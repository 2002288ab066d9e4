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
    labeled_frames,
)
from tacref.evaluation.scaling import scaled

# The videos of a smaller share are drawn at random; this many draws are averaged.
TRAINING_DRAWS = 10


def classification_scores(
    embeddings: Embeddings,
    labels: Labels,
    train_embeddings: Embeddings,
    train_labels: Labels,
    *,
    fractions: Sequence[float] = (0.1, 0.5, 1.0),
    seed: int = 0,
) -> dict[float, Scores]:
    """Share of held-out frames whose phase an SVM predicts from their embedding.

    scikit-learn's `SVC` with its defaults (RBF kernel, C = 1), as in published code, is fitted on
    the frames of a share of the training videos, `max(1, floor(fraction * V))` of them. The score
    is the mean over 10 random draws (published code takes the first videos).

    Parameters
    ----------
    embeddings, train_embeddings : mapping of str to array_like, each of shape (T_v, d)
        Frame embeddings of the videos to score, and of the training videos.
    labels, train_labels : mapping of str to sequence of str or None
        The phase of every frame of each of these videos. Frames without one, None, are neither
        learned from nor scored; videos without any count neither as training videos nor as scored.
    fractions : sequence of float
        Shares of the training videos, in (0, 1].
    seed : int
        Seed of the draws; without effect at fraction 1, which takes all videos.

    Returns
    -------
    dict of float to Scores
        For each fraction, the correctly predicted frames and the frames with a phase of each video
        `(V,)`.

    Raises
    ------
    ValueError
        If an array or a number is not as described, or a video is in both sets.
    """
    videos = check_videos(embeddings, "embeddings")
    phases = check_labels(labels, videos, "labels")
    train = check_videos(train_embeddings, "train_embeddings")
    train_phases = check_labels(train_labels, train, "train_labels")
    check_held_out(videos, train)
    videos, phases = labeled_frames(videos, phases)
    train, train_phases = labeled_frames(train, train_phases)
    rows, truth = np.concatenate(list(videos.values())), np.concatenate(list(phases.values()))
    counts = np.array([len(video) for video in videos.values()])
    edges = np.cumsum(counts)[:-1]
    # The result does not depend on their order.
    names = sorted(name for name, video in train.items() if len(video))
    scores = {}
    check_seed(seed)
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise ValueError(f"fractions must be > 0 and <= 1, got {fraction!r}")
        # The product is rounded: floor(0.29 * 100) would be 28.
        count = max(1, int(fraction * len(names) + 1e-9))
        rng = np.random.default_rng(seed)
        draws = TRAINING_DRAWS if count < len(names) else 1
        correct = np.zeros(len(counts))
        for _ in range(draws if names and len(rows) else 0):
            # Sorted: the fit depends slightly on the order of its frames.
            picked = [names[index] for index in sorted(rng.permutation(len(names))[:count])]
            predicted = _classify(
                np.concatenate([train[name] for name in picked]),
                np.concatenate([train_phases[name] for name in picked]),
                rows,
            )
            correct += [np.count_nonzero(part) for part in np.split(predicted == truth, edges)]
        scores[fraction] = Scores(correct / draws, counts * float(bool(names)))
    return scores


def _classify(train_rows: np.ndarray, train_truth: np.ndarray, rows: np.ndarray) -> np.ndarray:
    from sklearn.svm import SVC

    if len(np.unique(train_truth)) == 1:  # SVC needs two classes
        return np.full(len(rows), train_truth[0])
    train_rows, rows = scaled(train_rows, rows)
    # SVC's default, "scale". Not of the centred rows: it is the variance of all numbers, which
    # includes the differences between columns.
    variance = train_rows.var()
    gamma = 1.0 / (train_rows.shape[1] * variance) if variance else 1.0
    mean = train_rows.mean(0)
    machine = SVC(gamma=gamma).fit(train_rows - mean, train_truth)
    predicted: np.ndarray = machine.predict(rows - mean)
    return predicted
