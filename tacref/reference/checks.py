"""Every check of the reference: kernels trust their input."""

import math
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import check_positive


def check_cost(D: ArrayLike, name: str = "D") -> np.ndarray:
    """Return `D` as contiguous float64 `(n, m)`, non-empty and finite, as its sums along paths.

    Raises
    ------
    ValueError
        If it is not 2-d, empty, not of real numbers, or holds NaN, infinity or a value so large
        that a sum along a path could overflow.
    """
    array = _as_float64(D, name)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must have shape (n, m) with n, m >= 1, got {array.shape}")
    _check_finite(array, name)
    largest = _largest(array)
    if math.isinf(largest * sum(array.shape)):
        raise ValueError(f"{name} must stay finite when summed along a path, got {largest!r}")
    return array


def check_smoothing(D: ArrayLike, gamma: float) -> tuple[np.ndarray, float]:
    """Return `D` as `check_cost` does, and `gamma` > 0, if soft minima along paths stay finite.

    Raises
    ------
    ValueError
        As `check_cost`, or if `gamma` is not finite and > 0, or so large that a sum could overflow.
    """
    array, smoothing = check_cost(D), check_positive(gamma, "gamma")
    # A soft minimum of three lies at most gamma log 3 < 2 gamma below the least of them.
    if math.isinf((_largest(array) + 2.0 * smoothing) * sum(array.shape)):
        raise ValueError(f"gamma must stay finite when summed along a path, got {gamma!r}")
    return array, smoothing


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
    array = _as_float64(values, name)
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
    cells = np.asarray(path)
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
    pair = _as_float64(x, "x"), _as_float64(y, "y")
    for array, name in zip(pair, "xy", strict=True):
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"{name} must have shape (frames, d), not empty, got {array.shape}")
        _check_finite(array, name)
    if pair[0].shape[1] != pair[1].shape[1]:
        raise ValueError(
            f"x and y must have the same d, got shapes {pair[0].shape} and {pair[1].shape}"
        )
    return pair


def check_times(
    times: ArrayLike | None, video_length: int | None, n: int, suffix: str = ""
) -> tuple[np.ndarray, int]:
    """Return the frame numbers of n rows and the video's length, by default 0 … n-1 and n.

    `suffix` is that of the arguments' names.

    Raises
    ------
    ValueError
        If `times` are not n whole numbers >= 0, or `video_length` is not a whole number beyond
        them and below 2^63.
    """
    name, length_name = f"times{suffix}", f"video_length{suffix}"
    frames = np.arange(n) if times is None else np.asarray(times)
    if frames.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), one a row, got {frames.shape}")
    if frames.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole frame numbers, got dtype {frames.dtype}")
    first, last = int(frames.min()), int(frames.max())
    if first < 0:
        raise ValueError(f"{name} must be >= 0, got {first}")
    if video_length is None:
        if times is not None:
            raise ValueError(f"{length_name} must be given with {name}, got None")
        video_length = n
    if not (isinstance(video_length, Integral) and last < video_length < 2**63):
        raise ValueError(
            f"{length_name} must be a whole number > the last frame number {last}, "
            f"got {video_length!r}"
        )
    return frames.astype(np.int64), int(video_length)


def _as_float64(values: ArrayLike, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return np.asarray(array, dtype=np.float64, order="C")


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array).max())


def _check_finite(array: np.ndarray, name: str) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(index) for index in np.argwhere(~finite)[0])
        raise ValueError(f"{name} must be finite, got {array[where]!r} at {where}")
