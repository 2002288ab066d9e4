"""Pictures on their way to an encoder: each change in one pass over each picture."""

import math

import numpy as np

from tacref.compiled import inner, njit


@njit(cache=True, nogil=True)
def change_pictures(
    frames: np.ndarray,
    levels: np.ndarray,
    mirrored: bool,
    order: np.ndarray,
    transform: np.ndarray,
    inverted: bool,
) -> np.ndarray:
    """Change levels and order of colors, mirror, interpolate linearly, and invert.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W, 3)
        Pictures.
    levels : ndarray of uint8, shape (256,)
        What becomes of each level.
    mirrored : bool
        Whether left and right are exchanged, before they are moved.
    order : ndarray of int64, shape (3,)
        Which color becomes the first, the second and the third.
    transform : ndarray of float64, shape (6,)
        (a, b, c, d, e, f): the point (x, y) of the result shows (a x + b y + c, d x + e y + f), in
        pixels from the corner.
    inverted : bool
        Whether colors are inverted at the end, and with them the black beyond the edges.

    Returns
    -------
    ndarray of uint8, shape (T, H, W, 3)
        Bit for bit what Pillow's `Image.transform` makes of each picture: numbers of float64,
        whose fraction is cut off.
    """
    T, H, W, _ = frames.shape
    corner, below, right, weights = _neighbors(H, W, transform)
    out = np.empty((T, H * W, 3), np.uint8)
    source = np.empty(3 * H * W)
    outside = 255 if inverted else 0
    for t in range(T):
        for y in range(H):
            for x in range(W):
                pixel = frames[t, y, W - 1 - x if mirrored else x]
                for c in range(3):
                    source[3 * (y * W + x) + c] = levels[pixel[order[c]]]
        for k in range(H * W):
            i, j, step = corner[k], below[k], right[k]
            across, down = weights[k]
            for c in range(3):
                if i < 0:
                    out[t, k, c] = outside
                    continue
                upper = source[i + c] + (source[i + step + c] - source[i + c]) * across
                lower = source[j + c] + (source[j + step + c] - source[j + c]) * across
                level = np.uint8(upper + (lower - upper) * down)
                out[t, k, c] = 255 - level if inverted else level
    return out.reshape(frames.shape)


@njit(cache=True, nogil=True)
def look_up(frames: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the numbers that a table has for the levels of each color.

    Parameters
    ----------
    frames : ndarray of uint8, shape (M, H, W, 3)
        Pictures.
    table : ndarray of float32, shape (256, 3)
        What becomes of each level.

    Returns
    -------
    ndarray of float32, shape (M, H, W, 3)
        The numbers.
    """
    out = np.empty(frames.shape, np.float32)
    for m in range(frames.shape[0]):
        for y in range(frames.shape[1]):
            for x in range(frames.shape[2]):
                for c in range(3):
                    out[m, y, x, c] = table[frames[m, y, x, c], c]
    return out


@inner
def _neighbors(
    H: int, W: int, transform: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return of each pixel where the four are that it is interpolated from, and their weights.

    Positions are those of numbers, three a pixel: of the upper left neighbor (-1 beyond the edges),
    of the one below it, and how far the right ones are from them. Weights are those of the right
    and of the lower ones.
    """
    corner, below = np.empty(H * W, np.int64), np.empty(H * W, np.int64)
    right, weights = np.empty(H * W, np.int64), np.empty((H * W, 2))
    for k in range(H * W):
        x, y = k % W + 0.5, k // W + 0.5
        u = transform[0] * x + transform[1] * y + transform[2]
        v = transform[3] * x + transform[4] * y + transform[5]
        if u < 0 or u >= W or v < 0 or v >= H:
            corner[k] = -1
            continue
        left, top = math.floor(u - 0.5), math.floor(v - 0.5)
        weights[k] = u - 0.5 - left, v - 0.5 - top
        # At an edge the pixel on it is its own neighbor.
        column, row = max(left, 0), max(top, 0)
        corner[k] = 3 * (row * W + column)
        below[k] = 3 * (min(top + 1, H - 1) * W + column)
        right[k] = 3 * (min(left + 1, W - 1) - column)
    return corner, below, right, weights
