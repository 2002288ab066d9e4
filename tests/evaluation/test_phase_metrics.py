"""Phase classification and progression against slow, obvious computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacref.evaluation import (
    classification_scores,
    estimate,
    progression_scores,
    progression_scores_by_definition,
)
from tacref.evaluation.classification import TRAINING_DRAWS

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
    assert [len(picked) for picked in seen] == [1] * TRAINING_DRAWS + [5] * TRAINING_DRAWS + [10]
    assert all(len(set(picked)) == len(picked) for picked in seen)
    assert len({tuple(sorted(picked)) for picked in seen[TRAINING_DRAWS:-1]}) > 1  # chance
    ready = sum(labels.count("ready") for labels in val_labels.values())
    frames = sum(map(len, val_labels.values()))
    assert {each.value for each in scores.values()} == {ready / frames}


def accuracy(fraction, *sides, seed=0):
    scores = classification_scores(*sides, fractions=[fraction], seed=seed)[fraction]
    return scores.value, scores.totals.tolist()


def hard_videos(seed, count):
    """Phases that overlap, so that a machine's small differences show."""
    embeddings, labels = make_videos(np.random.default_rng(seed), count)
    return {name: rows + 2 * rows[::-1] for name, rows in embeddings.items()}, labels


def test_classification_from_all_videos_depends_on_no_seed_and_no_order():
    val, train = hard_videos(0, 12), hard_videos(1, 12)
    sides = *val, *train
    everything = {str(accuracy(1.0, *sides, seed=seed)) for seed in range(8)}
    assert len(everything) == 1
    assert len({str(accuracy(0.5, *sides, seed=seed)) for seed in range(8)}) > 1
    backwards = {name: train[0][name] for name in reversed(train[0])}
    for fraction in (0.1, 0.5, 1.0):
        assert accuracy(fraction, *val, backwards, train[1]) == accuracy(fraction, *sides)
    assert (
        progression_scores(*val, backwards, train[1]).totals.tolist()
        == progression_scores(*sides).totals.tolist()
    )


def test_an_offset_or_a_scale_changes_no_score():
    (val, val_labels), (train, train_labels) = hard_videos(2, 5), hard_videos(3, 6)
    # Multiples of 2**-10 keep all their digits beside 2**30.
    val, train = (
        {name: np.round(rows * 1024) / 1024 for name, rows in each.items()} for each in (val, train)
    )

    def scores(change):
        sides = (
            {name: change(rows) for name, rows in val.items()}, val_labels,
            {name: change(rows) for name, rows in train.items()}, train_labels,
        )  # fmt: skip
        right = classification_scores(*sides, fractions=[1.0])[1.0].totals
        return right, [each.value for each in progression_scores_by_definition(*sides).values()]

    right, progress = scores(lambda rows: rows)
    moved, moved_progress = scores(lambda rows: rows + 2.0**30)
    np.testing.assert_array_equal(moved, right)
    np.testing.assert_allclose(moved_progress, progress, rtol=0, atol=1e-12)
    for exponent in (700, -700):
        scaled, scaled_progress = scores(lambda rows, e=exponent: np.ldexp(rows, e))
        np.testing.assert_array_equal(scaled, right)
        assert scaled_progress == progress


@pytest.mark.parametrize("function", [classification_scores, progression_scores])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1e90, 0.0], [0.0, 0.0]], r"must not be more than 1e\+100 times as large .* got 1e\+90"),
        ([[1.0], [2.0]], "embeddings must have the d of train_embeddings, 2, got 1"),
    ],
)
def test_embeddings_unlike_those_learned_from(function, rows, message):
    labels = ["a", "b"]
    with pytest.raises(ValueError, match=message):
        function({"v": rows}, {"v": labels}, {"t": [[1e-20, 0.0], [0.0, 1e-20]]}, {"t": labels})


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


def test_pooled_progression_by_scikit_learn():
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    def progress(labels):
        columns = [max(i for i, name in enumerate(labels) if name == p) for p in ORDER[:-1]]
        return (np.arange(len(labels))[:, None] - columns) / len(labels)

    rng = np.random.default_rng(6)
    train, train_labels = make_videos(rng, 5)
    val, val_labels = make_videos(rng, 4)
    model = LinearRegression().fit(
        np.concatenate(list(train.values())),
        np.concatenate([progress(labels) for labels in train_labels.values()]),
    )
    truth = [progress(labels) for labels in val_labels.values()]
    told = [model.predict(rows) for rows in val.values()]
    val["short"], val_labels["short"] = np.zeros((2, 3)), ["ready", "down"]  # does not count
    scores = progression_scores_by_definition(val, val_labels, train, train_labels)
    pooled = scores["progression_pooled"]
    expected = r2_score(np.concatenate(truth), np.concatenate(told))
    assert pooled.value == pytest.approx(expected, abs=1e-12)
    assert pooled.counts.tolist() == [*map(len, truth), 0]
    apart = np.mean([r2_score(*pair) for pair in zip(truth, told, strict=True)])
    assert scores["phase_progression"].value == pytest.approx(apart, abs=1e-12)
    # A sample of the bootstrap is the score of the frames of the videos drawn.
    draws = rng.integers(0, 4, (6, 4))
    weights = np.array([np.bincount(draw, minlength=5) for draw in draws], dtype=float)
    samples = [
        r2_score(*(np.concatenate([s[i] for i in draw]) for s in (truth, told))) for draw in draws
    ]
    np.testing.assert_allclose(pooled.resampled(weights), samples, rtol=0, atol=1e-12)
    assert np.isnan(pooled.resampled(np.array([[0.0, 0.0, 0.0, 0.0, 4.0]]))).all()
    _, low, high = estimate([pooled])
    assert low < pooled.value < high


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
    both = progression_scores_by_definition(
        {"v": np.zeros((2, 1))}, {"v": ["a", "a"]}, {"t": [[1.0]]}, {"t": ["a"]}
    )
    assert all(np.isnan(each.value) and not each.counts.any() for each in both.values())


def with_gaps(labels, every):
    """Take the label of every `every`-th frame."""
    return {
        name: [None if frame % every == 1 else phase for frame, phase in enumerate(of)]
        for name, of in labels.items()
    }


def without(videos, labels):
    """Cut the frames that have no label."""
    kept = {name: [k for k, phase in enumerate(of) if phase] for name, of in labels.items()}
    return (
        {name: rows[kept[name]] for name, rows in videos.items()},
        {name: [of[k] for k in kept[name]] for name, of in labels.items()},
    )


def test_classification_leaves_out_frames_without_a_phase():
    (val, val_labels), (train, train_labels) = hard_videos(4, 6), hard_videos(5, 8)
    gaps, train_gaps = with_gaps(val_labels, 3), with_gaps(train_labels, 4)
    train["none"], train_gaps["none"] = np.ones((5, 3)), [None] * 5  # is never drawn
    scores = classification_scores(val, gaps, train, train_gaps)
    del train["none"], train_gaps["none"]
    expected = classification_scores(*without(val, gaps), *without(train, train_gaps))
    for fraction, each in scores.items():
        np.testing.assert_array_equal(each.totals, expected[fraction].totals)
        np.testing.assert_array_equal(each.counts, expected[fraction].counts)
    val["none"], gaps["none"] = np.zeros((4, 3)), [None] * 4
    (score,) = classification_scores(val, gaps, train, train_gaps, fractions=[1.0]).values()
    assert score.counts[-1] == score.totals[-1] == 0
    nothing = {name: [None] * len(of) for name, of in train_gaps.items()}
    (score,) = classification_scores(val, gaps, train, nothing, fractions=[1.0]).values()
    assert not score.counts.any()


def test_progression_leaves_out_frames_without_a_phase():
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(7)
    (val, val_labels), (train, train_labels) = make_videos(rng, 3), make_videos(rng, 6)
    gaps, train_gaps = with_gaps(val_labels, 4), with_gaps(train_labels, 5)
    for labels in (gaps, train_gaps):
        for name in [name for name, of in labels.items() if not set(ORDER) <= set(of)]:
            labels[name] = (val_labels if labels is gaps else train_labels)[name]

    def progress(of):
        last = [max(k for k, name in enumerate(of) if name == phase) for phase in ORDER[:-1]]
        return np.array([[(t - b) / len(of) for b in last] for t, name in enumerate(of) if name])

    model = LinearRegression().fit(
        np.concatenate(list(without(train, train_gaps)[0].values())),
        np.concatenate([progress(of) for of in train_gaps.values()]),
    )
    expected = []
    for name, rows in without(val, gaps)[0].items():
        truth = progress(gaps[name])
        left = ((truth - model.predict(rows)) ** 2).sum(0)
        expected.append((1 - left / ((truth - truth.mean(0)) ** 2).sum(0)).mean())
    scores = progression_scores_by_definition(val, gaps, train, train_gaps)
    np.testing.assert_allclose(scores["phase_progression"].totals, expected, rtol=1e-8, atol=1e-10)
    frames = [sum(phase is not None for phase in of) for of in gaps.values()]
    assert scores["progression_pooled"].counts.tolist() == frames


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
