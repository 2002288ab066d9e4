"""Kendall's tau against a count of pairs written out, and its documented edges."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau

from tacref.evaluation import (
    estimate,
    kendall_scores_by_definition,
    kendall_tau,
    undefined_pairs,
)


def naive_tau(videos):
    """Concordant minus discordant over the geometric mean of the untied, pair by pair."""
    taus = []
    for a, b in itertools.permutations(videos, 2):
        nearest = [min(range(len(b)), key=lambda j: np.sum((frame - b[j]) ** 2)) for frame in a]
        pairs = list(itertools.combinations(nearest, 2))
        score = sum((u < v) - (u > v) for u, v in pairs)
        untied = sum(u != v for u, v in pairs)
        taus.append(score / np.sqrt(len(pairs) * untied) if untied else 0.0)
    return np.mean(taus)


def test_against_counting():
    rng = np.random.default_rng(0)
    videos = [rng.normal(size=(length, 3)) for length in (7, 12, 9)]
    assert kendall_tau(videos) == pytest.approx(naive_tau(videos), abs=1e-12)
    assert kendall_tau(videos, stride=2) == pytest.approx(
        naive_tau([video[::2] for video in videos]), abs=1e-12
    )


def test_order_reversal_and_collapse():
    line = np.linspace(0, 1, 20)[:, None]
    assert kendall_tau([line, line**2]) == pytest.approx(1, abs=0.05)  # neighbors may tie
    assert kendall_tau([line, line]) == 1.0
    angles = np.pi * line
    circle = np.hstack([np.cos(angles), np.sin(angles)])
    assert kendall_tau([circle, circle[::-1]]) == pytest.approx(-1)
    assert kendall_tau([np.zeros((20, 2)), np.zeros((15, 2))]) == 0.0


@pytest.mark.parametrize(
    ("videos", "stride", "message"),
    [
        ([np.zeros((3, 2))], 1, "at least two videos, got 1"),
        ([np.zeros((3, 2)), np.zeros((3, 3))], 1, r"embeddings\[1\] must have shape \(T, 2\)"),
        ([np.zeros((3, 2)), np.zeros((0, 2))], 1, r"embeddings\[1\]"),
        ([np.zeros((3, 2)), np.full((3, 2), np.nan)], 1, r"embeddings\[1\] holds NaN"),
        ([np.zeros((3, 2)), np.zeros((3, 2))], 0, "stride must be >= 1, got 0"),
        ([np.zeros((3, 2)), np.zeros((2, 2))], 3, "stride must be < 3, the longest video's frames"),
    ],
)
def test_wrong_input(videos, stride, message):
    with pytest.raises(ValueError, match=message):
        kendall_tau(videos, stride=stride)


def published_tau(videos):
    """As in the field's code: a NaN, where all neighbors are one frame, is dropped."""
    taus = [
        kendalltau(np.arange(len(a)), cdist(a, b, "sqeuclidean").argmin(1)).statistic
        if len(a) > 1
        else np.nan
        for a, b in itertools.permutations(videos, 2)
    ]
    return np.nanmean(taus), int(np.isnan(taus).sum())


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_pairs_without_a_tau(offset):
    rng = np.random.default_rng(3)
    line = np.linspace(0, 1, 30)[:, None] * np.ones(4) + offset
    videos = [line + 0.05 * rng.normal(size=line.shape) for _ in range(4)]
    videos += [np.full((12, 4), 0.1) + offset, videos[0][:1]]
    expected, undefined = published_tau(videos)
    scores = kendall_scores_by_definition(dict(enumerate(videos)))
    assert scores["kendall_tau_defined_pairs"].value == pytest.approx(expected, abs=1e-12)
    assert undefined_pairs(scores) == (undefined, 30) == (18, 30)
    assert scores["kendall_tau"].value == pytest.approx(expected * 12 / 30, abs=1e-12)
    assert kendall_tau(videos) == scores["kendall_tau"].value
    # Samples are of the pairs that count.
    value, low, high = estimate([scores["kendall_tau_defined_pairs"]])
    assert 0.9 < low <= value <= high


def test_an_encoder_that_collapses_most_clips():
    line = np.linspace(0, 1, 20)[:, None]
    videos = [line, line] + [np.zeros((20, 1))] * 8
    scores = kendall_scores_by_definition(dict(enumerate(videos)))
    assert scores["kendall_tau"].value == pytest.approx(2 / 90)
    assert estimate([scores["kendall_tau_defined_pairs"]]) == (1.0, None, None)
    assert str(undefined_pairs(scores)) == "88 of 90"
    nothing = kendall_scores_by_definition(dict(enumerate(videos[2:])))
    assert np.isnan(nothing.pop("kendall_tau_defined_pairs").value)
    assert undefined_pairs(nothing) == (56, 56)


def test_the_order_of_videos_changes_no_bit():
    rng = np.random.default_rng(4)
    videos = [rng.normal(size=(length, 3)) for length in (7, 12, 9, 15, 4)]
    assert len({kendall_tau([videos[i] for i in rng.permutation(5)]) for _ in range(20)}) == 1


def test_long_videos_are_counted_alike(monkeypatch):
    rng = np.random.default_rng(2)
    videos = [rng.normal(size=(40, 2)), rng.normal(size=(30, 2)), np.zeros((9, 2))]
    short = kendall_tau(videos)
    # By sorting, as for long videos.
    monkeypatch.setattr("tacref.evaluation.kendall.MAX_FRAMES_FOR_ALL_PAIRS", 0)
    assert kendall_tau(videos) == pytest.approx(short, abs=1e-12)
