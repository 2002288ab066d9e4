"""The checks of the reference, but those of times: kernels trust their input."""

import math

import numpy as np
from numpy.typing import ArrayLike

from tacref.bands import band_columns
from tacref.checks import check_positive, read_array


def check_cost(D: ArrayLike, name: str = "D") -> np.ndarray:
    """Return `D` as contiguous float64 `(n, m)`, non-empty and finite, as its sums along paths.

    Raises
    ------
    ValueError
        If it is not 2-d, empty, not of real numbers, or holds NaN, infinity or a value so large
        that a sum along a path could overflow.
    """
    array = check_finite(_as_matrix(D, name), name)
    _check_sums(array, name)
    return array


def check_path_cost(
    D: ArrayLike, band: float | None = None, band_shape: str = "diagonal"
) -> np.ndarray:
    """Return `D` as `check_cost` does, but with +inf for forbidden cells and outside `band`.

    Raises
    ------
    ValueError
        As `check_cost`, save for +inf; or if `band` is out of range or leaves no path.
    """
    array = _as_matrix(D, "D")
    refuse(array, ~(array > -np.inf), "D must not hold NaN or -inf")
    _check_sums(array, "D")
    n, m = array.shape
    first, stop = band_columns(n, m, band, band_shape)
    if band is None:
        return array
    columns = np.arange(m)
    outside_band = (columns < first[:, None]) | (columns >= stop[:, None])
    return np.where(outside_band, np.inf, array)


def check_smoothing(
    D: ArrayLike, gamma: float, band: float | None = None, band_shape: str = "diagonal"
) -> tuple[np.ndarray, float]:
    """Return `D` as `check_path_cost` does, and `gamma` > 0, if soft minima stay finite.

    Raises
    ------
    ValueError
        As `check_path_cost`, or if `gamma` is not finite and > 0, or so large that a sum could
        overflow.
    """
    array, smoothing = check_path_cost(D, band, band_shape), check_positive(gamma, "gamma")
    # A soft minimum of three lies at most gamma log 3 < 2 gamma below the least of them.
    if math.isinf((_largest(array) + 2.0 * smoothing) * sum(array.shape)):
        raise ValueError(f"gamma must stay finite when summed along a path, got {gamma!r}")
    return array, smoothing


def check_reached(value: float) -> float:
    """Return the value of an alignment, if there is a path.

    Raises
    ------
    ValueError
        If it is +inf: each path crosses a forbidden cell.
    """
    if math.isinf(value):
        raise ValueError(
            "D must leave a path of finite costs inside the band, got +inf across every path"
        )
    return value


def check_direction(Z: ArrayLike, D: np.ndarray, gamma: float) -> np.ndarray:
    """Return `Z` as contiguous float64 of the shape of `D`, finite, as its slopes along paths.

    Raises
    ------
    ValueError
        If it has another shape, is not of finite real numbers, or is so large that its sum along
        a path over gamma could overflow.
    """
    array = as_float64(Z, "Z")
    if array.shape != D.shape:
        raise ValueError(f"Z must have the shape of D, {D.shape}, got {array.shape}")
    check_finite(array, "Z")
    largest = _largest(array)
    # A difference of two sums along paths, of up to n + m - 1 cells each.
    if math.isinf(2.0 * largest * sum(D.shape) / min(gamma, 1.0)):
        raise ValueError(
            f"Z must stay finite when summed and divided by gamma = {gamma!r}, got {largest!r}"
        )
    return array


def check_square(D: ArrayLike, name: str) -> np.ndarray:
    """Return `D` as `check_cost` does, if it is square.

    Raises
    ------
    ValueError
        As `check_cost`, or if n != m.
    """
    array = check_cost(D, name)
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} must have shape (n, n), got {array.shape}")
    return array


def check_squared(D_X: np.ndarray, name: str) -> np.ndarray:
    """Return `D_X`, if no entry is negative.

    Raises
    ------
    ValueError
        If one is.
    """
    if (D_X < 0).any():
        raise ValueError(f"{name} must hold squared distances >= 0, got {float(D_X.min())!r}")
    return D_X


def check_vector(values: ArrayLike, name: str) -> np.ndarray:
    """Return `values` as float64 `(k,)`, non-empty, of numbers or +inf.

    Raises
    ------
    ValueError
        If it is not 1-d, empty, not of real numbers, or holds NaN or -inf.
    """
    array = as_float64(values, name)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must have shape (k,) with k >= 1, got {array.shape}")
    if not (array > -np.inf).all():
        raise ValueError(f"{name} must not hold NaN or -inf, got {array}")
    return array


def check_path(path: ArrayLike, shape: tuple[int, int]) -> np.ndarray:
    """Return `path` as int64 `(L, 2)`, if it is a monotone path through `shape`.

    Raises
    ------
    ValueError
        If it does not lead from (0, 0) to (n-1, m-1) by steps (1, 0), (0, 1), (1, 1).
    """
    cells = read_array(path, "path")
    if cells.ndim != 2 or cells.shape[1] != 2 or cells.dtype.kind not in "iu" or not len(cells):
        raise ValueError(
            f"path must be whole numbers of shape (L, 2), got {cells.dtype} of {cells.shape}"
        )
    cells = cells.astype(np.int64)
    n, m = shape
    ends = cells[0].tolist() + cells[-1].tolist()
    if ends != [0, 0, n - 1, m - 1]:
        raise ValueError(f"path must lead from (0, 0) to {(n - 1, m - 1)}, got {ends}")
    steps = np.diff(cells, axis=0)
    wrong = np.flatnonzero((steps < 0).any(1) | (steps > 1).any(1) | (steps == 0).all(1))
    if len(wrong):
        first = wrong[0]
        raise ValueError(
            f"path must step by (1, 0), (0, 1) or (1, 1), got {cells[first].tolist()} to "
            f"{cells[first + 1].tolist()}"
        )
    return cells


def check_embeddings(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return `x` and `y` as contiguous float64 `(n, d)` and `(m, d)`, non-empty and finite.

    Raises
    ------
    ValueError
        If a shape does not fit, or a value is not finite.
    """
    pair = check_rows(x, "x"), check_rows(y, "y")
    if pair[0].shape[1] != pair[1].shape[1]:
        raise ValueError(
            f"x and y must have the same d, got shapes {pair[0].shape} and {pair[1].shape}"
        )
    return pair


def check_rows(values: ArrayLike, name: str) -> np.ndarray:
    """Return embeddings as contiguous float64 `(n, d)`, non-empty and finite.

    Raises
    ------
    ValueError
        If the shape does not fit, or a value is not finite.
    """
    array = as_float64(values, name)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must have shape (frames, d), not empty, got {array.shape}")
    return check_finite(array, name)


def check_finite(array: np.ndarray, name: str) -> np.ndarray:
    """Return `array`, if it holds neither NaN nor infinity.

    Raises
    ------
    ValueError
        If it does.
    """
    refuse(array, ~np.isfinite(array), f"{name} must be finite")
    return array


def as_float64(values: ArrayLike, name: str) -> np.ndarray:
    """Return `values` as a contiguous array of float64.

    Raises
    ------
    ValueError
        If they are not an array of real numbers, or some are masked.
    """
    array = read_array(values, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return np.asarray(array, dtype=np.float64, order="C")


def _as_matrix(values: ArrayLike, name: str) -> np.ndarray:
    array = as_float64(values, name)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must have shape (n, m) with n, m >= 1, got {array.shape}")
    return array


def _check_sums(array: np.ndarray, name: str) -> None:
    largest = _largest(array)
    if math.isinf(largest * sum(array.shape)):
        raise ValueError(f"{name} must stay finite when summed along a path, got {largest!r}")


def _largest(array: np.ndarray) -> float:
    """Largest magnitude among the finite entries, 0 if there is none."""
    return float(np.abs(array).max(initial=0.0, where=np.isfinite(array)))


def refuse(array: np.ndarray, wrong: np.ndarray, message: str) -> None:
    """Raise a ValueError that shows the first wrong entry, if there is one."""
    if wrong.any():
        where = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise ValueError(f"{message}, got {array[where].item()!r} at {where}")
