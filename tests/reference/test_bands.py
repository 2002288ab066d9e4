"""Columns of the bands against their definitions cell by cell, in fractions; and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tacref.bands import BAND_SHAPES, band_columns, leaves_path
from tests import oracles

SIDES = st.integers(1, 12)
WIDTHS = {
    "diagonal": st.integers(0, 13),
    "offset": st.integers(0, 13),
    "itakura": st.one_of(st.floats(1, 14), st.sampled_from([1, 1.25, 1.5, 2, 3.0])),
}


def mask(n, m, band, shape):
    first, stop = band_columns(n, m, band, shape)
    assert first.dtype == stop.dtype == np.int64
    assert first.shape == stop.shape == (n,)
    assert (np.diff(first) >= 0).all()
    assert (np.diff(stop) >= 0).all()
    columns = np.arange(m)
    return (first[:, None] <= columns) & (columns < stop[:, None])


@pytest.mark.parametrize("shape", BAND_SHAPES)
@given(n=SIDES, m=SIDES, data=st.data())
def test_cells_are_those_of_the_definition(shape, n, m, data):
    band = data.draw(WIDTHS[shape])
    expected = oracles.inside_band(n, m, band, shape)
    if oracles.is_connected(expected):
        assert_array_equal(mask(n, m, band, shape), expected)
        assert_array_equal(mask(m, n, band, shape), expected.T)
        assert leaves_path(*band_columns(n, m, band, shape), m)
    else:
        with pytest.raises(ValueError, match=r"no path"):
            band_columns(n, m, band, shape)


@pytest.mark.parametrize(("n", "m"), [(4999, 5003), (100_003, 99_989), (3, 2_000_001)])
def test_long_sequences_are_exact(n, m):
    slope = max(1.1, max(n, m) / min(n, m) * 1.5)
    for shape, band in (("diagonal", 7), ("offset", abs(n - m) + 7), ("itakura", slope)):
        first, stop = band_columns(n, m, band, shape)
        for i in {0, 1, 2, n // 3, n // 2, n - 2, n - 1}:
            for j in {first[i] - 1, first[i], stop[i] - 1, stop[i]}:
                inside = first[i] <= j < stop[i]
                assert inside == (0 <= j < m and oracles.is_inside(n, m, i, int(j), band, shape))


def test_the_least_slope_that_is_named_fits():
    for n, m in ((5, 3), (7, 9), (30, 41)):
        with pytest.raises(ValueError, match=r"a slope >= [\d.]+ for n") as refused:
            band_columns(n, m, 1.0, "itakura")
        least = float(str(refused.value).split(">= ")[1].split(" ")[0])
        assert leaves_path(*band_columns(n, m, least, "itakura"), m)
        with pytest.raises(ValueError, match="no path"):
            band_columns(n, m, least - 0.002, "itakura")


def test_no_band_and_wide_bands_leave_everything():
    for shape in BAND_SHAPES:
        assert mask(4, 6, None, shape).all()
    assert mask(4, 6, 10**30, "diagonal").all()
    assert mask(4, 6, 10**30, "offset").all()
    assert mask(1, 6, 0, "diagonal").all()
    assert mask(6, 1, 1.0, "itakura").all()
    assert mask(4, 6, 1e300, "itakura")[1:-1, 1:-1].all()


def test_diagonal_is_offset_for_equal_lengths():
    for band in range(6):
        assert_array_equal(mask(6, 6, band, "diagonal"), mask(6, 6, band, "offset"))


def test_slopes_are_read_to_three_decimals():
    assert_array_equal(mask(12, 12, 1.1, "itakura"), oracles.inside_band(12, 12, 1.1, "itakura"))
    # (10, 11) lies on the line of slope 1.1 itself.
    assert mask(41, 41, 1.1, "itakura")[10, 11]
    assert not mask(41, 41, 1.099, "itakura")[10, 11]


@pytest.mark.parametrize(
    ("n", "m", "band", "shape", "message"),
    [
        (3, 3, 1, "round", r"band_shape must be one of diagonal, offset, itakura, got 'round'"),
        (3, 3, 1, None, r"band_shape must be one of .*, got None"),
        (3, 5, 1, "offset", r"band must be >= \|n - m\| = 2 for n = 3 and m = 5, .* got 1"),
        (3, 5, 0, "diagonal", r"band must be >= 1 for n = 3 and m = 5, or no path fits, got 0"),
        (3, 5, -1, "diagonal", r"band must be a whole number >= 0 or None, got -1"),
        (3, 5, 1.5, "diagonal", r"band must be a whole number >= 0 or None, got 1\.5"),
        (3, 5, 0.5, "itakura", r"band must be at least 1, got 0\.5"),
        (3, 5, float("nan"), "itakura", r"band must be finite and > 0, got nan"),
        (3, 5, "2", "itakura", r"band must be a number, got '2'"),
        (5, 3, 1.0, "itakura", r"band must be a slope >= 2 for n = 5 and m = 3, .* got 1\.0"),
        (5, 2, 9.0, "itakura", r"'itakura' leaves no path for n = 5 and m = 2 at any slope"),
    ],
)
def test_refusals(n, m, band, shape, message):
    with pytest.raises(ValueError, match=message):
        band_columns(n, m, band, shape)
