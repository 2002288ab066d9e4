"""Which frames may be matched at all: bands of the cost matrix, as a range of columns per row."""

from typing import NamedTuple

import numpy as np

from tacref.checks import BAND_SHAPES, check_band, check_band_shape

__all__ = ["BAND_SHAPES", "Columns", "band_columns", "leaves_path"]

# Slopes are read to this share of 1: products with lengths stay whole numbers of 64 bits.
_SLOPE_STEPS = 1000
# Products of whole numbers below this fit into int64.
_MAX_INT64_PRODUCT = 2**62


class Columns(NamedTuple):
    """The columns of each row of a cost matrix that lie inside a band.

    `first[i]` is the first of row i and `stop[i]` one beyond the last; neither ever decreases.
    """

    first: np.ndarray
    stop: np.ndarray


def band_columns(n: int, m: int, band: float | None, shape: str = "diagonal") -> Columns:
    """Columns of each row of an `(n, m)` cost matrix that lie inside a band.

    - `"diagonal"`: |i (m-1) - j (n-1)| <= band max(n-1, m-1), that is, within `band` frames of the
      shorter sequence from the straight line that leads from corner to corner.
    - `"offset"`: |i - j| <= band. The same at n = m.
    - `"itakura"`: between the lines of slope `band` and 1 / `band` through both corners, where the
      straight line has slope 1: with u = i / (n-1), v = j / (m-1) and s = `band`,
      u / s <= v <= s u and (1-u) / s <= 1-v <= s (1-u).

    All three are exact and symmetric under transposition. If n = 1 or m = 1, every cell is inside.

    Parameters
    ----------
    n, m : int
        Lengths of the sequences, >= 1.
    band : int, float or None
        Width of the band in frames, a whole number; of "itakura" the largest slope, >= 1, which is
        read to three decimals. None:
        every cell is inside.
    shape : {"diagonal", "offset", "itakura"}
        See above.

    Returns
    -------
    Columns
        Named tuple `(first, stop)` of int64 arrays, shape (n,): the first column of each row
        inside the band, and one beyond its last. Neither ever decreases, and some path with steps
        (1, 0), (0, 1), (1, 1) fits in between.

    Raises
    ------
    ValueError
        If `shape` is unknown, or `band` is out of range or leaves no path.

    References
    ----------
    Sakoe & Chiba, "Dynamic programming algorithm optimization for spoken word recognition", IEEE
    TASSP 1978, for "offset"; Itakura, "Minimum prediction residual principle applied to speech
    recognition", IEEE TASSP 1975, for "itakura".
    """
    shape = check_band_shape(shape)
    width = check_band(band, n, m, shape)
    if width is None or n == 1 or m == 1:
        return Columns(np.zeros(n, np.int64), np.full(n, m, np.int64))
    if shape == "offset":
        return _offset_columns(n, m, int(width))
    if shape == "diagonal":
        return _diagonal_columns(n, m, int(width))
    columns = _itakura_columns(n, m, width)
    if not leaves_path(*columns, m):
        raise ValueError(_itakura_message(n, m, width))
    return columns


def leaves_path(first: np.ndarray, stop: np.ndarray, m: int) -> bool:
    """Tell whether a path with steps (1, 0), (0, 1), (1, 1) fits between such columns."""
    return bool(
        first[0] == 0 and stop[-1] == m and (first < stop).all() and (first[1:] <= stop[:-1]).all()
    )


def _offset_columns(n: int, m: int, band: int) -> Columns:
    rows = np.arange(n, dtype=np.int64)
    return Columns(np.maximum(rows - band, 0), np.minimum(rows + band + 1, m))


def _diagonal_columns(n: int, m: int, band: int) -> Columns:
    line = np.arange(n, dtype=np.int64) * (m - 1)
    # A band as wide as the longer sequence allows every cell, and wider ones would overflow.
    reach = min(band, max(n, m)) * max(n - 1, m - 1)
    first = -((reach - line) // (n - 1))  # rounded up
    return Columns(np.maximum(first, 0), np.minimum((line + reach) // (n - 1) + 1, m))


def _itakura_columns(n: int, m: int, slope: float) -> Columns:
    p, q = itakura_slope(slope, n, m)
    # NumPy's whole numbers where they suffice, else Python's, which are exact at any size.
    fits = max(p, q) * n * m < _MAX_INT64_PRODUCT
    rows = np.arange(n).astype(np.int64 if fits else object)
    # v <= s u, and 1 - v >= (1 - u) / s
    below = p * rows * (m - 1) // (q * (n - 1))
    above = m - 1 + -(q * (n - 1 - rows) * (m - 1)) // (p * (n - 1))
    last = np.minimum(below, above).astype(np.int64)
    # The band looks the same from the other corner.
    return Columns(m - 1 - last[::-1], last + 1)


def itakura_slope(slope: float, n: int, m: int) -> tuple[int, int]:
    """Return the slope as a fraction, to three decimals."""
    # A larger slope allows no more cells: the corners are forced by any.
    return round(min(slope, max(n, m)) * _SLOPE_STEPS), _SLOPE_STEPS


def _itakura_message(n: int, m: int, slope: float) -> str:
    where = f"for n = {n} and m = {m}"
    too_small, enough = _SLOPE_STEPS - 1, max(n, m) * _SLOPE_STEPS
    if not leaves_path(*_itakura_columns(n, m, max(n, m)), m):
        return f"band_shape 'itakura' leaves no path {where} at any slope"
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if leaves_path(*_itakura_columns(n, m, middle / _SLOPE_STEPS), m):
            enough = middle
        else:
            too_small = middle
    least = f"{enough / _SLOPE_STEPS:.3f}".rstrip("0").rstrip(".")
    return f"band must be a slope >= {least} {where}, or no path fits, got {slope!r}"
