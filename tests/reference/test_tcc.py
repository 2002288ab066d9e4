"""Cycle-consistency: 50 digits, differences, and what can be said of it by hand."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref.reference import (
    cycle_back,
    soft_nearest_neighbors,
    tcc_loss,
    tcc_loss_value_and_grad,
)
from tests import oracles

FORMS = ["regression_mse_var", "regression_mse"]
forms = st.sampled_from(FORMS)


@st.composite
def pairs(draw, most=6):
    """Embeddings in quarters of two videos, of up to `most` frames."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 3))
    return tuple(rng.integers(-4, 5, (draw(st.integers(1, most)), d)) / 4 for _ in range(2))


def exact_weights(row, rows, temperature):
    masses = [
        mpmath.exp(-sum((mpmath.mpf(a) - b) ** 2 for a, b in zip(row, other, strict=True)))
        ** (1 / mpmath.mpf(temperature))
        for other in rows
    ]
    return [mass / sum(masses) for mass in masses]


def exact_cycles(x, y, steps, temperature):
    """Soft nearest neighbor, mean and variance of the position of each frame of x."""
    cycles = []
    for row in x:
        alpha = exact_weights(row, y, temperature)
        v = [sum(a * other[k] for a, other in zip(alpha, y, strict=True)) for k in range(len(row))]
        beta = exact_weights(v, x, temperature)
        mean = sum(b * t for b, t in zip(beta, steps, strict=True))
        cycles.append((v, mean, sum(b * (t - mean) ** 2 for b, t in zip(beta, steps, strict=True))))
    return cycles


def exact_loss(x, y, temperature, form, steps_x, steps_y):
    """Equation by equation at 50 digits."""
    with mpmath.workdps(oracles.DIGITS):
        total = mpmath.mpf(0)
        for a, b, steps in ((x, y, steps_x), (y, x, steps_y)):
            steps = [mpmath.mpf(int(time)) / int(length) for time, length in steps]
            for step, (_, mean, variance) in zip(
                steps, exact_cycles(a.tolist(), b.tolist(), steps, temperature), strict=True
            ):
                term = (step - mean) ** 2
                if form == "regression_mse_var":
                    s = variance + mpmath.mpf(1e-6)
                    term = term / s + mpmath.mpf(0.001) * mpmath.log(s)
                total += term / len(steps) / 2
        return total


def by_index(n):
    return [(k, n) for k in range(n)]


@given(pairs(), forms, st.sampled_from([0.05, 0.1, 1.0, 100.0]))
def test_exact(pair, form, temperature):
    x, y = pair
    expected = exact_loss(x, y, temperature, form, by_index(len(x)), by_index(len(y)))
    value = tcc_loss(x, y, temperature=temperature, form=form)
    # A variance may be as small as the floor, 1e-6, which magnifies what its position rounds.
    assert_allclose(value, float(expected), rtol=1e-9, atol=1e-12)


@given(pairs(), st.sampled_from([0.1, 1.0]))
def test_neighbors_and_cycles_are_exact(pair, temperature):
    x, y = pair
    with mpmath.workdps(oracles.DIGITS):
        steps = [mpmath.mpf(k) / len(x) for k in range(len(x))]
        cycles = exact_cycles(x.tolist(), y.tolist(), steps, temperature)
        v = np.array([[float(number) for number in row] for row, _, _ in cycles])
        moments = np.array([[float(mean), float(var)] for _, mean, var in cycles]).T
    assert_allclose(soft_nearest_neighbors(x, y, temperature=temperature), v, atol=1e-13)
    assert_allclose(cycle_back(x, y, temperature=temperature), moments, atol=1e-12)


@given(pairs(), forms, st.sampled_from([0.5, 2.0]), st.booleans())
def test_gradients_by_differences(pair, form, temperature, with_times):
    x, y = pair
    options = {"temperature": temperature, "form": form}
    if with_times:
        options |= {"times_x": 3 * np.arange(len(x)) + 1, "video_length_x": 40}
        options |= {"times_y": 0.5 * np.arange(len(y)), "video_length_y": 10.0}
    value, grad_x, grad_y = tcc_loss_value_and_grad(x, y, **options)
    assert value == tcc_loss(x, y, **options)
    for gradient, point, function in (
        (grad_x, x, lambda moved: tcc_loss(moved, y, **options)),
        (grad_y, y, lambda moved: tcc_loss(x, moved, **options)),
    ):
        slope = oracles.central_difference(function, point, 1e-3)
        # Truncation ~ step^4 f^(5); fifth derivatives reach some 1e4 at temperature 1/2.
        assert_allclose(gradient, slope, rtol=1e-5, atol=1e-6 * (1 + np.abs(slope).max()))


def test_by_hand():
    # One frame comes back to itself: no error, variance 0.
    assert tcc_loss([[1.0]], [[5.0]], form="regression_mse") == 0
    assert tcc_loss([[1.0]], [[5.0]]) == pytest.approx(0.001 * math.log(1e-6), rel=1e-14)
    # Equal frames: every frame comes back to the mean, 1/4, of positions 0 and 1/2.
    x = [[0.0], [0.0]]
    assert_allclose(cycle_back(x, [[3.0]]), [[0.25, 0.25], [0.0625, 0.0625]], rtol=1e-15)
    assert tcc_loss(x, x, form="regression_mse") == 0.0625
    expected = 0.0625 / (0.0625 + 1e-6) + 0.001 * math.log(0.0625 + 1e-6)
    assert tcc_loss(x, x) == pytest.approx(expected, rel=1e-14)


def test_order_of_magnitude_of_distances_does_not_matter():
    # Exponentials of costs of 1e6 / temperature are 0; the least cost is subtracted first.
    x = np.arange(4.0)[:, None] * 1e3
    assert_array_equal(soft_nearest_neighbors(x + 7e3, x), [[3e3]] * 4)
    value, grad_x, _ = tcc_loss_value_and_grad(x, x, temperature=1e-3)
    assert value == pytest.approx(0.001 * math.log(1e-6))
    assert_array_equal(grad_x, 0)


@given(pairs(), forms)
def test_moving_and_scaling(pair, form):
    x, y = pair
    value, grad_x, grad_y = tcc_loss_value_and_grad(x, y, temperature=0.5, form=form)
    again, grad_y_too, grad_x_too = tcc_loss_value_and_grad(y, x, temperature=0.5, form=form)
    assert_allclose(again, value, rtol=1e-14)
    assert_allclose(grad_x_too, grad_x, rtol=0, atol=1e-12 * (1 + np.abs(grad_x).max()))
    assert_allclose(grad_y_too, grad_y, rtol=0, atol=1e-12 * (1 + np.abs(grad_y).max()))
    # Both videos moved together: nothing changes.
    size = 1 + np.abs(grad_x).max() + np.abs(grad_y).max()
    assert_allclose(grad_x.sum(0) + grad_y.sum(0), 0, atol=1e-11 * size)
    assert_allclose(tcc_loss(x + 2, y + 2, temperature=0.5, form=form), value, rtol=1e-9)
    # Powers of two scale without rounding.
    assert tcc_loss(4 * x, 4 * y, temperature=8.0, form=form) == value


def test_times_are_positions():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    given_times = [0, 3, 10, 11]
    steps_x, steps_y = [(time, 12) for time in given_times], by_index(3)
    value = tcc_loss(x, y, temperature=1.0, times_x=given_times, video_length_x=12)
    expected = exact_loss(x, y, 1.0, "regression_mse_var", steps_x, steps_y)
    assert value == pytest.approx(float(expected), rel=1e-12)
    mean, _ = cycle_back(x, y, temperature=1.0, times=given_times, video_length=12)
    scaled, _ = cycle_back(x, y, temperature=1.0, times=np.array(given_times) / 2, video_length=6.0)
    assert_allclose(mean, scaled, rtol=1e-15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature must be finite and > 0, got 0"),
        ({"form": "huber"}, "form must be one of regression_mse_var, regression_mse, got 'huber'"),
        ({"times_x": [0, 1]}, "video_length_x must be given with times_x"),
        ({"times_y": [0], "video_length_y": 0}, "video_length_y must be a whole number > the last"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        tcc_loss([[0.0], [1.0]], [[0.0]], **options)
    with pytest.raises(ValueError, match="x must be finite"):
        tcc_loss([[math.nan]], [[0.0]])
