"""A clip as an array of features, `(T, F)`, in a .npy file."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy

_BLOCK_BYTES = 1 << 24  # read at once from a file that need not fit in memory
# Version 3 differs from 2 in the encoding of names, which arrays of numbers do not have.
_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
    (3, 0): npy.read_array_header_2_0,
}


def load_features(path: str | Path, rows: np.ndarray | None = None) -> np.ndarray:
    """Read a feature array.

    Parameters
    ----------
    path : str or Path
        A `.npy` file of float or integer numbers, shape `(T, F)`. Never unpickled.
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
    with _open_array(path) as array:
        if rows is None:
            rows = np.arange(array.length)
        elif rows.size and rows.max() >= array.length:
            raise ValueError(f"{path}: has changed: no frame {rows.max()} of {array.length}")
        return _as_finite_float32(path, array.read(rows), rows)


def feature_shape(path: str | Path) -> tuple[int, int]:
    """Read all of a feature array, one block at a time, and return its shape `(T, F)`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_features`.
    """
    with _open_array(path) as array:
        step = max(1, _BLOCK_BYTES // (array.width * array.dtype.itemsize))
        for start in range(0, array.length, step):
            rows = np.arange(start, min(start + step, array.length))
            _as_finite_float32(path, array.read(rows), rows)
        return array.length, array.width


def _as_finite_float32(path: str | Path, array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # beyond float32 is infinity, refused below
        features = array.astype(np.float32, order="C", copy=False)
    if not np.isfinite(features).all():
        frame, feature = np.argwhere(~np.isfinite(features))[0]
        raise ValueError(
            f"{path}: holds {features[frame, feature]} at frame {rows[frame]}, feature {feature}"
        )
    return features


class Header(NamedTuple):
    """What a .npy file says of its array `(T, F)`: T, F, the type, whether columns come first."""

    length: int
    width: int
    dtype: np.dtype
    by_columns: bool


def read_header(name: str | Path, file: BinaryIO) -> Header:
    """Read the header of a .npy file, up to the first number.

    Raises
    ------
    ValueError
        If it is none, or not of numbers `(T, F)`; the message begins with `name`.
    """
    try:
        shape, by_columns, dtype = _HEADERS[npy.read_magic(file)](file)
    except OSError:
        raise
    except Exception:  # NumPy parses the header as Python code, which can raise anything
        raise ValueError(f"{name}: not a plain .npy array, or cut off") from None
    if len(shape) != 2 or dtype.kind not in "fiu" or min(shape) < 1:
        raise ValueError(f"{name}: must hold numbers of shape (T, F), got {dtype} of shape {shape}")
    return Header(int(shape[0]), int(shape[1]), dtype, bool(by_columns))


class _Array:
    """An open .npy file whose header was read and compared with its size.

    It is not mapped into memory: if a mapped file is shortened, its reader is killed.
    """

    def __init__(self, path: str | Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        try:
            self.length, self.width, self.dtype, self._by_columns = read_header(path, file)
        except ValueError:
            if zipfile.is_zipfile(file):
                raise ValueError(f"{path}: is an archive of arrays, not one .npy array") from None
            raise
        self._start = file.tell()
        stated = self.length * self.width * self.dtype.itemsize
        if os.fstat(file.fileno()).st_size < self._start + stated:
            raise ValueError(
                f"{path}: not a plain .npy array, or cut off: holds less than {self.dtype} of "
                f"shape {(self.length, self.width)}"
            )

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows; consecutive rows are read fastest."""
        if self._by_columns:
            low, count = rows.min(), np.ptp(rows) + 1
            columns = (
                self._numbers(feature * self.length + low, count)[rows - low]
                for feature in range(self.width)
            )
            return np.stack(list(columns), axis=1)
        runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
        blocks = [self._numbers(run[0] * self.width, len(run) * self.width) for run in runs]
        numbers = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return numbers.reshape(len(rows), self.width)

    def _numbers(self, start: int, count: int) -> np.ndarray:
        self._file.seek(self._start + int(start) * self.dtype.itemsize)
        numbers = np.fromfile(self._file, self.dtype, int(count))
        if len(numbers) < count:
            raise ValueError(f"{self._path}: was cut off while it was read")
        return numbers


@contextmanager
def _open_array(path: str | Path) -> Iterator[_Array]:
    try:
        with open(path, "rb") as file:
            yield _Array(path, file)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such feature array") from None
    except OSError as error:
        raise ValueError(f"{path}: not a plain .npy array ({error.strerror})") from None
