"""The divergence: 50 digits, differences, 0 with no slope where both videos are the same."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref.reference import (
    cost_matrix,
    soft_dtw,
    soft_dtw_divergence,
    soft_dtw_divergence_value_and_grad,
)
from tests import oracles
from tests.reference.comparisons import assert_divergence

gammas = st.sampled_from([1e-6, 1e-3, 0.1, 1.0, 1e3, 1e6])


@st.composite
def pairs(draw, scales=(1.0,)):
    """Embeddings in eighths, times a power of two: their squared distances are exact."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d, scale = draw(st.integers(1, 3)), draw(st.sampled_from(scales))
    return tuple(scale * rng.integers(-16, 17, (draw(st.integers(1, 8)), d)) / 8 for _ in range(2))


# 2^-20 and 2^20: squared distances from 1e-14 to 1e14
every_scale = pairs(scales=(2.0**-20, 2.0**-3, 1.0, 2.0**10, 2.0**20))


def test_by_hand():
    # One path between one frame and two; three of cost 0, 1 and 1 along the two with themselves.
    x, y = [[0.0]], [[0.0], [1.0]]
    self_y = -math.log(1 + 2 * math.exp(-1))
    assert soft_dtw_divergence(x, y, gamma=1.0) == pytest.approx(1 - self_y / 2, rel=1e-15)


@given(every_scale, gammas, st.one_of(st.none(), st.integers(0, 8)))
def test_exact(pair, gamma, width):
    x, y = pair
    band = None if width is None else abs(len(x) - len(y)) + width
    result = soft_dtw_divergence_value_and_grad(x, y, gamma=gamma, band=band, band_shape="offset")
    assert_divergence(result, x, y, gamma, band)
    assert soft_dtw_divergence(x, y, gamma=gamma, band=band, band_shape="offset") == result[0]


@given(pairs(), st.sampled_from([0.5, 1.0, 10.0]))
def test_gradients_by_differences(pair, gamma):
    x, y = pair
    _, grad_x, grad_y = soft_dtw_divergence_value_and_grad(x, y, gamma=gamma)
    step = 1e-3
    # Truncation ~ step^4 f^(5) with gamma >= 0.5; rounding ~ 2^-52 * 500 / step.
    for gradient, point, function in (
        (grad_x, x, lambda moved: soft_dtw_divergence(moved, y, gamma=gamma)),
        (grad_y, y, lambda moved: soft_dtw_divergence(x, moved, gamma=gamma)),
    ):
        slope = oracles.central_difference(function, point, step)
        assert_allclose(gradient, slope, rtol=0, atol=1e-5)


@given(
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
    gammas,
    st.integers(-6, 6),
    st.one_of(st.none(), st.integers(0, 12)),
)
def test_zero_without_slope_for_equal_videos(n, seed, gamma, exponent, band):
    x = 10.0**exponent * np.random.default_rng(seed).normal(size=(n, 3))
    value, grad_x, grad_y = soft_dtw_divergence_value_and_grad(x, x.copy(), gamma=gamma, band=band)
    # Exactly: transposing costs changes no bit of soft-DTW and of E.
    assert value == 0
    assert soft_dtw_divergence(x, x.copy(), gamma=gamma, band=band) == 0
    assert_array_equal(grad_x, 0)
    assert_array_equal(grad_y, 0)


@given(every_scale, gammas)
def test_swapping_the_videos(pair, gamma):
    x, y = pair
    value, grad_x, grad_y = soft_dtw_divergence_value_and_grad(x, y, gamma=gamma)
    again, grad_y_too, grad_x_too = soft_dtw_divergence_value_and_grad(y, x, gamma=gamma)
    assert again == value
    # Sums in another order.
    size = 1e-13 * (len(x) + len(y)) * (np.abs(x).max() + np.abs(y).max())
    assert_allclose(grad_x_too, grad_x, rtol=0, atol=size)
    assert_allclose(grad_y_too, grad_y, rtol=0, atol=size)
    # Moving both videos together changes nothing.
    assert_allclose(grad_x.sum(axis=0) + grad_y.sum(axis=0), 0, atol=10 * size)


@given(pairs(), gammas)
def test_is_soft_dtw_without_its_bias(pair, gamma):
    x, y = pair
    parts = [soft_dtw(cost_matrix(a, b), gamma=gamma) for a, b in ((x, y), (x, x), (y, y))]
    assert soft_dtw_divergence(x, y, gamma=gamma) == parts[0] - 0.5 * (parts[1] + parts[2])


@given(pairs(), gammas)
def test_scaling(pair, gamma):
    x, y = pair
    value, grad_x, grad_y = soft_dtw_divergence_value_and_grad(x, y, gamma=gamma)
    scaled = soft_dtw_divergence_value_and_grad(4 * x, 4 * y, gamma=16 * gamma)
    # Powers of two scale without rounding.
    for actual, expected in zip(scaled, (16 * value, 4 * grad_x, 4 * grad_y), strict=True):
        assert_array_equal(actual, expected)


@pytest.mark.parametrize("function", [soft_dtw_divergence, soft_dtw_divergence_value_and_grad])
@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([[1.0]], [[1.0, 2.0]], {}, r"same d, got shapes \(1, 1\) and \(1, 2\)"),
        ([[1.0]], [[math.nan]], {}, r"y must be finite, got .*nan.* at \(0, 0\)"),
        ([[math.inf]], [[1.0]], {}, r"x must be finite, got .*inf.* at \(0, 0\)"),
        ([[1.0]], [[1.0]], {"gamma": 0}, "gamma must be finite and > 0, got 0"),
        (
            [[1.0]],
            [[1.0], [2.0], [3.0]],
            {"band": 1, "band_shape": "offset"},
            r"band must be >= \|n - m\| = 2 .* got 1",
        ),
    ],
)
def test_errors(function, x, y, options, message):
    with pytest.raises(ValueError, match=message):
        function(x, y, **options)
