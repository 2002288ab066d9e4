"""A clip as an array of features, `(T, F)`, in a .npy file or with its times in a .npz archive."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tacref.data.arrays import StoredArray, open_array, stated_times

_BLOCK_BYTES = 1 << 24  # read at once from a file that need not fit in memory


def load_features(path: str | Path, rows: np.ndarray | None = None) -> np.ndarray:
    """Read a feature array.

    Parameters
    ----------
    path : str or Path
        A `.npy` file of float or integer numbers, shape `(T, F)`, or an `.npz` archive with such an
        array `features`. Never unpickled.
    rows : ndarray of int64, shape (N,), optional
        Frames to read; only these are kept and checked. By default all.

    Returns
    -------
    ndarray of float32, shape (T, F) or (N, F)
        One row per frame.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such an array, is empty, holds NaN or infinity, or no longer has such a row.
    """
    with open_array(path) as array:
        if rows is None:
            rows = np.arange(array.length)
        elif rows.size and rows.max() >= array.length:
            raise ValueError(f"{path}: has changed: no frame {rows.max()} of {array.length}")
        return _as_finite_float32(path, array.read(rows), rows)


def iter_features(path: str | Path) -> Iterator[tuple[np.ndarray, float | None]]:
    """Yield rows of a feature array, and the time of each in seconds where the file states it.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_features`; or if times are not as `stated_times` takes them.
    """
    with open_array(path) as array:
        times = stated_times(path, array.length)
        for rows, features in _blocks(path, array):
            for frame, row in zip(rows.tolist(), features, strict=True):
                yield row, None if times is None else float(times[frame])


def feature_shape(path: str | Path) -> tuple[int, int]:
    """Read all of a feature array, one block at a time, and return its shape `(T, F)`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `iter_features`.
    """
    with open_array(path) as array:
        stated_times(path, array.length)
        for _ in _blocks(path, array):
            pass
        return array.length, array.width


def feature_times(path: str | Path) -> np.ndarray | None:
    """Return the seconds of a clip's frames where its file states them, else None.

    Raises
    ------
    FileNotFoundError, ValueError
        As `iter_features`, as far as that shows without reading features.
    """
    with open_array(path) as array:
        return stated_times(path, array.length)


def _blocks(path: str | Path, array: StoredArray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the numbers of consecutive frames, and their features."""
    step = max(1, _BLOCK_BYTES // (array.width * array.dtype.itemsize))
    for start in range(0, array.length, step):
        rows = np.arange(start, min(start + step, array.length))
        yield rows, _as_finite_float32(path, array.read(rows), rows)


def _as_finite_float32(path: str | Path, array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # beyond float32 is infinity, refused below
        features = array.astype(np.float32, order="C", copy=False)
    if not np.isfinite(features).all():
        frame, feature = np.argwhere(~np.isfinite(features))[0]
        raise ValueError(
            f"{path}: holds {features[frame, feature]} at frame {rows[frame]}, feature {feature}"
        )
    return features
