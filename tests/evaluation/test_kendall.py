"""Kendall's tau against a count of pairs written out, and its documented edges."""

import itertools

import numpy as np
import pytest

from tacref.evaluation import kendall_tau


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


def test_long_videos_are_counted_alike(monkeypatch):
    rng = np.random.default_rng(2)
    videos = [rng.normal(size=(40, 2)), rng.normal(size=(30, 2)), np.zeros((9, 2))]
    short = kendall_tau(videos)
    monkeypatch.setattr("tacref.evaluation.kendall.ALL_PAIRS", 0)  # by sorting, as of long ones
    assert kendall_tau(videos) == pytest.approx(short, abs=1e-12)
