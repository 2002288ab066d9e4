"""The LAV loss: by hand, against the definition, and its gradients to both videos."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref.reference import (
    contrastive_idm,
    cost_matrix,
    lav_loss,
    lav_loss_value_and_grad,
    soft_dtw,
)
from tests import oracles

VARIANTS = ("paper", "official", "printed", "laser")
each_variant = pytest.mark.parametrize("variant", VARIANTS)


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 3))
    x, y = (rng.normal(size=(draw(st.integers(1, 5)), d)) for _ in "xy")
    options = {
        "gamma": draw(st.sampled_from([0.1, 1.0, 100.0])),
        "alpha": draw(st.sampled_from([0.0, 0.5, 3.0])),
        "sigma": draw(st.sampled_from([0, 1, 2.5, 10])),
        # Off the kink: no distance of normal numbers comes near these.
        "margin": draw(st.sampled_from([0.001, 1000.0])),
        "variant": draw(st.sampled_from(VARIANTS)),
    }
    sources = {}
    if draw(st.booleans()):
        for z, name in ((x, "x"), (y, "y")):
            times = np.sort(rng.integers(0, 40, len(z)))
            # Halves of a second are exact in float64.
            times = times / 2 if draw(st.booleans()) else times
            sources[name] = times, times.max().item() + draw(st.integers(1, 9))
    return x, y, options, sources


def arguments(sources):
    return {
        f"{argument}_{name}": value
        for name, source in sources.items()
        for argument, value in zip(("times", "video_length"), source, strict=True)
    }


def assert_gradients(gradients, x, y, options):
    step = 1e-3
    # Truncation ~ step^4 f^(5) with gamma >= 0.1; rounding ~ 2^-52 f / step.
    size = 1e-6 + 1e-11 * abs(lav_loss(x, y, **options))
    to_x = oracles.central_difference(lambda moved: lav_loss(moved, y, **options), x, step)
    to_y = oracles.central_difference(lambda moved: lav_loss(x, moved, **options), y, step)
    assert_allclose(gradients[0], to_x, rtol=0, atol=size)
    assert_allclose(gradients[1], to_y, rtol=0, atol=size)


@each_variant
def test_one_frame_each(variant):
    value, grad_x, grad_y = lav_loss_value_and_grad([[1.0]], [[3.0]], variant=variant)
    assert value == 4
    assert_array_equal(grad_x, [[-4]])
    assert_array_equal(grad_y, [[4]])


@pytest.mark.parametrize(
    ("variant", "value", "grad_x", "grad_y"),
    [
        # x = 0, 1 and y = 0: soft-DTW has one path and costs 1; far are frames 0 and 1 of x, with
        # hinge 4 - 1 = 3 twice and weight 2; alpha 0.5. Slope to x_1: 2 (x_1 - y_0) from the path,
        # and -0.5 * 2 * 2 * 2 (x_1 - x_0) from the two hinges.
        ("paper", 1 + 0.5 * 2 * 2 * 3, [[4], [2 - 4]], [[-2]]),
        ("printed", 1 + 0.5 * 2 * 0.5 * 3, [[1], [2 - 1]], [[-2]]),
        # Weight (1/2)^2 + 1; over 1.5 frames.
        (
            "official",
            (1 + 0.5 * 2 * 1.25 * 3) / 1.5,
            [[2.5 / 1.5], [(2 - 2.5) / 1.5]],
            [[-2 / 1.5]],
        ),
        # Distance 1, its slope to x_1 is 1; mean over 4 pairs.
        ("laser", 1 + 0.5 * 2 * 2 * 3 / 4, [[0.5], [2 - 0.5]], [[-2]]),
    ],
)
def test_tables_worked_by_hand(variant, value, grad_x, grad_y):
    options = {"alpha": 0.5, "sigma": 0, "margin": 4.0, "variant": variant}
    got = lav_loss_value_and_grad([[0.0], [1.0]], [[0.0]], **options)
    for actual, expected in zip(got, (value, grad_x, grad_y), strict=True):
        assert_allclose(actual, expected, rtol=1e-14)


@given(problems())
def test_definition(problem):
    x, y, options, sources = problem
    value = lav_loss(x, y, **options, **arguments(sources))
    given_sources = {f"source_{name}": source for name, source in sources.items()}
    expected = oracles.lav_loss(x.tolist(), y.tolist(), **options, **given_sources)
    # Roundings of the terms, which may cancel: gamma log 321 against costs.
    assert_allclose(value, expected, rtol=1e-12, atol=1e-12 * (1 + options["gamma"]))


@given(problems())
def test_gradients_by_differences(problem):
    x, y, options, sources = problem
    options |= arguments(sources)
    value, *gradients = lav_loss_value_and_grad(x, y, **options)
    assert value == lav_loss(x, y, **options)
    assert_gradients(gradients, x, y, options)


def test_the_checker_objects():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(5, 2))
    options = {"gamma": 1.0, "sigma": 1, "margin": 100.0}
    _, grad_x, grad_y = lav_loss_value_and_grad(x, y, **options)
    assert_gradients((grad_x, grad_y), x, y, options)
    for wrong in ((1.001 * grad_x, grad_y), (grad_x, 1.001 * grad_y)):
        with pytest.raises(AssertionError):
            assert_gradients(wrong, x, y, options)


@given(problems())
def test_swapping_the_videos(problem):
    x, y, options, sources = problem
    value, grad_x, grad_y = lav_loss_value_and_grad(x, y, **options, **arguments(sources))
    swapped = {{"x": "y", "y": "x"}[name]: source for name, source in sources.items()}
    again, grad_y_too, grad_x_too = lav_loss_value_and_grad(y, x, **options, **arguments(swapped))
    # Sums in another order.
    size = 1e-11 * (1 + abs(value) + options["gamma"])
    assert_allclose(again, value, rtol=0, atol=size)
    assert_allclose(grad_x_too, grad_x, rtol=0, atol=size)
    assert_allclose(grad_y_too, grad_y, rtol=0, atol=size)


@given(problems())
def test_only_differences_count(problem):
    x, y, options, sources = problem
    value, grad_x, grad_y = lav_loss_value_and_grad(x, y, **options, **arguments(sources))
    size = 1e-11 * (1 + abs(value) + options["gamma"])
    # Moving both videos together changes nothing, so that all slopes together cancel.
    moved = lav_loss(x + 1.5, y + 1.5, **options, **arguments(sources))
    assert_allclose(moved, value, rtol=0, atol=size)
    assert_allclose(grad_x.sum(axis=0) + grad_y.sum(axis=0), 0, atol=size)


def test_alpha_weighs_the_regularizer():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(14, 3)), rng.normal(size=(12, 3))
    alignment = soft_dtw(cost_matrix(x, y), gamma=0.1)
    regularizer = contrastive_idm(x) + contrastive_idm(y)
    assert lav_loss(x, y, alpha=0) == alignment
    assert lav_loss(x, y, alpha=0.5) == pytest.approx(alignment + 0.5 * regularizer, rel=1e-14)
    assert lav_loss(x, y) == lav_loss(x, y, alpha=0.02)  # what suits "paper"


@each_variant
def test_identical_frames_have_no_slope(variant):
    x = np.ones((12, 4))
    value, grad_x, grad_y = lav_loss_value_and_grad(x, x, variant=variant)
    assert math.isfinite(value)
    assert_array_equal(grad_x, 0)
    assert_array_equal(grad_y, 0)


@pytest.mark.parametrize("function", [lav_loss, lav_loss_value_and_grad])
@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([[1.0]], [[1.0, 2.0]], {}, r"same d, got shapes \(1, 1\) and \(1, 2\)"),
        ([[1.0]], [[math.nan]], {}, r"y must be finite, got .*nan.* at \(0, 0\)"),
        ([[1.0]], [[1.0]], {"gamma": 0}, "gamma must be finite and > 0, got 0"),
        ([[1.0]], [[1.0]], {"alpha": -1}, "alpha must be finite and >= 0, got -1"),
        ([[1.0]], [[1.0]], {"margin": -1}, "margin must be finite and > 0, got -1"),
        ([[1.0]], [[1.0]], {"sigma": -1}, "sigma must be finite and >= 0, got -1"),
        ([[1.0]], [[1.0]], {"variant": None}, "variant must be one of .*, got None"),
        ([[1.0]], [[1.0]], {"times_y": [3]}, "video_length_y must be given with times_y"),
        (
            [[1.0]],
            [[1.0]],
            {"times_x": [3], "video_length_x": 3},
            "video_length_x must be a whole number > the last frame number 3, got 3",
        ),
    ],
)
def test_errors(function, x, y, options, message):
    with pytest.raises(ValueError, match=message):
        function(x, y, **options)


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_embeddings_too_far_apart():
    with pytest.raises(ValueError, match=r"D must be finite, got .*inf"):
        lav_loss([[1e200]], [[-1e200]])
