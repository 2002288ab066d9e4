"""Resizing pictures: the same bytes in training, in torch and in an exported graph.

Antialiased linear interpolation, the triangle filter of Pillow's BILINEAR and of torch's
`interpolate(antialias=True)`, aspect ratio not kept. The weight of source pixel s for target pixel
t, of `n` and `size`, is proportional to

    a_ts = max(0, 2 max(n, size) - |(2 s + 1) size - (2 t + 1) n|).

Weights are integers that sum to 2^16 over rows and to 2^14 over columns: differences of the
cumulative sums of a_ts over s, each rounded. Rows are summed first, rounded to a quarter of a level
(10 bits), then columns, rounded to a byte; halves are rounded up. All sums are integers below 2^24,
which float32 holds exactly: any code that adds them up, in any order, gives the same bytes.
"""

from functools import lru_cache

import numpy as np

ROW_BITS, COLUMN_BITS = 16, 14  # of the weights
LEVEL_BITS = 2  # kept of a level's fraction between the two


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
    from tacref.kernels.resize import (
        resize_bytes,  # imports Numba, which reading features does not need
    )

    # Writable: Numba would compile again for a read-only array.
    pixels = np.require(frame, requirements=("C", "W")).reshape(height, 3 * width)
    rows, columns = _taps(height, size, ROW_BITS), _taps(width, size, COLUMN_BITS)
    resized = resize_bytes(pixels, rows, ROW_BITS - LEVEL_BITS, columns, COLUMN_BITS + LEVEL_BITS)
    return resized.reshape(size, size, 3)


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
    from tacref.kernels.resize import taps

    return taps(n, size, 1 << bits)
