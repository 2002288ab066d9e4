"""The sharp value and the Hessian-vector product: 50 digits, differences, and what is known."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref.reference import (
    dtw,
    expected_alignment,
    sharp_soft_dtw,
    soft_dtw,
    soft_dtw_hvp,
)
from tests import oracles
from tests.reference.comparisons import UNDERFLOW, assert_hvp
from tests.reference.test_soft_dtw_exact import LONG, problems

seeds = st.integers(0, 2**32 - 1)


def is_free(D, gamma):
    return oracles.exact_soft_dtw(D, gamma)[0] is not None


def test_hvp_by_hand():
    # Paths over (0, 0), (1, 1) and none, the upper or the lower corner; 2/7, 1/7 as for soft-DTW.
    D = [[1.0, math.log(2)], [math.log(4), 2.0]]
    p, q = 2 / 7, 1 / 7
    # The covariance of "over the upper corner" with itself and with "over the lower".
    product = soft_dtw_hvp(D, [[0, 1], [0, 0]], gamma=1.0)
    assert_allclose(product, [[0, -p * (1 - p)], [p * q, 0]], rtol=1e-14, atol=1e-16)


def test_sharp_by_hand():
    D = [[1.0, math.log(2)], [math.log(4), 2.0]]
    expected = 3 + 2 / 7 * math.log(2) + 1 / 7 * math.log(4)
    assert sharp_soft_dtw(D, gamma=1.0) == pytest.approx(expected, rel=1e-15)


@given(problems(), seeds, st.integers(-12, 12))
def test_hvp_exact(problem, seed, exponent):
    D, gamma = problem
    assume(is_free(D, gamma))
    Z = 10.0**exponent * np.random.default_rng(seed).normal(size=D.shape)
    assert_hvp(soft_dtw_hvp(D, Z, gamma=gamma), D, Z, gamma)


@pytest.mark.parametrize("gamma", [1e-6, 0.1, 1e6])
def test_hvp_exact_at_length_64(gamma):
    rng = np.random.default_rng(0)
    D, Z = rng.random((64, 61)), rng.normal(size=(64, 61))
    assert_hvp(soft_dtw_hvp(D, Z, gamma=gamma), D, Z, gamma)


@given(st.integers(1, 6), st.integers(1, 6), seeds, st.sampled_from([0.1, 1.0, 100.0]))
def test_hvp_by_differences(n, m, seed, gamma):
    rng = np.random.default_rng(seed)
    D, Z = gamma * rng.normal(size=(n, m)), rng.normal(size=(n, m))

    def moved(step):
        return expected_alignment(D + step * Z, gamma=gamma)

    step = 0.005 * gamma
    slope = (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step)
    # Truncation ~ 0.005^4 times a fifth moment of sums of Z, rounding ~ 2^-52 / 0.005.
    assert_allclose(soft_dtw_hvp(D, Z, gamma=gamma), slope, rtol=0, atol=1e-5 / gamma)


@given(problems(12), seeds)
def test_hvp_is_symmetric_and_negative(problem, seed):
    D, gamma = problem
    assume(is_free(D, gamma))
    rng = np.random.default_rng(seed)
    U, V = rng.normal(size=D.shape), rng.normal(size=D.shape)
    H_U, H_V = soft_dtw_hvp(D, U, gamma=gamma), soft_dtw_hvp(D, V, gamma=gamma)
    # Covariances of sums of up to 23 normal numbers, over gamma.
    tiny = 1e-10 * (np.abs(U).sum() + np.abs(V).sum()) ** 2 / gamma
    assert_allclose((U * H_V).sum(), (V * H_U).sum(), rtol=0, atol=tiny)
    assert (U * H_U).sum() <= tiny
    assert (V * H_V).sum() <= tiny
    both = soft_dtw_hvp(D, 2 * U - V, gamma=gamma)
    assert_allclose(both, 2 * H_U - H_V, rtol=0, atol=tiny)
    # Each path goes through both corners, whatever the costs.
    assert_allclose([H_U[0, 0], H_U[-1, -1]], 0, atol=tiny)


@given(problems(12), seeds, st.sampled_from([2.0**-20, 2.0, 2.0**20]))
def test_hvp_transposed_and_scaled(problem, seed, c):
    D, gamma = problem
    assume(is_free(D, gamma))
    Z = np.random.default_rng(seed).normal(size=D.shape)
    product = soft_dtw_hvp(D, Z, gamma=gamma)
    size = 1e-12 * sum(D.shape) * np.abs(Z).max() / gamma
    assert_allclose(soft_dtw_hvp(D.T, Z.T, gamma=gamma), product.T, rtol=0, atol=size)
    turned = soft_dtw_hvp(D[::-1, ::-1], Z[::-1, ::-1], gamma=gamma)
    assert_allclose(turned, product[::-1, ::-1], rtol=0, atol=size)
    # E(c D, c gamma) = E(D, gamma); powers of two scale without rounding.
    scaled = soft_dtw_hvp(c * D, c * Z, gamma=c * gamma)
    assert_allclose(scaled, product, rtol=0, atol=UNDERFLOW)


@given(problems(12))
def test_sharp_lies_between(problem):
    D, gamma = problem
    assume(is_free(D, gamma))
    sharp, soft, hard = sharp_soft_dtw(D, gamma=gamma), soft_dtw(D, gamma=gamma), dtw(D)
    rounding = 1e-12 * (abs(hard) + gamma)
    paths = oracles.delannoy(D.shape[0] - 1, D.shape[1] - 1)
    assert max(soft, hard) - rounding <= sharp <= hard + gamma * math.log(paths) + rounding
    # All costs are >= 0 here, so that nothing cancels.
    assert sharp == pytest.approx(oracles.exact_sharp(D, gamma), rel=1e-13)
    E, finite = expected_alignment(D, gamma=gamma), np.isfinite(D)
    assert sharp == pytest.approx((E[finite] * D[finite]).sum(), rel=1e-11)


def test_forbidden_directions_do_not_count():
    rng = np.random.default_rng(0)
    D, Z = rng.random((5, 6)), rng.normal(size=(5, 6))
    D[1, 2] = D[3, 3] = np.inf
    product = soft_dtw_hvp(D, Z, gamma=0.5)
    assert product[1, 2] == product[3, 3] == 0
    Z[1, 2], Z[3, 3] = 1e6, -1e6
    assert_array_equal(soft_dtw_hvp(D, Z, gamma=0.5), product)


def test_long_sequences():
    rng = np.random.default_rng(0)
    D, Z = rng.random((LONG, LONG)), rng.normal(size=(LONG, LONG))
    product = soft_dtw_hvp(D, Z, gamma=0.1)
    assert np.isfinite(product).all()
    size = 1e-12 * 2 * LONG * np.abs(Z).max() / 0.1
    assert_allclose([product[0, 0], product[-1, -1]], 0, atol=size)
    assert (Z * product).sum() < 0


@pytest.mark.parametrize(
    ("Z", "gamma", "message"),
    [
        (np.zeros((3, 2)), 1.0, r"Z must have the shape of D, \(2, 3\), got \(3, 2\)"),
        ([1.0], 1.0, r"Z must have the shape of D, \(2, 3\), got \(1,\)"),
        (np.full((2, 3), np.nan), 1.0, r"Z must be finite, got .*nan.* at \(0, 0\)"),
        (np.full((2, 3), np.inf), 1.0, r"Z must be finite, got .*inf.* at \(0, 0\)"),
        (np.full((2, 3), "a"), 1.0, "Z must hold real numbers, got dtype <U1"),
        (np.full((2, 3), 1e300), 1e-9, r"Z must stay finite when summed .* got 1e\+300"),
        (np.full((2, 3), 1e308), 1.0, r"Z must stay finite when summed .* got 1e\+308"),
        (np.ones((2, 3)), 0.0, r"gamma must be finite and > 0, got 0\.0"),
    ],
)
def test_errors(Z, gamma, message):
    with pytest.raises(ValueError, match=message):
        soft_dtw_hvp(np.zeros((2, 3)), Z, gamma=gamma)
