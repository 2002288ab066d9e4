"""Scores and their intervals against resampling written out, and against a known spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacref.evaluation import Scores, estimate

seeds = st.integers(0, 2**32 - 1)


def pair_scores(rng, videos):
    counts = 1.0 - np.eye(videos)
    return Scores(rng.normal(size=(videos, videos)) * counts, counts)


def drawn_mean(scores, draw):
    """The score of a sample of videos, draw by draw."""
    totals = counts = 0.0
    if scores.totals.ndim == 1:
        for video in draw:
            totals += scores.totals[video]
            counts += scores.counts[video]
    else:
        for a in draw:
            for b in draw:
                if a != b:
                    totals += scores.totals[a, b]
                    counts += scores.counts[a, b]
    return totals / counts if counts else np.nan


@given(seeds, st.integers(1, 7), st.booleans())
def test_resampled_is_the_score_of_the_drawn_videos(seed, videos, pairs):
    rng = np.random.default_rng(seed)
    if pairs:
        scores = pair_scores(rng, videos)
    else:
        scores = Scores(rng.normal(size=videos), rng.integers(0, 4, videos).astype(float))
    draws = rng.integers(0, videos, (5, videos))
    weights = np.array([np.bincount(draw, minlength=videos) for draw in draws], dtype=float)
    expected = [drawn_mean(scores, draw) for draw in draws]
    np.testing.assert_allclose(scores.resampled(weights), expected, rtol=1e-12, atol=1e-12)
    everything = np.ones((1, videos))
    np.testing.assert_allclose(scores.resampled(everything)[0], scores.value, rtol=1e-12)


def test_interval_of_a_mean_has_the_textbook_width():
    rng = np.random.default_rng(0)
    values = rng.normal(5.0, 2.0, size=400)
    value, low, high = estimate([Scores(values, np.ones(400))], resamples=4000)
    assert value == pytest.approx(values.mean(), rel=1e-12)
    half = 1.96 * values.std() / 20  # of a mean of 400
    assert low == pytest.approx(value - half, abs=0.1 * half)
    assert high == pytest.approx(value + half, abs=0.1 * half)


def test_mean_over_activities():
    rng = np.random.default_rng(1)
    both = [pair_scores(rng, 6), Scores(rng.normal(size=9), np.ones(9))]
    value, low, high = estimate(both, seed=3)
    assert value == pytest.approx((both[0].value + both[1].value) / 2, rel=1e-12)
    assert low < value < high
    # Half the spread of one, in quadrature with half of the other's.
    widths = [np.subtract(*estimate([each])[:0:-1]) for each in both]
    assert (high - low) == pytest.approx(np.hypot(*widths) / 2, rel=0.15)
    assert estimate(both, seed=3) == estimate(both, seed=3)
    assert estimate(both, seed=3) != estimate(both, seed=4)


def test_samples_in_which_nothing_counts_are_left_out():
    # Only pairs of the three videos of ten; a sample may have two of them, or fewer.
    counts = np.zeros((10, 10))
    counts[:3, :3] = 1 - np.eye(3)
    scores = Scores(counts * np.array([0.2, 0.4, 0.6] + [0.0] * 7)[:, None], counts)
    rng = np.random.default_rng(0)
    empty = np.isnan(scores.resampled(rng.multinomial(10, np.full(10, 0.1), size=1000) * 1.0))
    assert 0.05 < empty.mean() < 0.5
    value, low, high = estimate([scores])
    assert value == pytest.approx(0.4)
    assert 0.2 <= low < value < high <= 0.6
    ends = [estimate([scores], seed=seed, resamples=1).low for seed in range(20)]
    assert None in ends
    assert any(end is not None for end in ends)


def test_too_few_videos_have_no_interval():
    value, low, high = estimate([Scores(np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 0.0]))])
    assert (value, low, high) == (1.5, None, None)
    assert str(estimate([Scores(np.ones(2), np.ones(2))])) == "1.000"
    assert str(estimate([Scores(np.ones(4), np.ones(4))])) == "1.000 [1.000, 1.000]"
    with pytest.raises(ValueError, match="resamples must be >= 1, got 0"):
        estimate([Scores(np.ones(4), np.ones(4))], resamples=0)
