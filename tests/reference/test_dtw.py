"""DTW and its path against every path, by hand, and at the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from tacref.bands import BAND_SHAPES
from tacref.reference import alignment_matrix, dtw, dtw_path
from tests import oracles

SIDES = st.integers(1, 4)
FINITE = st.floats(-100, 100)
TIED = st.integers(0, 2).map(float)
costs = st.tuples(SIDES, SIDES).flatmap(
    lambda shape: st.sampled_from([FINITE, TIED]).flatmap(
        lambda elements: arrays(np.float64, shape, elements=elements)
    )
)


def test_table_worked_by_hand():
    D = np.array([[1, 2, 3], [2, 0, 1], [3, 1, 2]])
    R = [[1, 3, 6], [3, 1, 2], [6, 2, 3]]
    for i in range(3):
        for j in range(3):
            assert dtw(D[: i + 1, : j + 1]) == R[i][j]
    assert_array_equal(dtw_path(D), [[0, 0], [1, 1], [2, 2]])
    assert_array_equal(alignment_matrix(dtw_path(D), D.shape), np.eye(3))


@given(costs)
def test_least_of_all_paths(D):
    # Sums of at most 7 terms in another order.
    assert dtw(D) == pytest.approx(oracles.dtw(D.tolist()), rel=1e-14, abs=1e-12)


@given(costs)
def test_path_costs_what_dtw_says(D):
    path = dtw_path(D)
    assert path.dtype == np.int64
    A = alignment_matrix(path, D.shape)
    assert A.sum() == len(path)
    assert (A * D).sum() == pytest.approx(dtw(D), rel=1e-14, abs=1e-12)
    assert tuple(map(tuple, path.tolist())) in oracles.staircase_paths(*D.shape)


@given(costs)
def test_transposed_and_reversed(D):
    assert dtw(D.T) == dtw(D)
    assert dtw(D[::-1, ::-1]) == pytest.approx(dtw(D), rel=1e-14, abs=1e-12)


@pytest.mark.parametrize(
    ("shape", "path"),
    [
        ((2, 2), [[0, 0], [1, 1]]),
        # The diagonal is taken from the end on, so that the straight steps come first.
        ((4, 2), [[0, 0], [1, 0], [2, 0], [3, 1]]),
        ((2, 4), [[0, 0], [0, 1], [0, 2], [1, 3]]),
        ((1, 3), [[0, 0], [0, 1], [0, 2]]),
        ((3, 1), [[0, 0], [1, 0], [2, 0]]),
        ((1, 1), [[0, 0]]),
    ],
)
def test_ties_take_the_diagonal(shape, path):
    assert_array_equal(dtw_path(np.zeros(shape)), path)


def test_ties_take_x_before_y():
    # Around the costly middle both ways cost 0; back from the last cell, (1, 2) lies up in x.
    D = [[0, 0, 0], [0, 9, 0], [0, 0, 0]]
    assert_array_equal(dtw_path(D), [[0, 0], [0, 1], [1, 2], [2, 2]])


@pytest.mark.parametrize("shape", BAND_SHAPES)
@given(D=costs, width=st.integers(0, 4))
def test_band(shape, D, width):
    band = width + {"offset": abs(D.shape[0] - D.shape[1]), "diagonal": 0, "itakura": 1}[shape]
    inside = oracles.inside_band(*D.shape, band, shape)
    if not oracles.is_connected(inside):
        with pytest.raises(ValueError, match="no path"):
            dtw(D, band=band, band_shape=shape)
        return
    banded = np.where(inside, D, np.inf)
    value, path = (function(D, band=band, band_shape=shape) for function in (dtw, dtw_path))
    assert value == dtw(banded)
    assert value == pytest.approx(oracles.dtw(banded), rel=1e-14, abs=1e-12)
    assert_array_equal(path, dtw_path(banded))
    assert inside[tuple(path.T)].all()
    assert (alignment_matrix(path, D.shape) * D).sum() == pytest.approx(value, rel=1e-14, abs=1e-12)
    if shape != "itakura" and band >= max(D.shape) - 1:
        assert value == dtw(D)


def test_the_band_follows_the_line_from_corner_to_corner():
    D = np.ones((3, 9))
    rows = [0, 0, 0, 0, 0, 1, 1, 1, 2]  # |4 i - j| <= 4
    assert_array_equal(dtw_path(D, band=1), np.stack((rows, np.arange(9)), 1))
    # |i - j| <= 6 forces all steps in y to the first or last row.
    assert dtw(D, band=6, band_shape="offset") == 9
    with pytest.raises(ValueError, match=r"band must be >= \|n - m\| = 6"):
        dtw(D, band=1, band_shape="offset")


@given(costs, st.integers(0, 2**32 - 1))
def test_forbidden_cells(D, seed):
    forbidden = np.random.default_rng(seed).random(D.shape) < 0.3
    holed = np.where(forbidden, np.inf, D)
    expected = oracles.dtw(holed.tolist())
    if expected == np.inf:
        with pytest.raises(ValueError, match="across every path"):
            dtw(holed)
        with pytest.raises(ValueError, match="across every path"):
            dtw_path(holed)
    else:
        assert dtw(holed) == pytest.approx(expected, rel=1e-14, abs=1e-12)
        assert not forbidden[tuple(dtw_path(holed).T)].any()


@pytest.mark.parametrize("function", [dtw, dtw_path])
@pytest.mark.parametrize(
    ("band", "message"),
    [
        (-1, "band must be a whole number >= 0 or None, got -1"),
        (1.0, r"band must be a whole number >= 0 or None, got 1\.0"),
        (True, "band must be a whole number >= 0 or None, got True"),
        (0, r"band must be >= 1 for n = 2 and m = 5, or no path fits, got 0"),
    ],
)
def test_band_errors(function, band, message):
    with pytest.raises(ValueError, match=message):
        function(np.zeros((2, 5)), band=band)


def test_unknown_band_shape():
    for function in (dtw, dtw_path):
        with pytest.raises(ValueError, match=r"band_shape must be one of .* got 'square'"):
            function(np.zeros((2, 5)), band=3, band_shape="square")


def test_one_row_and_one_column():
    assert dtw([[1, 2, 3]]) == dtw([[1], [2], [3]]) == 6
    assert dtw([[-5]]) == -5


def test_long_sequences_align_with_themselves():
    x = np.random.default_rng(0).normal(size=300)
    D = (x[:, None] - x) ** 2
    assert dtw(D) == 0
    assert_array_equal(dtw_path(D), np.repeat(np.arange(300)[:, None], 2, axis=1))


def test_large_costs():
    D = np.full((3, 4), 1e307)
    assert dtw(D) == pytest.approx(4e307, rel=1e-15)
    assert_array_equal(dtw_path(D), [[0, 0], [0, 1], [1, 2], [2, 3]])


@pytest.mark.parametrize("function", [dtw, dtw_path])
@pytest.mark.parametrize(
    ("D", "message"),
    [
        (1.0, r"D must have shape \(n, m\) with n, m >= 1, got \(\)"),
        ([1.0], r"D must have shape \(n, m\) with n, m >= 1, got \(1,\)"),
        (np.zeros((3, 0)), r"D must have shape \(n, m\) with n, m >= 1, got \(3, 0\)"),
        ([[0.0, np.nan]], r"D must not hold NaN or -inf, got .*nan.* at \(0, 1\)"),
        ([[0.0], [-np.inf]], r"D must not hold NaN or -inf, got .*-inf.* at \(1, 0\)"),
        ([[0.0], [np.inf]], r"D must leave a path of finite costs .* got \+inf across every path"),
        ([[1e308, -1e308]], r"D must stay finite when summed along a path, got 1e\+308"),
        ([[None]], "D must hold real numbers, got dtype object"),
    ],
)
def test_errors(function, D, message):
    with pytest.raises(ValueError, match=message):
        function(D)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ([[0, 0], [2, 1]], r"path must step by \(1, 0\), .* got \[0, 0\] to \[2, 1\]"),
        ([[0, 0], [0, 0], [1, 1], [2, 1]], r"got \[0, 0\] to \[0, 0\]"),
        ([[0, 0], [1, 1], [1, 0], [2, 1]], r"got \[1, 1\] to \[1, 0\]"),
        ([[0, 0], [1, 1]], r"path must lead from \(0, 0\) to \(2, 1\), got \[0, 0, 1, 1\]"),
        ([[1, 0], [2, 1]], r"path must lead from \(0, 0\) to \(2, 1\), got \[1, 0, 2, 1\]"),
        ([[0.0, 0.0]], r"path must be whole numbers of shape \(L, 2\), got float64 of \(1, 2\)"),
        ([0, 1], r"path must be whole numbers of shape \(L, 2\), got int64 of \(2,\)"),
        (np.zeros((0, 2), int), r"path must be whole .* got int64 of \(0, 2\)"),
    ],
)
def test_paths_that_are_none(path, message):
    with pytest.raises(ValueError, match=message):
        alignment_matrix(path, (3, 2))
