"""Contrastive-IDM (equation 7) of batches of embeddings, value and gradient in one pass."""

import math
from typing import NamedTuple

import numpy as np

from tacref.compiled import njit
from tacref.kernels.costs import (
    COLUMNS,
    ROWS,
    STRIDE,
    add_weighted_differences,
    copy_columns,
    copy_rows,
    diagonals,
    move_rows,
    padded,
    squared_distances,
)
from tacref.kernels.simd import LANES


class Form(NamedTuple):
    """A variant with its options; the flags are those of `tacref.variants.Variant`."""

    sigma: int
    margin: float
    near_weight_falls: bool
    far_weight_rises: bool
    of_roots: bool
    mean_over_pairs: bool


@njit(nogil=True, cache=True)
def idm_items(
    x: np.ndarray,
    lengths: np.ndarray,
    times: np.ndarray,
    video_lengths: np.ndarray,
    form: Form,
    with_grad: bool,
    start: int,
    stop: int,
    values: np.ndarray,
    grad: np.ndarray,
) -> None:
    """Write values, and with `with_grad` gradients, of the items `start` to `stop`.

    Each pair of frames is taken once, with weight 2.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (B, n, d)
        Embeddings, C-contiguous.
    lengths : ndarray of int64, shape (B,)
        Valid rows.
    times, video_lengths : ndarray of int64 and float64, shapes (B, n) and (B,)
        Frame numbers, and what their differences are divided by in weights.
    form : Form
        Of equation 7.
    with_grad : bool
        Whether gradients are written.
    start, stop : int
        First item, and one beyond the last.
    values : ndarray of float64, shape (B,)
        Written.
    grad : ndarray, shape and dtype of x
        Written; empty without `with_grad`.
    """
    n, d = x.shape[1], x.shape[2]
    width, columns_width = padded(d, 2 * LANES), padded(n, COLUMNS) + COLUMNS
    flat, out = np.zeros((padded(n, 4) + 4) * width), np.zeros((padded(n, 4) + 4) * width)
    transposed = np.zeros(d * columns_width)
    strip = np.empty(diagonals(n) * STRIDE)
    # Of one type, as in `add_gradients`.
    next_row, next_column = int(STRIDE + 1), int(STRIDE)
    for b in range(start, stop):
        count = lengths[b]
        copy_rows(x[b], count, flat, width)
        copy_columns(x[b], count, transposed, columns_width)
        value = 0.0
        for first in range(0, count, ROWS):
            height = min(ROWS, count - first)
            squared_distances(
                strip, flat, first * width, width, height, transposed, columns_width, first,
                count, d,
            )  # fmt: skip
            value += _weigh(strip, first, height, count, times[b], video_lengths[b], form)
            if with_grad:
                origin = -first * (next_row + next_column)
                add_weighted_differences(
                    strip, origin, next_row, next_column, flat, flat, out, first, first + height,
                    first, count, width,
                )  # fmt: skip
                add_weighted_differences(
                    strip, origin, next_column, next_row, flat, flat, out, first, count, first,
                    first + height, width,
                )  # fmt: skip
        # Pairs (i, j) and (j, i), and over n^2 for a mean.
        scale = 2.0 / count**2 if form.mean_over_pairs else 2.0
        values[b] = scale * value
        if with_grad:
            move_rows(out, 2.0 * scale, count, width, grad[b])


@njit(cache=True)
def _weigh(
    strip: np.ndarray,
    first: int,
    height: int,
    count: int,
    times: np.ndarray,
    video_length: float,
    form: Form,
) -> float:
    """Return the sum over a strip's pairs i < j; write its slopes in place of the distances."""
    value = 0.0
    for i in range(height):
        # 0 but for a frame that is not finite: NaN, and so is the value.
        value += strip[2 * i * STRIDE + i]
        # Up to 3 more rows and columns are read together with those that count.
        for j in range(i + 1):
            strip[(i + j) * STRIDE + i] = 0.0
        for j in range(count - first, count - first + 4):
            strip[(i + j) * STRIDE + i] = 0.0
        for j in range(i + 1, count - first):
            index = (i + j) * STRIDE + i
            distance = math.sqrt(strip[index]) if form.of_roots else strip[index]
            # On whole frames: a window in floating point misjudges pairs exactly sigma apart.
            gap = abs(times[first + i] - times[first + j])
            rising = (gap / video_length) ** 2 + 1.0
            slope = 0.0
            if gap <= form.sigma:
                near_weight = 1.0 / rising if form.near_weight_falls else 1.0
                value += near_weight * distance  # eq. 7, near
                slope = near_weight
            elif not distance >= form.margin:  # at the kink the derivative is 0; NaN goes on
                far_weight = rising if form.far_weight_rises else 1.0 / rising
                value += far_weight * (form.margin - distance)  # eq. 7, far
                slope = -far_weight
            if form.of_roots:
                # d sqrt(D) / dD = 1 / (2 sqrt(D)); where D = 0, 0 is taken.
                slope = slope / (2.0 * distance) if distance != 0.0 else 0.0
            strip[index] = slope
    return value
