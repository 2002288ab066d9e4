"""IDM and Contrastive-IDM: times in the source video, and bad arguments."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.reference import contrastive_idm_of_distances as of_distances
from tacref.reference import (
    contrastive_idm_of_distances_value_and_grad as of_distances_value_and_grad,
)
from tacref.reference import cost_matrix, idm, idm_loss
from tacref.variants import VARIANTS

# Frames at 0, 1 and 3 on a line.
D_3 = [[0, 1, 9], [1, 0, 4], [9, 4, 0]]


def test_official_counts_source_frames_exactly():
    # As floats, 3/10 - 2/10 < 1/10 but 4/10 - 3/10 > 1/10: each pair here is sigma apart.
    for length in range(2, 100):
        for first in range(length - 1):
            options = {"variant": "official", "sigma": 1, "margin": 5.0, "video_length": length}
            near = of_distances([[0, 1], [1, 0]], times=[first, first + 1], **options)
            assert near == 2
    far = of_distances([[0, 1], [1, 0]], times=[2, 4], **options | {"video_length": 10})
    assert far == pytest.approx(2 * (0.2**2 + 1) * 4, rel=1e-15)


def test_official_takes_timestamps_in_seconds():
    frames, length, fps = np.array([0, 7, 12, 40]), 50, 4
    D = cost_matrix(*[np.random.default_rng(0).normal(size=(4, 2))] * 2)
    by_frame = of_distances_value_and_grad(
        D, variant="official", sigma=12, margin=5.0, times=frames, video_length=length
    )
    for dtype in (np.float32, np.float64):
        seconds = (frames / fps).astype(dtype)
        by_second = of_distances_value_and_grad(
            D, variant="official", sigma=3, margin=5.0, times=seconds, video_length=length / fps
        )
        for actual, expected in zip(by_second, by_frame, strict=True):
            assert_array_equal(actual, expected)


def test_timestamps_compare_as_floats():
    # As floats 0.3 - 0.2 < 0.1 and 0.4 - 0.3 > 0.1: meant to be equal, told apart by rounding.
    options = {"variant": "official", "sigma": 0.1, "margin": 5.0, "video_length": 1.0}
    assert of_distances([[0, 1], [1, 0]], times=[0.2, 0.3], **options) == 2
    assert of_distances([[0, 1], [1, 0]], times=[0.3, 0.4], **options) > 2


@pytest.mark.parametrize("variant", ["paper", "printed", "laser"])
def test_others_go_by_rows(variant):
    options = {"sigma": 1, "margin": 10.0, "variant": variant}
    plain = of_distances(D_3, **options)
    assert of_distances(D_3, times=[5, 50, 500], video_length=501, **options) == plain


def test_official_by_default_goes_by_rows():
    options = {"sigma": 1, "margin": 10.0, "variant": "official"}
    plain = of_distances(D_3, **options)
    assert of_distances(D_3, times=[0, 1, 2], video_length=3, **options) == plain
    assert of_distances(D_3, video_length=30, **options) < plain


@pytest.mark.parametrize("function", [of_distances, of_distances_value_and_grad])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": -1}, "sigma must be finite and >= 0, got -1"),
        ({"sigma": math.nan}, "sigma must be finite and >= 0, got nan"),
        ({"margin": 0.0}, r"margin must be finite and > 0, got 0\.0"),
        ({"margin": math.inf}, "margin must be finite and > 0, got inf"),
        (
            {"variant": "Paper"},
            "variant must be one of paper, official, printed, laser, got 'Paper'",
        ),
        (
            {"times": [0, 1], "video_length": 2},
            r"times must have shape \(3,\), one a row, got \(2,\)",
        ),
        (
            {"times": [False, True, True], "video_length": 3},
            "times must be frame numbers or timestamps, got dtype bool",
        ),
        (
            {"times": [0.0, np.nan, 2.0], "video_length": 3},
            r"times must be finite, got .*nan.* at \(1,\)",
        ),
        (
            {"times": [-0.5, 1.0, 2.0], "video_length": 3},
            r"times must be finite and >= 0, got -0\.5",
        ),
        ({"times": [0.0, 1.0, 2.0]}, "video_length must be given with times, got None"),
        (
            {"times": [0.0, 1.0, 2.5], "video_length": 2.5},
            r"video_length must be finite and > the last timestamp 2\.5, got 2\.5",
        ),
        ({"times": [0.0, 1.0, 2.5], "video_length": math.inf}, "last timestamp .* got inf"),
        ({"times": [0.0, 1.0, 2.5], "video_length": "3"}, "last timestamp .* got '3'"),
        ({"times": [-1, 1, 2], "video_length": 3}, "times must be >= 0, got -1"),
        ({"times": [0, 1, 2]}, "video_length must be given with times, got None"),
        (
            {"times": [0, 1, 9], "video_length": 9},
            "video_length must be a whole number > the last frame number 9, got 9",
        ),
        ({"video_length": 2}, "video_length .* > the last frame number 2, got 2"),
        ({"video_length": 2.5}, r"video_length must be a whole number .* got 2\.5"),
        ({"video_length": 2**63}, "video_length must be a whole number .* got 9223372036854775808"),
    ],
)
def test_option_errors(function, options, message):
    with pytest.raises(ValueError, match=message):
        function(D_3, **options)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (idm, "S_X"),
        (idm_loss, "D_X"),
        (of_distances, "D_X"),
        (of_distances_value_and_grad, "D_X"),
    ],
)
def test_matrix_errors(function, name):
    for matrix, message in (
        (np.zeros((2, 3)), r"must have shape \(n, n\), got \(2, 3\)"),
        (np.zeros(4), r"must have shape \(n, m\) with n, m >= 1, got \(4,\)"),
        ([[np.nan]], r"must be finite, got .*nan.* at \(0, 0\)"),
    ):
        with pytest.raises(ValueError, match=f"{name} {message}"):
            function(matrix)


@pytest.mark.parametrize("function", [of_distances, of_distances_value_and_grad])
@pytest.mark.parametrize("variant", VARIANTS)
def test_negative_distances_are_refused(function, variant):
    message = r"D_X must hold squared distances >= 0, got -4\.0"
    with pytest.raises(ValueError, match=message):
        function([[0, -4], [-1, 0]], variant=variant)
