"""Sequence contrastive loss: 50 digits, differences, and what can be said of it by hand."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref.reference import sequence_contrastive_loss, sequence_contrastive_loss_value_and_grad
from tests import oracles

temperatures = st.sampled_from([0.1, 1.0, 10.0])
sigmas = st.sampled_from([0.5, math.sqrt(10.0), 100.0])


@st.composite
def views(draw, most=6):
    """Embeddings in quarters of two views, of up to `most` frames, and when the frames are."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 3))
    n, m = draw(st.integers(1, most)), draw(st.integers(1, most))
    x, y = (rng.integers(-4, 5, (count, d)) / 4 for count in (n, m))
    times = {f"times_{k}": rng.integers(0, 20, c) / 2 for k, c in (("x", n), ("y", m))}
    return x, y, times if draw(st.booleans()) else {}


def exact_softmax(logits):
    masses = [mpmath.exp(logit) for logit in logits]
    return [mass / sum(masses) for mass in masses]


def exact_loss(x, y, sigma, temperature, times_x=None, times_y=None):
    """Sum over all pairs of frames at 50 digits."""
    s = np.arange(len(x)) if times_x is None else times_x
    t = np.arange(len(y)) if times_y is None else times_y
    with mpmath.workdps(oracles.DIGITS):
        total = mpmath.mpf(0)
        for a, b, when_a, when_b in ((x, y, s, t), (y, x, t, s)):
            for row, now in zip(a.tolist(), when_a.tolist(), strict=True):
                gaps = [(mpmath.mpf(now) - then) / sigma for then in when_b.tolist()]
                w = exact_softmax([-(gap**2) / 2 for gap in gaps])
                similarities = [
                    sum(mpmath.mpf(p) * q for p, q in zip(row, other, strict=True))
                    for other in b.tolist()
                ]
                p = exact_softmax([each / mpmath.mpf(temperature) for each in similarities])
                terms = (u * mpmath.log(u / v) for u, v in zip(w, p, strict=True))
                total += sum(terms) / (2 * len(a))
        return total


@given(views(), sigmas, temperatures)
def test_exact(given_views, sigma, temperature):
    x, y, times = given_views
    value = sequence_contrastive_loss(x, y, sigma=sigma, temperature=temperature, **times)
    expected = exact_loss(x, y, sigma, temperature, **times)
    # Near its least value, 0, the loss is a difference of logarithms of order 1 to 100.
    assert_allclose(value, float(expected), rtol=1e-12, atol=1e-13)


@given(views(), sigmas, st.sampled_from([0.5, 2.0]))
def test_gradients_by_differences(given_views, sigma, temperature):
    x, y, times = given_views
    options = {"sigma": sigma, "temperature": temperature, **times}
    value, grad_x, grad_y = sequence_contrastive_loss_value_and_grad(x, y, **options)
    assert value == sequence_contrastive_loss(x, y, **options)
    for gradient, point, function in (
        (grad_x, x, lambda moved: sequence_contrastive_loss(moved, y, **options)),
        (grad_y, y, lambda moved: sequence_contrastive_loss(x, moved, **options)),
    ):
        slope = oracles.central_difference(function, point, 1e-3)
        assert_allclose(gradient, slope, rtol=1e-7, atol=1e-8)


def test_by_hand():
    # With one frame a view there is nothing to choose.
    assert sequence_contrastive_loss([[3.0]], [[-2.0]]) == 0
    # Equal rows: p is 1/2 each; w is a logistic function of the difference in time.
    x = [[1.0], [1.0]]
    near = 1 / (1 + math.exp(-1 / (2 * 0.5**2)))
    expected = near * math.log(2 * near) + (1 - near) * math.log(2 * (1 - near))
    assert sequence_contrastive_loss(x, x, sigma=0.5) == pytest.approx(expected, rel=1e-14)


def test_least_where_similarities_are_what_times_say():
    """-(s - t)^2 / 2 is the product of (s, -s^2 / 2, 1) and (t, 1, -t^2 / 2)."""
    s, t = np.array([0.0, 1.0, 2.5, 4.0]), np.array([0.5, 1.0, 3.0])
    x = np.stack((s, -(s**2) / 2, np.ones(4)), 1)
    y = np.stack((t, np.ones(3), -(t**2) / 2), 1)
    value, grad_x, grad_y = sequence_contrastive_loss_value_and_grad(
        x, y, sigma=1.5, temperature=1.5**2, times_x=s, times_y=t
    )
    assert value == pytest.approx(0, abs=1e-15)
    assert_allclose(grad_x, 0, atol=1e-15)
    assert_allclose(grad_y, 0, atol=1e-15)
    assert sequence_contrastive_loss(x, y, sigma=1.5, times_x=s, times_y=t) > 0.1


@given(views(), sigmas, temperatures)
def test_not_negative_symmetric_and_blind_to_order(given_views, sigma, temperature):
    x, y, times = given_views
    options = {"sigma": sigma, "temperature": temperature}
    value, grad_x, grad_y = sequence_contrastive_loss_value_and_grad(x, y, **options, **times)
    assert value >= -1e-14
    swapped = {f"times_{a}": times[f"times_{b}"] for a, b in ("xy", "yx")} if times else {}
    again, grad_y_too, grad_x_too = sequence_contrastive_loss_value_and_grad(
        y, x, **options, **swapped
    )
    assert_allclose(again, value, rtol=1e-14, atol=1e-15)
    size = 1 + np.abs(grad_x).max() + np.abs(grad_y).max()
    assert_allclose(grad_x_too, grad_x, rtol=0, atol=1e-14 * size)
    assert_allclose(grad_y_too, grad_y, rtol=0, atol=1e-14 * size)
    s = times.get("times_x", np.arange(len(x)))[::-1]
    t = times.get("times_y", np.arange(len(y)))
    turned = sequence_contrastive_loss(x[::-1], y, **options, times_x=s, times_y=t)
    assert_allclose(turned, value, rtol=1e-12, atol=1e-13)
    # Only differences of times count.
    later = {"times_x": s[::-1] + 64, "times_y": t + 64}
    assert_allclose(
        sequence_contrastive_loss(x, y, **options, **later), value, rtol=1e-12, atol=1e-14
    )


def test_large_similarities_and_gaps():
    """Exponentials would overflow, or be 0 all together; the largest logit is subtracted first."""
    x = 1e3 * np.eye(3)
    value, grad_x, grad_y = sequence_contrastive_loss_value_and_grad(x, x, sigma=1e-3)
    assert value == 0
    assert_array_equal(grad_x, 0)
    assert_array_equal(grad_y, 0)
    value = sequence_contrastive_loss(x, x[::-1], sigma=1e-3)
    assert value == pytest.approx(1e7 * 2 / 3, rel=1e-12)


def test_a_time_far_from_all_others_goes_to_the_nearest():
    # exp(-99^2 / 2) and exp(-100^2 / 2) are both 0 in float64; their quotient is e^99.5.
    x, y = [[1.0, 0.0]], [[0.5, 1.0], [0.25, 0.0]]
    value = sequence_contrastive_loss(
        x, y, sigma=1.0, temperature=0.5, times_x=[100.0], times_y=[0.0, 1.0]
    )
    # All of w on the second frame: -log p = log(1 + e^(1 - 0.5)); the only frame of x has none.
    assert value == pytest.approx(math.log1p(math.exp(0.5)) / 2, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0}, "sigma must be finite and > 0, got 0"),
        ({"temperature": -1.0}, r"temperature must be finite and > 0, got -1\.0"),
        ({"times_x": [0]}, r"times_x must have shape \(2,\), one a row, got \(1,\)"),
        ({"times_y": [math.inf]}, r"times_y must be finite, .* got .*inf.* at \(0,\)"),
        ({"times_y": [math.nan]}, "times_y must not hold NaN"),
        ({"times_x": ["a", "b"]}, "times_x must hold real numbers"),
        ({"sigma": 1e-200}, "sigma must be at least 1e-100, got 1e-200"),
        ({"temperature": 1e-308}, "temperature must be at least 1e-100, got 1e-308"),
        ({"times_y": [-1e60]}, r"times_y must be .* at most 1e\+50 in size, got -1e\+60 at \(0,\)"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        sequence_contrastive_loss([[0.0], [4.0]], [[4.0]], **options)
    with pytest.raises(ValueError, match="x must be finite"):
        sequence_contrastive_loss([[math.nan]], [[0.0]])
    with pytest.raises(ValueError, match="products of x and y over temperature must be finite"):
        sequence_contrastive_loss([[1e150]], [[1e80]], temperature=1e-90)
