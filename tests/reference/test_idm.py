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
