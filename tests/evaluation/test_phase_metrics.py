"""Phase classification and progression against slow, obvious computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacref.evaluation import classification_scores, progression_scores
from tacref.evaluation.classification import DRAWS

ORDER = ["ready", "down", "up"]


def make_videos(rng, count, d=3, shift=0.0):
    """Videos whose embedding moves with the phase, and their labels."""
    embeddings, labels = {}, {}
    for number in range(count):
        lengths = rng.integers(2, 6, len(ORDER))
        phases = [phase for phase, n in zip(ORDER, lengths, strict=True) for _ in range(n)]
        rows = np.array([ORDER.index(phase) for phase in phases], dtype=float)[:, None]
        noise = rng.normal(size=(len(phases), d))
        name = f"clip {number}"
        embeddings[name], labels[name] = rows + shift + 0.3 * noise, phases
    return embeddings, labels


def kernel_votes(train_rows, train_truth, rows):
    """A support vector machine with RBF kernel, by scikit-learn's own decision values."""
    from sklearn.svm import SVC

    gamma = 1 / (train_rows.shape[1] * train_rows.var())
    kernels = [
        np.exp(-gamma * ((a[:, None] - train_rows[None]) ** 2).sum(2)) for a in (train_rows, rows)
    ]
    return SVC(kernel="precomputed", C=1.0).fit(kernels[0], train_truth).predict(kernels[1])


def test_classification_by_a_kernel_written_out():
    rng = np.random.default_rng(0)
    train, train_labels = make_videos(rng, 6)
    val, val_labels = make_videos(rng, 4)
    scores = classification_scores(val, val_labels, train, train_labels, fractions=[1.0])[1.0]
    train_rows = np.concatenate(list(train.values()))
    train_truth = np.concatenate(list(train_labels.values()))
    for index, name in enumerate(val):
        told = kernel_votes(train_rows, train_truth, val[name])
        assert scores.totals[index] == np.sum(told == np.array(val_labels[name]))
        assert scores.counts[index] == len(val[name])
    assert 0.5 < scores.value < 1


def test_fractions_are_of_training_videos(monkeypatch):
    rng = np.random.default_rng(1)
    train, train_labels = make_videos(rng, 10)
    val, val_labels = make_videos(rng, 2)
    lengths = {rows.tobytes(): name for name, rows in train.items()}
    assert len(lengths) == 10
    seen = []

    def classify(train_rows, train_truth, rows):
        picked, start = [], 0
        while start < len(train_rows):
            for name, video in train.items():
                if np.array_equal(train_rows[start : start + len(video)], video):
                    labels = train_truth[start : start + len(video)]
                    assert labels.tolist() == train_labels[name]
                    picked.append(name)
                    start += len(video)
                    break
            else:
                raise AssertionError("frames that are not a training video's")
        seen.append(picked)
        return np.full(len(rows), "ready")

    monkeypatch.setattr("tacref.evaluation.classification._classify", classify)
    scores = classification_scores(val, val_labels, train, train_labels, fractions=[0.1, 0.5, 1.0])
    assert [len(picked) for picked in seen] == [1] * DRAWS + [5] * DRAWS + [10]
    assert all(len(set(picked)) == len(picked) for picked in seen)
    assert len({tuple(sorted(picked)) for picked in seen[DRAWS:-1]}) > 1  # chance
    ready = sum(labels.count("ready") for labels in val_labels.values())
    frames = sum(map(len, val_labels.values()))
    assert {each.value for each in scores.values()} == {ready / frames}


def test_a_single_phase_is_told_without_a_machine():
    rows = np.zeros((3, 2))
    scores = classification_scores(
        {"v": rows}, {"v": ["a", "b", "a"]}, {"t": rows[:2]}, {"t": ["a", "a"]}, fractions=[1.0]
    )
    assert scores[1.0].value == pytest.approx(2 / 3)


def naive_progression(val, val_labels, train, train_labels):
    """Normal equations, boundary by boundary; R^2 by its definition."""

    def progress(labels, phase):
        last = max(frame for frame, name in enumerate(labels) if name == phase)
        return [(frame - last) / len(labels) for frame in range(len(labels))]

    def with_one(rows):
        return np.hstack([rows, np.ones((len(rows), 1))])

    design = with_one(np.concatenate(list(train.values())))
    scores = []
    for name, rows in val.items():
        r2 = []
        for phase in ORDER[:-1]:
            target = np.concatenate([progress(labels, phase) for labels in train_labels.values()])
            weights = np.linalg.solve(design.T @ design, design.T @ target)
            truth = np.array(progress(val_labels[name], phase))
            residual = np.sum((truth - with_one(rows) @ weights) ** 2)
            r2.append(1 - residual / np.sum((truth - truth.mean()) ** 2))
        scores.append(np.mean(r2))
    return np.array(scores)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_progression_by_normal_equations(seed, d):
    rng = np.random.default_rng(seed)
    train, train_labels = make_videos(rng, 5, d)
    val, val_labels = make_videos(rng, 3, d)
    scores = progression_scores(val, val_labels, train, train_labels)
    expected = naive_progression(val, val_labels, train, train_labels)
    np.testing.assert_allclose(scores.totals, expected, rtol=1e-6, atol=1e-8)
    assert scores.value == pytest.approx(expected.mean(), rel=1e-6)


def test_progression_of_time_itself_is_perfect():
    def video(lengths):
        phases = [phase for phase, n in zip(ORDER, lengths, strict=True) for _ in range(n)]
        boundaries = np.cumsum(lengths)[:-1] - 1
        frames = np.arange(len(phases))
        return (frames[:, None] - boundaries) / len(phases), phases

    train = {"a": video([3, 4, 5]), "b": video([6, 2, 2])}
    val = {"c": video([2, 2, 9])}
    sides = [
        {name: each[i] for name, each in split.items()} for split in (val, train) for i in (0, 1)
    ]
    assert progression_scores(*sides).value == pytest.approx(1, abs=1e-12)


def test_a_video_without_all_phases_does_not_count():
    rng = np.random.default_rng(2)
    train, train_labels = make_videos(rng, 4)
    val, val_labels = make_videos(rng, 2)
    alone = progression_scores(val, val_labels, train, train_labels)
    val["short"], val_labels["short"] = np.zeros((2, 3)), ["ready", "down"]
    train["short"], train_labels["short"] = np.ones((2, 3)), ["ready", "down"]
    scores = progression_scores(val, val_labels, train, train_labels)
    assert scores.counts.tolist() == [1, 1, 0]
    assert scores.value == alone.value
    # Wherever it stands among the training videos.
    train = {"short": train.pop("short")} | train
    train_labels = {"short": train_labels.pop("short")} | train_labels
    first = progression_scores(val, val_labels, train, train_labels)
    assert first.counts.tolist() == [1, 1, 0]
    assert first.value == pytest.approx(alone.value)
    # One phase has no boundary, and nothing counts.
    one = progression_scores(
        {"v": np.zeros((2, 1))}, {"v": ["a", "a"]}, {"t": [[1.0]]}, {"t": ["a"]}
    )
    assert not one.counts.any()
    assert np.isnan(one.value)


@pytest.mark.parametrize("function", [classification_scores, progression_scores])
def test_training_videos_are_not_scored(function):
    rng = np.random.default_rng(3)
    train, train_labels = make_videos(rng, 3)
    val = {"copy": train["clip 1"].copy()}
    with pytest.raises(
        ValueError, match=r"embeddings\['copy'\] equals train_embeddings\['clip 1'\]"
    ):
        function(val, {"copy": train_labels["clip 1"]}, train, train_labels)
    # A collapsed encoder maps two videos of one length to the same: no reason to refuse.
    flat = np.ones((5, 2))
    labels = ["ready", "ready", "down", "up", "up"]
    function({"v": flat}, {"v": labels}, {"t": flat}, {"t": labels})


def test_fractions_out_of_range():
    with pytest.raises(ValueError, match=r"fractions must be > 0 and <= 1, got 1\.5"):
        classification_scores(
            {"v": [[0.0]]}, {"v": ["a"]}, {"t": [[1.0]]}, {"t": ["a"]}, fractions=[1.5]
        )
