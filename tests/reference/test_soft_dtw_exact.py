"""Soft-DTW against 50 digits over its whole range; bands, forbidden cells, long sequences."""

import math

import numba
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
    soft_dtw_value_and_grad,
)
from tests import oracles
from tests.reference.comparisons import assert_soft_dtw

# Run as Python, the kernels are some hundred times slower.
LONG = 256 if numba.config.DISABLE_JIT else 4096

FUNCTIONS = {
    "soft_dtw": soft_dtw,
    "soft_dtw_value_and_grad": soft_dtw_value_and_grad,
    "expected_alignment": expected_alignment,
    "sharp_soft_dtw": sharp_soft_dtw,
    "soft_dtw_hvp": lambda D, **options: soft_dtw_hvp(D, np.ones(np.shape(D)), **options),
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def costs_of(kind, shape, scale, rng):
    """Costs up to `scale`: spread, tied, of all magnitudes from 1e-12 to 1e12, or all 0."""
    if kind == "spread":
        return scale * rng.random(shape)
    if kind == "tied":
        return scale * rng.integers(0, 3, shape)
    return 10.0 ** rng.uniform(-12, 12, shape) if kind == "mixed" else np.zeros(shape)


@st.composite
def problems(draw, longest=10, holes=True):
    """Costs from 1e-12 to 1e12, possibly with forbidden cells, and gamma from 1e-6 to 1e6."""
    shape = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = 10.0 ** draw(st.integers(-12, 12))
    D = costs_of(draw(st.sampled_from(["spread", "tied", "mixed", "zero"])), shape, scale, rng)
    # Half of them where gamma and the costs compete, else anything.
    gamma = 10.0 ** draw(st.integers(-6, 6))
    if draw(st.booleans()):
        gamma = min(max(scale * 10.0 ** draw(st.integers(-2, 2)), 1e-6), 1e6)
    if holes and draw(st.booleans()):
        D = np.where(rng.random(shape) < 0.2, np.inf, D)
    return D, gamma


@given(problems())
def test_exact(problem):
    D, gamma = problem
    assume(oracles.exact_soft_dtw(D, gamma)[0] is not None)
    result = soft_dtw_value_and_grad(D, gamma=gamma)
    assert_soft_dtw(result, D, gamma)
    assert soft_dtw(D, gamma=gamma) == result[0]
    assert_array_equal(expected_alignment(D, gamma=gamma), result[1])


@pytest.mark.parametrize("kind", ["spread", "tied", "mixed"])
@pytest.mark.parametrize("gamma", [1e-6, 0.1, 1e6])
def test_exact_at_length_64(kind, gamma):
    D = costs_of(kind, (64, 61), 1.0, np.random.default_rng(0))
    assert_soft_dtw(soft_dtw_value_and_grad(D, gamma=gamma), D, gamma)


@pytest.mark.parametrize("offset", [1e3, 1e9, 1e12])
def test_large_costs_keep_small_differences(offset):
    # R / gamma reaches 1e14; differences of costs, which E is made of, are of the size of gamma.
    D = offset + np.random.default_rng(0).integers(0, 8, (24, 20)) / 8
    assert_soft_dtw(soft_dtw_value_and_grad(D, gamma=0.125), D, 0.125)


@pytest.mark.parametrize("gamma", [1e-6, 1e-3])
def test_ties_that_only_rounding_makes(gamma):
    # In float64, 3e13 - 0.0015 is 3e13 again: what is cut off, over gamma, is worth exp(1500).
    D = np.array([[3e13, -0.0015, 0.0], [-0.001, 0.0, 0.001], [0.0, 0.0015, 0.0]])
    for costs in (D, D.T):
        assert_soft_dtw(soft_dtw_value_and_grad(costs, gamma=gamma), costs, gamma)


@given(problems(12))
def test_transposing_changes_no_bit(problem):
    D, gamma = problem
    assume(oracles.exact_soft_dtw(D, gamma)[0] is not None)
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    turned, turned_E = soft_dtw_value_and_grad(D.T, gamma=gamma)
    assert turned == value
    assert_array_equal(turned_E, E.T)


@given(problems(12, holes=False), st.integers(0, 12))
def test_band(problem, width):
    D, gamma = problem
    band = abs(D.shape[0] - D.shape[1]) + width
    banded = oracles.forbid_outside(D, band)
    value, E = soft_dtw_value_and_grad(D, gamma=gamma, band=band, band_shape="offset")
    assert_soft_dtw((value, E), banded, gamma)
    assert (E[np.isinf(banded)] == 0).all()
    same = D if band >= max(D.shape) - 1 else banded
    for name, function in FUNCTIONS.items():
        narrow, whole = (
            function(D, gamma=gamma, band=band, band_shape="offset"),
            function(same, gamma=gamma),
        )
        if name == "soft_dtw_value_and_grad":
            narrow, whole = narrow[1], whole[1]
        assert_array_equal(narrow, whole)
    # Fewer paths: a soft minimum over them can only be larger.
    free = soft_dtw(D, gamma=gamma)
    assert value >= free - 1e-12 * (abs(free) + gamma)
    assert value <= dtw(D, band=band, band_shape="offset") + 1e-12 * (abs(value) + gamma)


def test_band_of_0_leaves_the_diagonal():
    D = np.random.default_rng(0).random((5, 5))
    value, E = soft_dtw_value_and_grad(D, gamma=10.0, band=0)
    assert value == pytest.approx(np.trace(D), rel=1e-15)
    assert_array_equal(E, np.eye(5))


@each_function
@pytest.mark.parametrize(
    ("band", "message"),
    [
        (-1, "band must be a whole number >= 0 or None, got -1"),
        (2.0, r"band must be a whole number >= 0 or None, got 2\.0"),
        (False, "band must be a whole number >= 0 or None, got False"),
        (1, r"band must be >= \|n - m\| = 2 for n = 3 and m = 5, or no path fits, got 1"),
    ],
)
def test_band_errors(name, band, message):
    with pytest.raises(ValueError, match=message):
        FUNCTIONS[name](np.zeros((3, 5)), gamma=1.0, band=band, band_shape="offset")


FORBIDDEN = {
    "all": np.full((3, 3), np.inf),
    "first": [[np.inf, 0], [0, 0]],
    "last": [[0, 0], [0, np.inf]],
    "wall": [[0, 0, 0], [np.inf, np.inf, np.inf], [0, 0, 0]],
    "corner": [[0, np.inf, 0], [np.inf, np.inf, 0], [0, 0, 0]],
}


@each_function
@pytest.mark.parametrize("kind", FORBIDDEN)
def test_fully_forbidden_is_an_error(name, kind):
    with pytest.raises(ValueError, match=r"D must leave a path .* \+inf across every path"):
        FUNCTIONS[name](FORBIDDEN[kind], gamma=1.0)


@each_function
def test_forbidden_by_cells_and_band_together(name):
    D = np.zeros((3, 3))
    D[1, 1] = np.inf
    FUNCTIONS[name](D, gamma=1.0, band=1)
    with pytest.raises(ValueError, match="inside the band"):
        FUNCTIONS[name](D, gamma=1.0, band=0)


@each_function
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_nan_and_minus_infinity_are_refused(name, value):
    with pytest.raises(ValueError, match=r"D must not hold NaN or -inf, got .* at \(1, 0\)"):
        FUNCTIONS[name]([[0, np.inf], [value, 0]], gamma=1.0)


@pytest.mark.parametrize("gamma", [1e-6, 1.0, 1e6])
def test_equal_rows_and_one_frame(gamma):
    for shape in ((1, 1), (1, 7), (6, 6)):
        D = np.zeros(shape)
        value, E = soft_dtw_value_and_grad(D, gamma=gamma)
        assert_soft_dtw((value, E), D, gamma)
        assert sharp_soft_dtw(D, gamma=gamma) == 0


def central_delannoy(k):
    """OEIS A001850 by its recurrence of order 2."""
    before, number = 0, 1
    for i in range(1, k + 1):
        before, number = number, (3 * (2 * i - 1) * number - (i - 1) * before) // i
    return number


def test_long_free_costs_count_paths():
    value, E = soft_dtw_value_and_grad(np.zeros((LONG, LONG)), gamma=1.0)
    paths = central_delannoy(LONG - 1)
    # Some 8000 logarithms, each rounded.
    assert value == pytest.approx(-math.log(paths), rel=1e-12)
    for i in (0, 1, LONG // 3, LONG // 2, LONG - 1):
        through = central_delannoy(i) * central_delannoy(LONG - 1 - i) / paths
        assert_allclose(E[i, i], through, rtol=1e-10)
    assert_array_equal(E, E.T)


@pytest.mark.parametrize(("gamma", "scale"), [(1e-6, 1e12), (0.1, 1.0), (1e6, 1e-12)])
def test_long_sequences_stay_a_flow(gamma, scale):
    D = scale * np.random.default_rng(0).random((LONG, LONG - 7))
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    paths_at_most = (2 * LONG) * math.log(3)
    hard = dtw(D)
    # The hard costs round at each sum.
    rounding = 1e-12 * (abs(hard) + gamma)
    assert hard - gamma * paths_at_most - rounding <= value <= hard + rounding
    # The mass that was sent off at the last cell arrives at the first.
    assert_allclose(E[0, 0], 1.0, rtol=1e-10)
    assert E.min() >= 0
    assert E.max() <= 1 + 1e-10
    assert (E.sum(axis=0) >= 1 - 1e-10).all()
    assert (E.sum(axis=1) >= 1 - 1e-10).all()
