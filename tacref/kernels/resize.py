"""Pictures resized in integers: rows first, on bytes as they lie, then columns.

`tacref.resizing` says what the resized picture is.
"""

from functools import lru_cache

import numpy as np

from tacref.compiled import njit
from tacref.resizing import COLUMN_BITS, LEVEL_BITS, ROW_BITS


def resize(frame: np.ndarray, size: int) -> np.ndarray:
    """Resize a picture to a square.

    Parameters
    ----------
    frame : ndarray of uint8, shape (H, W, 3)
        Not modified.
    size : int
        Side of the square in pixels, >= 1.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
        `frame` itself if it already has that size.
    """
    height, width, _ = frame.shape
    if (height, width) == (size, size):
        return frame
    # Writable: Numba would compile again for a read-only array.
    pixels = np.require(frame, requirements=("C", "W")).reshape(height, 3 * width)
    rows, columns = _taps(height, size, ROW_BITS), _taps(width, size, COLUMN_BITS)
    resized = resize_bytes(pixels, rows, ROW_BITS - LEVEL_BITS, columns, COLUMN_BITS + LEVEL_BITS)
    return resized.reshape(size, size, 3)


def resize_all(frames: np.ndarray, size: int) -> np.ndarray:
    """Resize pictures to squares, each as `resize` does.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W, 3)
        Not modified.
    size : int
        Side of the squares in pixels, >= 1.

    Returns
    -------
    ndarray of uint8, shape (T, size, size, 3)
        `frames` itself if they already have that size.
    """
    if frames.shape[1:3] == (size, size):
        return frames
    return np.stack([resize(frame, size) for frame in frames])


def crop_center(frame: np.ndarray, size: int, crops_from: int) -> np.ndarray:
    """Crop the square at the center that becomes `size` x `size` once a picture is resized.

    Parameters
    ----------
    frame : ndarray of uint8, shape (H, W, 3)
        Not modified.
    size : int
        Side of the square after resizing, >= 1.
    crops_from : int
        Length of the picture's shorter side after resizing, >= `size`.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        A view; not yet resized.
    """
    height, width, _ = frame.shape
    side = max(1, (min(height, width) * size + crops_from // 2) // crops_from)
    top, left = (height - side) // 2, (width - side) // 2
    return frame[top : top + side, left : left + side]


@lru_cache(maxsize=64)
def _taps(n: int, size: int, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return taps(n, size, 1 << bits)


@njit(cache=True)
def taps(n: int, size: int, total: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the source pixels of each target pixel, first and count, and their integer weights.

    The weights `(size, most)` of each target pixel sum to `total`.
    """
    reach = max(n, size)
    most = 2 * reach // size + 1
    first, count = np.zeros(size, np.int64), np.zeros(size, np.int64)
    weights = np.zeros((size, most), np.int32)
    for t in range(size):
        center = (2 * t + 1) * n
        start = max(0, (center - 2 * reach - size) // (2 * size) + 1)
        stop = min(n, -((size - center - 2 * reach) // (2 * size)))
        whole = 0
        for s in range(start, stop):
            whole += 2 * reach - abs((2 * s + 1) * size - center)
        part = below = 0
        for s in range(start, stop):
            part += 2 * reach - abs((2 * s + 1) * size - center)
            # Halves are rounded towards the middle: weights have the mirror symmetry of pictures.
            share = (2 * total * part + whole - (2 * part > whole)) // (2 * whole)
            weights[t, s - start] = share - below
            below = share
        first[t], count[t] = start, stop - start
    return first, count, weights


@njit(cache=True, nogil=True)
def resize_bytes(
    frame: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    row_shift: int,
    columns: tuple[np.ndarray, np.ndarray, np.ndarray],
    column_shift: int,
) -> np.ndarray:
    """Return a picture `(H, 3 W)` of bytes resized to `(size, 3 size)`.

    A sum over rows, of which `row_shift` bits are rounded away, is what columns are summed of.
    """
    row_first, row_count, row_weights = rows
    column_first, column_count, column_weights = columns
    size, width = len(row_first), frame.shape[1]
    resized = np.empty((size, 3 * size), np.uint8)
    line = np.empty(width, np.int32)
    for t in range(size):
        line[:] = 1 << (row_shift - 1)
        for k in range(row_count[t]):
            source, weight = frame[row_first[t] + k], row_weights[t, k]
            for x in range(width):
                line[x] += np.int32(weight) * np.int32(source[x])
        for x in range(width):
            line[x] >>= row_shift
        for u in range(size):
            red = green = blue = 1 << (column_shift - 1)
            x = 3 * column_first[u]
            for k in range(column_count[u]):
                weight = column_weights[u, k]
                red += weight * line[x]
                green += weight * line[x + 1]
                blue += weight * line[x + 2]
                x += 3
            resized[t, 3 * u] = red >> column_shift
            resized[t, 3 * u + 1] = green >> column_shift
            resized[t, 3 * u + 2] = blue >> column_shift
    return resized
