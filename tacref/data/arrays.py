"""Arrays in .npy files and .npz archives: read a part at a time, never mapped, never unpickled."""

import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

ARCHIVE_SUFFIX = ".npz"
# Arrays of an archive that is a clip.
FEATURES, TIMES = "features", "times"
_FEATURES_FILE, _TIMES_FILE = f"{FEATURES}.npy", f"{TIMES}.npy"
# Version 3 differs from 2 in the encoding of names, which arrays of numbers do not have.
_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
    (3, 0): npy.read_array_header_2_0,
}
# What damage to an archive raises, also an encrypted one or one of an unknown compression.
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # NotImplementedError is one
)


class Header(NamedTuple):
    """What a .npy file says of its array `(T, F)`: T, F, the type, whether columns come first."""

    length: int
    width: int
    dtype: np.dtype
    by_columns: bool


def read_header(name: str | Path, file: IO[bytes]) -> Header:
    """Read the header of a .npy file, up to the first number.

    Raises
    ------
    ValueError
        If it is none, or not of numbers `(T, F)`; the message begins with `name`.
    """
    shape, by_columns, dtype = _read_any_header(name, file)
    if len(shape) != 2 or dtype.kind not in "fiu" or min(shape) < 1:
        raise ValueError(f"{name}: must hold numbers of shape (T, F), got {dtype} of shape {shape}")
    return Header(int(shape[0]), int(shape[1]), dtype, by_columns)


def _read_any_header(name: str | Path, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        shape, by_columns, dtype = _HEADERS[npy.read_magic(file)](file)
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise
    except Exception:  # NumPy parses the header as Python code, which can raise anything
        raise ValueError(f"{name}: not a plain .npy array, or cut off") from None
    return shape, bool(by_columns), dtype


class StoredArray:
    """An open array `(T, F)` whose header was read and compared with the size of its file.

    It is not mapped into memory: if a mapped file is shortened, its reader is killed.

    Parameters
    ----------
    path : str or Path
        A .npy file, or an archive that holds the array as `features`.
    file : file
        Open at the beginning of the array.
    size : int
        Bytes of `file`.
    """

    def __init__(self, path: str | Path, file: IO[bytes], size: int) -> None:
        self._path, self._file = path, file
        name = f"{path}: {FEATURES}" if isinstance(file, zipfile.ZipExtFile) else path
        try:
            self.length, self.width, self.dtype, self._by_columns = read_header(name, file)
        except ValueError:
            if not isinstance(file, zipfile.ZipExtFile) and zipfile.is_zipfile(file):
                raise ValueError(
                    f"{path}: is an archive of arrays, not one .npy array; an archive is a clip if "
                    f"it is called {Path(path).stem}{ARCHIVE_SUFFIX}"
                ) from None
            raise
        self._start = file.tell()
        if size < self._start + self.length * self.width * self.dtype.itemsize:
            raise ValueError(
                f"{name}: not a plain .npy array, or cut off: holds less than {self.dtype} of "
                f"shape {(self.length, self.width)}"
            )

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows; consecutive rows are read fastest, those of an archive from its start on."""
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
        if isinstance(self._file, zipfile.ZipExtFile):
            numbers = np.empty(int(count), self.dtype)
            read = self._file.readinto(numbers.view(np.uint8).data) // self.dtype.itemsize
        else:
            numbers = np.fromfile(self._file, self.dtype, int(count))
            read = len(numbers)
        if read < count:
            raise ValueError(f"{self._path}: was cut off while it was read")
        return numbers


@contextmanager
def open_array(path: str | Path) -> Iterator[StoredArray]:
    """Open the features of a clip, `.npy` or `.npz`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such an array, or an archive without one; also while it is read, if it is
        damaged.
    """
    if is_archive(path):
        with _open_archive(path) as archive, archive.open(_FEATURES_FILE) as member:
            yield StoredArray(path, member, archive.getinfo(_FEATURES_FILE).file_size)
        return
    try:
        with open(path, "rb") as file:
            yield StoredArray(path, file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise ValueError(f"{path}: not a plain .npy array ({error.strerror})") from None


def is_archive(path: str | Path) -> bool:
    """Return whether a path is that of an archive, by its suffix."""
    return Path(path).suffix.lower() == ARCHIVE_SUFFIX


def stated_times(path: str | Path, length: int) -> np.ndarray | None:
    """Return the seconds of a clip's frames as an archive states them, or None.

    Parameters
    ----------
    path : str or Path
        The clip's features.
    length : int
        Number of its frames.

    Returns
    -------
    ndarray of float64, shape (T,), or None
        None for a `.npy` file, and for an archive without times.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If they are not one finite number a frame that rise, or the archive is damaged.
    """
    if not is_archive(path):
        return None
    with _open_archive(path) as archive:
        if _TIMES_FILE not in archive.namelist():
            return None
        with archive.open(_TIMES_FILE) as file:
            shape, _, dtype = _read_any_header(f"{path}: {TIMES}", file)
            if shape != (length,) or dtype.kind not in "fiu":
                raise ValueError(
                    f"{path}: {TIMES} must be one number a frame, of shape ({length},), got "
                    f"{dtype} of shape {shape}"
                )
            content = file.read(length * dtype.itemsize)
    if len(content) < length * dtype.itemsize:
        raise ValueError(f"{path}: {TIMES}: not a plain .npy array, or cut off")
    times = np.frombuffer(content, dtype).astype(np.float64)
    wrong = ~np.isfinite(times)
    wrong[1:] |= times[1:] <= times[:-1]
    if not wrong.any():
        return times
    frame = int(np.argmax(wrong))
    after = f" after {times[frame - 1]:g}" if frame else ""
    raise ValueError(
        f"{path}: {TIMES} must be finite seconds, each later than the one before, got "
        f"{times[frame]:g} at frame {frame}{after}"
    )


def archived_names(path: str | Path) -> list[str]:
    """Return the names of the arrays in an archive.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is not an archive.
    """
    with _reporting_damage(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


@contextmanager
def _open_archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive that holds features, perhaps times, and nothing else."""
    with _reporting_damage(path), zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if sorted(members) not in ([_FEATURES_FILE], [_FEATURES_FILE, _TIMES_FILE]):
            raise ValueError(
                f"{path}: must hold {_FEATURES_FILE} (T, F), may hold {_TIMES_FILE} (T,), and "
                f"nothing else; holds {', '.join(members) or 'nothing'}"
            )
        yield archive


@contextmanager
def _reporting_damage(path: str | Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise _missing(path) from None
    except _ARCHIVE_ERRORS as error:
        raise ValueError(f"{path}: damaged, or not a .npz archive ({error})") from None


def _missing(path: str | Path) -> FileNotFoundError:
    return FileNotFoundError(f"{path}: no such feature array")
