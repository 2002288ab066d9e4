"""IDM and Contrastive-IDM: four variants by hand, against plain loops, and at their kinks."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref.reference import (
    contrastive_idm,
    contrastive_idm_value_and_grad,
    cost_matrix,
    idm,
    idm_loss,
)
from tacref.reference import contrastive_idm_of_distances as of_distances
from tacref.reference import (
    contrastive_idm_of_distances_value_and_grad as of_distances_value_and_grad,
)
from tests import oracles

VARIANTS = ("paper", "official", "printed", "laser")
each_variant = pytest.mark.parametrize("variant", VARIANTS)

# Frames at 0, 1 and 3 on a line.
D_3 = [[0, 1, 9], [1, 0, 4], [9, 4, 0]]


@st.composite
def problems(draw):
    """Self-distances and options; half of them whole numbers, so that kinks are hit."""
    n = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        x, margin = rng.integers(0, 4, (n, 2)), draw(st.sampled_from([1.0, 2.0, 4.0]))
    else:
        x, margin = rng.normal(size=(n, 3)), draw(st.sampled_from([0.1, 3.0, 10.0]))
    options = {
        "sigma": draw(st.sampled_from([0, 0.5, 1, 2, 2.999, 10, 1e300])),
        "margin": margin,
        "variant": draw(st.sampled_from(VARIANTS)),
    }
    if draw(st.booleans()):
        times = np.sort(rng.integers(0, 30, n))
        # Quarters of a second are exact in float64, and so are their differences.
        options["times"] = times / 4 if draw(st.booleans()) else times
        options["video_length"] = options["times"].max().item() + draw(st.integers(1, 20))
    return x, cost_matrix(x, x), options


def assert_gradient(G, D, options):
    step = 1e-3 * options["margin"]
    slope = oracles.central_difference(lambda moved: of_distances(moved, **options), D, step)
    # Linear but for "laser"; rounding of weights up to n^2 + 1 over the step.
    assert_allclose(G, slope, rtol=1e-7, atol=1e-8)


def test_idm_by_hand():
    S = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert idm(S) == pytest.approx(1 + 5 + 9 + (2 + 6 + 4 + 8) / 2 + (3 + 7) / 5, rel=1e-15)
    assert idm_loss(D_3) == -2 * (2 * 1 + 2 * 4 + 5 * 9)


@given(problems())
def test_idm_definitions(problem):
    _, D, _ = problem
    gaps = np.subtract.outer(np.arange(len(D)), np.arange(len(D))) ** 2
    assert_allclose(idm(-D), -(D / (gaps + 1)).sum(), rtol=1e-13)
    assert_allclose(idm_loss(D), -(D * (gaps + 1)).sum(), rtol=1e-13)


@pytest.mark.parametrize(
    ("variant", "value", "G"),
    [
        # sigma 1, margin 10: only frames 0 and 2 are far, |i-j| = 2.
        ("paper", 5 * 1 + 1 / 2 + 4 / 2, [[1, 1 / 2, -5], [1 / 2, 1, 1 / 2], [-5, 1 / 2, 1]]),
        (
            "printed",
            1 / 5 * 1 + 1 / 2 + 4 / 2,
            [[1, 1 / 2, -1 / 5], [1 / 2, 1, 1 / 2], [-1 / 5, 1 / 2, 1]],
        ),
        # t = 0, 1/3, 2/3
        (
            "official",
            (4 / 9 + 1) * 1 + 1 + 4,
            [[1, 1, -13 / 9], [1, 1, 1], [-13 / 9, 1, 1]],
        ),
        # Distances 1, 2, 3, slopes 1 / (2 distance), mean over 9 pairs.
        (
            "laser",
            (5 * 7 + 1 / 2 + 2 / 2) / 9,
            [[0, 1 / 36, -5 / 54], [1 / 36, 0, 1 / 72], [-5 / 54, 1 / 72, 0]],
        ),
    ],
)
def test_tables_worked_by_hand(variant, value, G):
    got, gradient = of_distances_value_and_grad(D_3, sigma=1, margin=10, variant=variant)
    # A few roundings; each pair of frames counts twice.
    assert got == pytest.approx(2 * value, rel=1e-15)
    assert_allclose(gradient, G, rtol=1e-15)


@pytest.mark.parametrize(
    ("variant", "sigma", "margin"),
    [("paper", 8, 2.0), ("official", 15, 2.0), ("printed", 2, 2.0), ("laser", 5, 2**0.5)],
)
def test_defaults_suit_the_variant(variant, sigma, margin):
    x = np.random.default_rng(0).normal(size=(20, 2))
    by_default = contrastive_idm(x, variant=variant)
    assert by_default == contrastive_idm(x, sigma=sigma, margin=margin, variant=variant)
    D = cost_matrix(x, x)
    assert by_default == of_distances(D, variant=variant)
    assert contrastive_idm(x) == contrastive_idm(x, variant="paper")


@given(problems())
def test_of_embeddings(problem):
    x, D, options = problem
    value, grad_x = contrastive_idm_value_and_grad(x, **options)
    expected, G = of_distances_value_and_grad(D, **options)
    assert contrastive_idm(x, **options) == value == expected
    # The chain rule by broadcasting, x_i being in row i and in column i of D_X.
    by_hand = 2 * ((G + G.T)[..., None] * (x[:, None] - x[None])).sum(1)
    assert_allclose(grad_x, by_hand, rtol=1e-12, atol=1e-12 * np.abs(by_hand).max())


@given(problems())
def test_definition(problem):
    _, D, options = problem
    value = of_distances(D, **options)
    # Sums of positive terms in one order; weights by one rounding or two.
    assert_allclose(value, oracles.contrastive_idm(D.tolist(), **options), rtol=1e-13)
    assert value >= 0


@given(problems())
def test_gradient_by_differences(problem):
    _, D, options = problem
    laser = options["variant"] == "laser"
    distances = np.sqrt(D) if laser else D
    # Differences say nothing at a kink, nor at the root of 0: those are tested by hand.
    assume((np.abs(distances - options["margin"]) > 0.01 * options["margin"]).all())
    # Off 0, as differences must not step below; farther from the kinks than they step.
    D = D + (0.5 * options["margin"] ** 2 if laser else 0.005 * options["margin"])
    if laser:
        assume((np.abs(np.sqrt(D) - options["margin"]) > 0.01 * (1 + options["margin"])).all())
    _, G = of_distances_value_and_grad(D, **options)
    assert_gradient(G, D, options)


@each_variant
def test_the_checker_objects(variant):
    D = np.abs(np.random.default_rng(0).normal(size=(5, 5))) + 0.1
    options = {"sigma": 1, "margin": 5.0, "variant": variant}
    _, G = of_distances_value_and_grad(D, **options)
    assert_gradient(G, D, options)
    with pytest.raises(AssertionError):
        assert_gradient(1.001 * G, D, options)


@each_variant
def test_kink_has_slope_0(variant):
    margin = 3.0 if variant == "laser" else 9.0
    value, G = of_distances_value_and_grad(D_3, sigma=1, margin=margin, variant=variant)
    assert G[0, 2] == G[2, 0] == 0
    assert G[0, 1] > 0
    below = {"sigma": 1, "margin": math.nextafter(margin, math.inf), "variant": variant}
    assert of_distances_value_and_grad(D_3, **below)[1][0, 2] < 0
    assert value == pytest.approx(of_distances(D_3, **below), rel=1e-13)


@each_variant
def test_identical_frames(variant):
    n = 5
    value, G = of_distances_value_and_grad(np.zeros((n, n)), sigma=1, margin=2, variant=variant)
    expected = oracles.contrastive_idm(np.zeros((n, n)), sigma=1, margin=2, variant=variant)
    assert value == pytest.approx(expected, rel=1e-14)
    assert np.isfinite(G).all()
    if variant == "laser":
        assert_array_equal(G, 0)  # the root has no slope at 0: ours is 0


@each_variant
def test_one_frame(variant):
    value, G = of_distances_value_and_grad([[0.0]], variant=variant)
    assert value == 0
    assert_array_equal(G, [[0.0]] if variant == "laser" else [[1.0]])


@each_variant
def test_window(variant):
    D = np.zeros((4, 4))
    hinges = [
        of_distances(D, sigma=sigma, margin=1.0, variant=variant)
        for sigma in (0, 0.5, 1, 1.5, 2, 2.5, 3, 4)
    ]
    # "More than sigma apart": whole windows and those up to the next whole number are the same.
    assert hinges[0] == hinges[1] > hinges[2] == hinges[3] > hinges[4] == hinges[5] > hinges[6]
    assert hinges[6] == hinges[7] == 0


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
