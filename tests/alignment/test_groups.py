"""Groups: the medoid, who does not fit, and a barycenter that never gets worse."""

import doctest

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tacref.alignment import barycenter, groups, medoid, pairwise
from tacref.alignment.groups import outliers
from tacref.reference import cost_matrix, soft_dtw


def family(count, seed=0, d=3):
    """Warped and noisy versions of one walk."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=(30, d)), axis=0)
    return [
        walk[np.sort(rng.integers(0, 30, rng.integers(20, 40)))] + 0.1 * rng.normal(size=d)
        for _ in range(count)
    ]


def test_the_medoid_is_in_the_middle():
    level = np.ones((5, 1))
    assert medoid([0 * level, 10 * level, 4 * level, 5 * level]) == 3
    assert medoid([level]) == 0


def test_long_sequences_are_not_far_from_the_others_for_their_length_alone():
    ones = [np.full((length, 1), level) for length, level in ((40, 0.0), (2, -1.0), (2, 1.5))]
    raw = pairwise(ones).sum(axis=1)
    assert raw.argmin() == 1  # both others are far from the long one, by the sum along its path
    assert medoid(ones) == 0


def test_the_medoid_takes_the_options_of_pairwise():
    sequences = family(4)
    for options in ({"cost": "l1"}, {"steps": "slope"}, {"band": 12}, {"threads": 2}):
        lengths = [len(rows) for rows in sequences]
        costs = pairwise(sequences, **options) / np.add.outer(lengths, lengths)
        assert medoid(sequences, **options) == costs.sum(axis=1).argmin()
    with pytest.raises(ValueError, match="sequences must hold at least one sequence, got none"):
        medoid([])


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
        totals.append(total(barycenter(videos, start=start, gamma=0.5, iterations=iterations)))
    assert (np.diff(totals) <= 1e-9).all()
    assert totals[-1] < 0.9 * totals[0]


def test_the_barycenter_of_one_video_is_near_it():
    (video,) = family(1)
    center = barycenter([video], start=video, gamma=1e-3)
    assert_allclose(center, video, atol=0.05)  # equal frames in a row stay; others barely move


def test_inputs_are_left_alone_and_refusals():
    videos = family(2)
    kept = [video.copy() for video in videos]
    barycenter(videos, start=videos[0])
    medoid(videos)
    for video, copy in zip(videos, kept, strict=True):
        np.testing.assert_array_equal(video, copy)
    for options, message in (
        ({"iterations": 0}, "iterations must be >= 1, got 0"),
        ({"gamma": 0}, "gamma must be finite and > 0, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            barycenter(videos, start=videos[0], **options)
    with pytest.raises(ValueError, match="sequences must hold at least one sequence, got none"):
        barycenter([])
    with pytest.raises(ValueError, match=r"start and sequences\[1\] must have at most 16777216"):
        barycenter([np.zeros((4, 1)), np.zeros((4000, 1))], start=np.zeros((5000, 1)))
    with pytest.raises(ValueError, match=r"start must have d = 3, as sequences\[0\] has, got sh"):
        barycenter(videos, start=np.zeros((5, 2)))
    with pytest.raises(ValueError, match=r"sequences\[1\] must have d = 3, as sequences\[0\]"):
        barycenter([videos[0], np.zeros((5, 2))])


def test_it_begins_with_the_medoid():
    sequences = family(5)
    start = sequences[medoid(sequences)]
    np.testing.assert_array_equal(barycenter(sequences), barycenter(sequences, start=start))


def test_the_examples_in_docstrings():
    failed, tried = doctest.testmod(groups)
    assert failed == 0
    assert tried >= 4
