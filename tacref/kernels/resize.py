"""Pictures resized in integers: rows first, on bytes as they lie, then columns.

`tacref.resizing` says what the resized picture is.
"""

from functools import lru_cache

import numpy as np

from tacref.compiled import njit
from tacref.kernels.simd_ints import (
    LANES,
    PIXELS,
    load_bytes,
    load_ints,
    plus,
    plus_product,
    shifted,
    splat_int,
    store_ints,
    store_pixel,
    sum_of_pixels,
)
from tacref.resizing import COLUMN_BITS, LEVEL_BITS, ROW_BITS

# Bytes of a row that are summed together, over the rows of the picture.
TILE = 4 * LANES


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
    rows, columns = _row_taps(height, size), _column_taps(width, size)
    if 3 * width < TILE:
        frame = np.pad(frame, ((0, 0), (0, TILE // 3 + 1 - width), (0, 0)))
    # Writable: Numba would compile again for a read-only array.
    pixels = np.require(frame, requirements=("C", "W")).reshape(-1)
    row_shift, column_shift = ROW_BITS - LEVEL_BITS, COLUMN_BITS + LEVEL_BITS
    resized = resize_bytes(pixels, 3 * frame.shape[1], rows, row_shift, columns, column_shift)
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
def _row_taps(n: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return taps(n, size, 1 << ROW_BITS)


@lru_cache(maxsize=64)
def _column_taps(n: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, count, weights = taps(n, size, 1 << COLUMN_BITS)
    return first, count, thrice(weights)


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


@njit(cache=True)
def thrice(weights: np.ndarray) -> np.ndarray:
    """Return weights `(size, most)` of pixels as those of their bytes, `PIXELS` to a vector."""
    size, most = weights.shape
    of_bytes = np.zeros((size, (most + PIXELS - 1) // PIXELS * LANES), np.int32)
    for u in range(size):
        for k in range(most):
            start = k // PIXELS * LANES + k % PIXELS * 3
            of_bytes[u, start : start + 3] = weights[u, k]
    return of_bytes


@njit(cache=True, nogil=True)
def resize_bytes(
    frame: np.ndarray,
    width: int,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    row_shift: int,
    columns: tuple[np.ndarray, np.ndarray, np.ndarray],
    column_shift: int,
) -> np.ndarray:
    """Return a picture of `width` bytes a row, at least `TILE`, resized to `(size * 3 size)` bytes.

    A sum over rows, of which `row_shift` bits are rounded away, is what columns are summed of.
    """
    row_first, row_count, row_weights = rows
    column_first, column_count, column_weights = columns
    size, stride = len(row_first), column_weights.shape[1]
    weights = column_weights.reshape(-1)
    # The last pixel is written with a byte more than it has.
    resized = np.empty(3 * size * size + 1, np.uint8)
    line = np.zeros(width + LANES, np.int32)
    row_half, column_half = splat_int(1 << (row_shift - 1)), splat_int(1 << (column_shift - 1))
    for t in range(size):
        for tile in range(0, width, TILE):
            x = min(tile, width - TILE)
            a = b = c = d = row_half
            start = row_first[t] * width + x
            for k in range(row_count[t]):
                weight = splat_int(row_weights[t, k])
                a = plus_product(a, load_bytes(frame, start), weight)
                b = plus_product(b, load_bytes(frame, start + LANES), weight)
                c = plus_product(c, load_bytes(frame, start + 2 * LANES), weight)
                d = plus_product(d, load_bytes(frame, start + 3 * LANES), weight)
                start += width
            store_ints(line, x, shifted(a, row_shift))
            store_ints(line, x + LANES, shifted(b, row_shift))
            store_ints(line, x + 2 * LANES, shifted(c, row_shift))
            store_ints(line, x + 3 * LANES, shifted(d, row_shift))
        for u in range(size):
            total = splat_int(0)
            x, w = 3 * column_first[u], u * stride
            for _ in range((column_count[u] + PIXELS - 1) // PIXELS):
                # Of 16 lanes, the last belongs to the next vector: its weight is 0.
                total = plus_product(total, load_ints(line, x), load_ints(weights, w))
                x += 3 * PIXELS
                w += LANES
            rounded = shifted(plus(sum_of_pixels(total), column_half), column_shift)
            store_pixel(resized, 3 * (t * size + u), rounded)
    return resized[:-1]
