"""Soft-DTW and its gradient: oracle, hand-worked tables, the properties of the method, edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from tacref.reference import dtw, soft_dtw, soft_dtw_value_and_grad, softmin
from tests import oracles

gammas = st.sampled_from([1e-3, 1e-2, 0.1, 0.5, 1.0, 7.0, 1e3])


@st.composite
def matrices(draw, longest):
    """Costs within 10 of 0: of all sizes, tied, or as hypothesis likes them."""
    shape = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["spread", "tied", "odd"]))
    if kind == "odd":
        return draw(arrays(np.float64, shape, elements=st.floats(-10, 10)))
    return rng.uniform(-10, 10, shape) if kind == "spread" else rng.integers(0, 3, shape) / 2


small, wide = matrices(4), matrices(12)

# Rounding of sums of up to 23 costs <= 10, and of as many gamma log 3.
VALUE = {"rtol": 1e-12, "atol": 1e-12}
# The weights are exponentials of accumulated costs over gamma: 23 * 10 / 1e-3 * 2^-52 ~ 1e-10.
MASS = {"rtol": 0, "atol": 1e-9}


def assert_gradient(E, D, gamma):
    # Step 0.01 gamma: truncation ~ 0.01^4, rounding ~ 2^-52 * 40 / 0.01, both relative to 1.
    slope = oracles.central_difference(lambda moved: soft_dtw(moved, gamma=gamma), D, 0.01 * gamma)
    assert_allclose(E, slope, rtol=0, atol=1e-7)


def test_table_worked_by_hand():
    # Three paths, e^-cost = 1, 1/2 and 1/4 between corners of cost 1 and 2.
    D = [[1.0, math.log(2)], [math.log(4), 2.0]]
    value, E = soft_dtw_value_and_grad(D, gamma=1.0)
    assert value == pytest.approx(3 - math.log(7 / 4), rel=1e-15)
    assert_allclose(E, [[1, 2 / 7], [1 / 7, 1]], rtol=1e-15)


@pytest.mark.parametrize("gamma", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 3), (20, 31)])
def test_free_costs_count_paths(shape, gamma):
    # All paths weigh the same: Delannoy numbers, before and after each cell.
    n, m = shape
    value, E = soft_dtw_value_and_grad(np.zeros(shape), gamma=gamma)
    paths = oracles.delannoy(n - 1, m - 1)
    assert value == pytest.approx(-gamma * math.log(paths), rel=1e-13)
    through = [
        [oracles.delannoy(i, j) * oracles.delannoy(n - 1 - i, m - 1 - j) / paths for j in range(m)]
        for i in range(n)
    ]
    assert_allclose(E, through, rtol=1e-12)


@given(small, gammas)
def test_mean_over_all_paths(D, gamma):
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    expected_value, expected_E = oracles.soft_dtw(D.tolist(), gamma)
    assert_allclose(value, expected_value, **VALUE)
    assert_allclose(E, expected_E, **MASS)
    assert soft_dtw(D, gamma=gamma) == value


@given(matrices(6), st.sampled_from([0.1, 0.5, 1.0, 7.0, 100.0]))
def test_gradient_by_differences(D, gamma):
    assert_gradient(soft_dtw_value_and_grad(D, gamma=gamma)[1], D, gamma)


def test_the_checker_objects():
    D = np.random.default_rng(0).normal(size=(4, 5))
    _, E = soft_dtw_value_and_grad(D, gamma=0.5)
    assert_gradient(E, D, 0.5)
    with pytest.raises(AssertionError):
        assert_gradient(1.001 * E, D, 0.5)
    wrong = E.copy()
    wrong[1, 2] += 1e-6
    with pytest.raises(AssertionError):
        assert_gradient(wrong, D, 0.5)


@given(wide, gammas)
def test_gradient_is_a_flow_of_one_unit(D, gamma):
    _, E = soft_dtw_value_and_grad(D, gamma=gamma)
    tiny = MASS["atol"]
    assert E[-1, -1] == 1
    assert_allclose(E[0, 0], 1, **MASS)
    assert E.min() >= 0
    assert E.max() <= 1 + tiny
    assert (E.sum(axis=0) >= 1 - tiny).all()
    assert (E.sum(axis=1) >= 1 - tiny).all()
    n, m = E.shape
    diagonals = np.array([np.fliplr(E).trace(m - 1 - k) for k in range(n + m - 1)])
    assert (diagonals <= 1 + tiny).all()
    # A path may step over one anti-diagonal, never over two in a row.
    assert (diagonals[1:] + diagonals[:-1] >= 1 - tiny).all()


@given(wide, gammas)
def test_between_dtw_and_the_number_of_paths(D, gamma):
    value, hard = soft_dtw(D, gamma=gamma), dtw(D)
    rounding = 1e-12 * (1 + abs(hard) + gamma)
    paths = oracles.delannoy(D.shape[0] - 1, D.shape[1] - 1)
    assert hard - gamma * math.log(paths) - rounding <= value <= hard + rounding


@given(small, st.integers(0, 2**32 - 1), gammas, st.floats(0, 1))
def test_concave_with_the_gradient_above(D, seed, gamma, share):
    other = D + np.random.default_rng(seed).normal(size=D.shape)
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    value_other = soft_dtw(other, gamma=gamma)
    between = soft_dtw((1 - share) * D + share * other, gamma=gamma)
    rounding = 1e-9 * (1 + abs(value) + abs(value_other))
    assert between >= (1 - share) * value + share * value_other - rounding
    assert value_other <= value + (E * (other - D)).sum() + rounding


@given(wide, st.data())
def test_a_row_counts_by_its_sum(D, data):
    gamma, row = 1.0, data.draw(st.integers(0, len(D) - 1))

    def along_row(c):
        moved = D.copy()
        moved[row] += c[0]
        return soft_dtw(moved, gamma=gamma)

    _, E = soft_dtw_value_and_grad(D, gamma=gamma)
    slope = oracles.central_difference(along_row, [0.0], 0.01 * gamma)
    # A row's sum is at most its 12 cells; as for assert_gradient.
    assert_allclose(E[row].sum(), slope[0], rtol=0, atol=1e-6)


@given(wide, gammas, st.sampled_from([1e-3, 0.3, 1.0, 7.0, 1e3]))
def test_scaling(D, gamma, c):
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    scaled, scaled_E = soft_dtw_value_and_grad(c * D, gamma=c * gamma)
    assert_allclose(scaled, c * value, rtol=1e-12, atol=1e-12 * c * (1 + gamma))
    assert_allclose(scaled_E, E, **MASS)


@given(wide, gammas)
def test_transposed_and_reversed(D, gamma):
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    rounding = VALUE | {"atol": 1e-12 * (1 + gamma)}
    for same in (lambda M: M.T, lambda M: M[::-1, ::-1]):
        turned, turned_E = soft_dtw_value_and_grad(same(D), gamma=gamma)
        assert_allclose(turned, value, **rounding)
        assert_allclose(turned_E, same(E), **MASS)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
def test_one_path_alone_is_the_sum(shape):
    D = np.random.default_rng(0).normal(size=shape)
    value, E = soft_dtw_value_and_grad(D, gamma=1.0)
    assert value == pytest.approx(D.sum(), rel=1e-14)
    assert_array_equal(E, 1.0)


# The kernels divide by gamma; run as Python, NumPy would warn where that is infinite.
@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("gamma", [5e-324, 1e-300, 1e-12])
@pytest.mark.parametrize("scale", [1.0, 1e300])
def test_tiny_gamma_is_dtw(gamma, scale):
    D = scale * np.array([[1.0, 2, 3], [2, 0, 1], [3, 1, 2]])
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    assert value == pytest.approx(dtw(D), rel=1e-11)
    assert_array_equal(E, np.eye(3))


def test_tiny_gamma_shares_ties():
    # The two ways round the middle cost the same, and each of them has two equal first steps.
    D = [[0.0, 0, 0], [0, 9, 0], [0, 0, 0]]
    value, E = soft_dtw_value_and_grad(D, gamma=1e-6)
    expected = oracles.soft_dtw(D, 1e-6)
    assert_allclose(value, expected[0], rtol=1e-12)
    assert_allclose(E, expected[1], rtol=1e-12)


def test_huge_gamma_forgets_costs():
    D = np.random.default_rng(0).normal(size=(5, 4))
    _, E = soft_dtw_value_and_grad(D, gamma=1e300)
    assert_allclose(E, soft_dtw_value_and_grad(np.zeros((5, 4)), gamma=1.0)[1], rtol=1e-12)


def test_large_costs_keep_the_mass():
    D = 1e6 * np.random.default_rng(0).random((60, 50))
    value, E = soft_dtw_value_and_grad(D, gamma=0.1)
    # 60 roundings of 3e7 over gamma
    assert value == pytest.approx(dtw(D), rel=1e-8)
    assert_allclose(E[0, 0], 1.0, rtol=1e-12)
    assert_allclose((E * D).sum(), dtw(D), rtol=1e-8)


@pytest.mark.parametrize("function", [soft_dtw, soft_dtw_value_and_grad])
@pytest.mark.parametrize(
    ("D", "gamma", "message"),
    [
        ([1.0], 1.0, r"D must have shape \(n, m\) with n, m >= 1, got \(1,\)"),
        (np.zeros((0, 3)), 1.0, r"D must have shape .* got \(0, 3\)"),
        ([[0.0, np.nan]], 1.0, r"D must not hold NaN or -inf, got .*nan.* at \(0, 1\)"),
        ([[-np.inf]], 1.0, r"D must not hold NaN or -inf, got .*-inf.* at \(0, 0\)"),
        ([[np.inf]], 1.0, r"D must leave a path of finite costs .* got \+inf across every path"),
        ([[1e308, 1e308]], 1.0, r"D must stay finite when summed along a path, got 1e\+308"),
        ([[1.0]], 0, "gamma must be finite and > 0, got 0"),
        ([[1.0]], -0.5, r"gamma must be finite and > 0, got -0\.5"),
        ([[1.0]], math.nan, "gamma must be finite and > 0, got nan"),
        ([[1.0]], math.inf, "gamma must be finite and > 0, got inf"),
        ([[1.0]], 1e308, r"gamma must stay finite when summed along a path, got 1e\+308"),
    ],
)
def test_errors(function, D, gamma, message):
    with pytest.raises(ValueError, match=message):
        function(D, gamma=gamma)


@given(matrices(6).map(np.ravel), gammas)
def test_softmin_definition(values, gamma):
    soft = softmin(values, gamma=gamma)
    assert_allclose(soft, oracles.softmin(values, gamma), rtol=1e-13, atol=1e-13 * (1 + gamma))
    assert min(values) - gamma * math.log(len(values)) - 1e-12 * (1 + gamma) <= soft <= min(values)


def test_softmin_by_hand():
    values = [0.0, 2 * math.log(2), 2 * math.log(4)]
    assert softmin(values, gamma=2.0) == pytest.approx(-2 * math.log(7 / 4), rel=1e-15)


def test_softmin_edges():
    assert softmin([3, 1, 2], gamma=0) == 1
    assert softmin([3.0, math.inf], gamma=0.5) == 3
    assert softmin([math.inf, math.inf], gamma=0.5) == math.inf
    # exp(±1 / gamma) underflows or overflows without the shift by the minimum
    assert softmin([2.0, 1.0], gamma=1e-3) == 1
    assert softmin([1.0, 1.0], gamma=1e-3) == pytest.approx(1 - 1e-3 * math.log(2), rel=1e-15)


@pytest.mark.parametrize(
    ("values", "gamma", "message"),
    [
        ([], 1.0, r"values must have shape \(k,\) with k >= 1, got \(0,\)"),
        ([[1.0]], 1.0, r"values must have shape \(k,\) with k >= 1, got \(1, 1\)"),
        ([1.0, math.nan], 1.0, "values must not hold NaN or -inf"),
        ([-math.inf], 0.0, "values must not hold NaN or -inf"),
        (["x"], 1.0, "values must hold real numbers, got dtype <U1"),
        ([1.0], -1, "gamma must be finite and >= 0, got -1"),
        ([1.0], math.nan, "gamma must be finite and >= 0, got nan"),
        ([0.0] * 9, 1e308, r"gamma must leave the soft minimum finite, got 1e\+308"),
    ],
)
def test_softmin_errors(values, gamma, message):
    with pytest.raises(ValueError, match=message):
        softmin(values, gamma=gamma)
