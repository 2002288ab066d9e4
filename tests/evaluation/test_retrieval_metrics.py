"""Retrieval and cycle-consistency against loops over frames, ties included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacref.evaluation import cycle_scores, retrieval_scores
from tacref.evaluation.nearest import k_nearest

PHASES = np.array(["down", "up", "rest"])


@st.composite
def labeled_videos(draw):
    """Small whole numbers, so that distances are exact and ties are many."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = draw(st.lists(st.integers(1, 7), min_size=2, max_size=4))
    d = draw(st.integers(1, 2))
    names = [f"clip {number}" for number in range(len(lengths))]
    embeddings = {
        name: rng.integers(-3, 4, (length, d)).astype(float)
        for name, length in zip(names, lengths, strict=True)
    }
    labels = {name: PHASES[rng.integers(0, 3, len(embeddings[name]))].tolist() for name in names}
    return embeddings, labels


def ranked(query, candidates):
    """Candidates (embedding, phase), nearest first; sorting keeps the order of ties."""
    return [
        phase for _, phase in sorted(candidates, key=lambda pair: np.sum((pair[0] - query) ** 2))
    ]


def naive_retrieval(embeddings, labels, k):
    precisions, averages, within = {}, {}, {}
    for name, video in embeddings.items():
        for query, phase in zip(video, labels[name], strict=True):
            others = [
                (row, other_phase)
                for other in embeddings
                if other != name
                for row, other_phase in zip(embeddings[other], labels[other], strict=True)
            ]
            hits = [found == phase for found in ranked(query, others)[:k]]
            precisions.setdefault(name, []).append(sum(hits) / len(hits))
            at_hits = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
            averages.setdefault(name, []).append(sum(at_hits) / max(1, len(at_hits)))
            own = list(zip(video, labels[name], strict=True))
            hits = [found == phase for found in ranked(query, own)[:k]]
            within.setdefault(name, []).append(sum(hits) / len(hits))
    return {
        f"precision_across@{k}": precisions,
        f"average_precision_across@{k}": averages,
        f"precision_within@{k}": within,
    }


@given(labeled_videos(), st.integers(1, 9))
def test_retrieval_by_loops(problem, k):
    embeddings, labels = problem
    scores = retrieval_scores(embeddings, labels, ks=(k, 2))
    expected = naive_retrieval(embeddings, labels, k)
    assert {name for name in scores if name.endswith(f"@{k}")} == {
        *expected, f"precision_across_per_video@{k}", f"precision_within_per_video@{k}",
    }  # fmt: skip
    for kind in ("across", "within"):
        means = [np.mean(found) for found in expected[f"precision_{kind}@{k}"].values()]
        per_video = scores[f"precision_{kind}_per_video@{k}"]
        assert per_video.value == pytest.approx(np.mean(means), abs=1e-12)
        np.testing.assert_allclose(per_video.totals, means, atol=1e-12)
    for metric, by_video in expected.items():
        np.testing.assert_allclose(
            scores[metric].totals, [sum(found) for found in by_video.values()], atol=1e-12
        )
        every = [value for found in by_video.values() for value in found]
        assert scores[metric].value == pytest.approx(np.mean(every), abs=1e-12)


def test_retrieval_by_hand():
    embeddings = {"a": [[0.0], [1.0]], "b": [[0.1], [0.9], [5.0]]}
    labels = {"a": ["x", "y"], "b": ["y", "x", "x"]}
    scores = {
        name: each.value for name, each in retrieval_scores(embeddings, labels, ks=[2]).items()
    }
    # Of a: 0.0 finds y, x and 1.0 finds x, y: half each; of b, from a: y finds x, y; x finds y, x
    # twice. The hit is always second: average precision 1/2.
    assert scores["precision_across@2"] == pytest.approx(0.5)
    assert scores["average_precision_across@2"] == pytest.approx(0.5)
    # The query counts: a's x, y; b's 0.1 finds y, x, 0.9 finds x, y, 5.0 finds x, x.
    assert scores["precision_within@2"] == pytest.approx((4 * 0.5 + 1) / 5)
    assert scores["precision_within_per_video@2"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, (23, 2)).astype(float)
    whole = k_nearest(rows, rows, 4)
    monkeypatch.setattr("tacref.evaluation.nearest.DISTANCES_PER_BLOCK", 50)
    np.testing.assert_array_equal(k_nearest(rows, rows, 4), whole)


@given(labeled_videos(), st.randoms(use_true_random=False))
def test_frames_without_a_phase_are_as_if_they_were_not_there(problem, random):
    videos, labels = problem[:2]
    gaps = {name: [random.choice((phase, None)) for phase in of] for name, of in labels.items()}
    gaps = {name: [labels[name][0], *of[1:]] for name, of in gaps.items()}  # one is left
    kept = {name: np.array([phase is not None for phase in of]) for name, of in gaps.items()}
    expected = retrieval_scores(
        {name: np.asarray(rows)[kept[name]] for name, rows in videos.items()},
        {name: [phase for phase in of if phase is not None] for name, of in gaps.items()},
        ks=[1, 3],
    )
    scores = retrieval_scores(videos, gaps, ks=[1, 3])
    assert scores.keys() == expected.keys()
    for metric, each in scores.items():
        np.testing.assert_array_equal(each.totals, expected[metric].totals)
        np.testing.assert_array_equal(each.counts, expected[metric].counts)


def test_videos_without_any_phase_count_in_nothing():
    rows = {"a": [[0.0], [1.0]], "b": [[0.0], [2.0]]}
    scores = retrieval_scores(rows, {"a": ["x", "y"], "b": [None, None]}, ks=[1])
    assert scores["precision_within@1"].counts.tolist() == [2, 0]
    assert scores["precision_within_per_video@1"].counts.tolist() == [1, 0]
    assert scores["precision_across@1"].counts.tolist() == [0, 0]  # nothing to retrieve


@given(labeled_videos())
def test_cycles_by_loops(problem):
    videos = problem[0]

    def first_nearest(row, rows):
        distances = [np.sum((row - other) ** 2) for other in rows]
        return distances.index(min(distances))

    errors = []
    for name, video in videos.items():
        for other, rows in videos.items():
            if other != name:
                ways = [first_nearest(rows[first_nearest(row, rows)], video) for row in video]
                errors.append(np.mean([abs(i - way) for i, way in enumerate(ways)]) / len(video))
    assert cycle_scores(videos).value == pytest.approx(np.mean(errors), abs=1e-12)


def test_cycles_of_the_same_video_come_home():
    line = np.linspace(0, 1, 9)[:, None]
    assert cycle_scores({"a": line, "b": line + 0.01}).value == 0
    # All come back to frame 0: the mean of 0 … 8, over 9.
    assert cycle_scores({"a": 0 * line, "b": 0 * line}).value == pytest.approx(4 / 9)


@pytest.mark.parametrize(
    ("labels", "ks", "message"),
    [
        ({"a": ["x", "x"]}, [5], "labels must cover 'b', frames 0 to 1"),
        (
            {"a": ["x"], "b": ["x"]},
            [5],
            r"labels\['a'\] must have a phase for each of its 2 frames",
        ),
        ({"a": ["x", "x"], "b": ["x"]}, [0], "ks must be whole numbers >= 1"),
        ({"a": ["x", "x"], "b": ["x"]}, [2.5], "ks must be whole numbers >= 1"),
        ({"a": ["x", "x"], "b": ["x"]}, [], "ks must be whole numbers >= 1"),
    ],
)
def test_errors(labels, ks, message):
    with pytest.raises(ValueError, match=message):
        retrieval_scores({"a": [[0.0], [1.0]], "b": [[0.0]]}, labels, ks=ks)
