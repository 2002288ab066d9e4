"""All metrics of one activity's embeddings."""

from collections.abc import Sequence

from tacref.evaluation.bootstrap import Estimate, Scores, estimate
from tacref.evaluation.checks import Embeddings, Labels, check_held_out, check_videos
from tacref.evaluation.classification import classification_scores
from tacref.evaluation.cycle import cycle_scores
from tacref.evaluation.kendall import kendall_scores_by_definition
from tacref.evaluation.progression import progression_scores_by_definition
from tacref.evaluation.retrieval import retrieval_scores


def evaluate(
    embeddings: Embeddings,
    labels: Labels | None = None,
    *,
    train_embeddings: Embeddings | None = None,
    train_labels: Labels | None = None,
    stride: int = 1,
    ks: Sequence[int] = (5, 10, 15),
    fractions: Sequence[float] = (0.1, 0.5, 1.0),
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Estimate]:
    """Score the embeddings of held-out videos of one activity.

    Parameters
    ----------
    embeddings : mapping of str to array_like, each of shape (T_v, d)
        Frame embeddings of at least two held-out videos, by name, from any encoder.
    labels : mapping of str to sequence of str or None, optional
        The phase of every frame of each of them; frames without one, None, count in no score of
        phases. Without labels, only Kendall's tau and the cycle-consistency error are computed.
    train_embeddings, train_labels : mappings, optional
        The same for training videos, for phase classification and progression; need `labels`.
    stride : int
        Kendall's tau uses every `stride`-th frame, >= 1.
    ks : sequence of int
        Numbers of frames to retrieve.
    fractions : sequence of float
        Shares of the training videos that the classifier learns from, in (0, 1].
    seed : int
        Seed of the draws of training videos and of the bootstrap.
    resamples : int
        Draws of the bootstrap over videos, >= 1.

    Returns
    -------
    dict of str to Estimate
        "kendall_tau" and, if any pair has a tau, "kendall_tau_defined_pairs"; "cycle_error"
        (lower is better); with labels, the scores of `retrieval_scores`; with training videos,
        "phase_accuracy@100%" and so on, "phase_progression" and "progression_pooled". Each with
        its 95 % interval.

    Raises
    ------
    ValueError
        If an array or a number is not as described, labels do not cover a video, or a video to
        score is among the training videos.
    """
    scores = all_scores(
        embeddings,
        labels,
        train_embeddings=train_embeddings,
        train_labels=train_labels,
        stride=stride,
        ks=ks,
        fractions=fractions,
        seed=seed,
    )
    return {name: estimate([each], seed=seed, resamples=resamples) for name, each in scores.items()}


def all_scores(
    embeddings: Embeddings,
    labels: Labels | None = None,
    *,
    train_embeddings: Embeddings | None = None,
    train_labels: Labels | None = None,
    stride: int = 1,
    ks: Sequence[int] = (5, 10, 15),
    fractions: Sequence[float] = (0.1, 0.5, 1.0),
    seed: int = 0,
) -> dict[str, Scores]:
    """Return the scores that `evaluate` estimates, per video, to be averaged over activities.

    Parameters
    ----------
    embeddings, labels, train_embeddings, train_labels, stride, ks, fractions, seed
        As for `evaluate`.

    Returns
    -------
    dict of str to Scores
        The scores to which at least one video counts.

    Raises
    ------
    ValueError
        As `evaluate`.
    """
    if (train_embeddings is None) != (train_labels is None):
        raise ValueError("train_embeddings and train_labels must be given together")
    if train_embeddings is not None and labels is None:
        raise ValueError("train_embeddings need labels of the videos to score, got None")
    if train_embeddings is not None:
        check_held_out(
            check_videos(embeddings, "embeddings", min_videos=2),
            check_videos(train_embeddings, "train_embeddings"),
        )
    scores = kendall_scores_by_definition(embeddings, stride=stride)
    scores["cycle_error"] = cycle_scores(embeddings)
    if labels is not None:
        if train_embeddings is not None and train_labels is not None:
            sides = embeddings, labels, train_embeddings, train_labels
            for fraction, each in classification_scores(
                *sides, fractions=fractions, seed=seed
            ).items():
                scores[f"phase_accuracy@{100 * fraction:g}%"] = each
            scores |= progression_scores_by_definition(*sides)
        scores |= retrieval_scores(embeddings, labels, ks=ks)
    return {name: each for name, each in scores.items() if each.counts.any()}
