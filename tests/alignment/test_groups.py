"""Groups: the medoid, who does not fit, and a barycenter that never gets worse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tacref.alignment.groups import barycenter, medoid, outliers, pair_costs
from tacref.reference import cost_matrix, soft_dtw
from tests import oracles


def family(count, seed=0, d=3):
    """Warped and noisy versions of one walk."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=(30, d)), axis=0)
    return [
        walk[np.sort(rng.integers(0, 30, rng.integers(20, 40)))] + 0.1 * rng.normal(size=d)
        for _ in range(count)
    ]


def test_pair_costs_by_the_oracle():
    rng = np.random.default_rng(1)
    videos = [rng.normal(size=(length, 2)) for length in (2, 3, 4)]
    costs = pair_costs(videos)
    for a, x in enumerate(videos):
        for b, y in enumerate(videos):
            D = ((x[:, None] - y[None]) ** 2).sum(-1)
            expected = 0.0 if a == b else oracles.dtw(D) / (len(x) + len(y))
            assert_allclose(costs[a, b], expected, rtol=1e-13)


def test_the_medoid_is_in_the_middle():
    level = np.ones((5, 1))
    costs = pair_costs([0 * level, 10 * level, 4 * level, 5 * level])
    assert medoid(costs) == 3


def test_outliers():
    assert outliers([1.0, 1.1, 5.0, 0.9, 1.05, 3.0]) == [2, 5]
    assert outliers([1.0, 1.1, 0.9, 1.2]) == []
    assert outliers([1.0, 1.0, 1.0, 1.2]) == []  # other than all, but not by much
    assert outliers([1.0, 1.0, 9.0]) == []  # of three, which one is odd?
    assert outliers([]) == []


def test_a_barycenter_never_gets_worse():
    videos = family(4)
    start = videos[0]

    def total(center):
        return sum(soft_dtw(cost_matrix(center, y), gamma=0.5) / len(y) for y in videos)

    totals = [total(start)]
    for iterations in (1, 2, 5, 10):
        totals.append(total(barycenter(videos, start, gamma=0.5, iterations=iterations)))
    assert (np.diff(totals) <= 1e-9).all()
    assert totals[-1] < 0.9 * totals[0]


def test_the_barycenter_of_one_video_is_near_it():
    (video,) = family(1)
    center = barycenter([video], video, gamma=1e-3)
    assert_allclose(center, video, atol=0.05)  # equal frames in a row stay; others barely move


def test_inputs_are_left_alone_and_refusals():
    videos = family(2)
    kept = [video.copy() for video in videos]
    barycenter(videos, videos[0])
    for video, copy in zip(videos, kept, strict=True):
        np.testing.assert_array_equal(video, copy)
    for options, message in (
        ({"iterations": 0}, "iterations must be >= 1, got 0"),
        ({"gamma": 0}, "gamma must be finite and > 0, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            barycenter(videos, videos[0], **options)
    with pytest.raises(ValueError, match="videos must hold at least one"):
        barycenter([], videos[0])
    with pytest.raises(ValueError, match="at most 16777216 pairs of frames, got 5000 x 4000"):
        barycenter([np.zeros((4000, 1))], np.zeros((5000, 1)))
