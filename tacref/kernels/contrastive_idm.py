"""Contrastive-IDM (equation 7) of batches of embeddings, value and gradient in one pass."""

import math
from typing import NamedTuple

import numpy as np

from tacref.compiled import inner, njit
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
)
from tacref.kernels.simd import LANES
from tacref.kernels.single_costs import strip_distances
from tacref.kernels.threads import take_item, take_next_item

# Share of the margin within which a distance of float32 may lie on its other side.
MARGIN_OF_SINGLES = 1e-6


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
    values: np.ndarray,
    grad: np.ndarray,
    left_out: np.ndarray,
    queue: np.ndarray,
) -> None:
    """Write values, and with `with_grad` gradients, of the items that this thread takes.

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
    values : ndarray of float64, shape (B,)
        Written.
    grad : ndarray, shape and dtype of x
        Written; empty without `with_grad`.
    left_out : ndarray of bool, shape (B,)
        Of embeddings of float32, the items for which that is not enough: a distance is too near to
        the margin, or the value is not finite. True is written there. Empty for float64.
    queue : ndarray of int64
        As for `take_item`.
    """
    b = take_item(queue)
    if b >= len(x):
        return
    n, d = x.shape[1], x.shape[2]
    width, columns_width = padded(d, 2 * LANES), padded(n, COLUMNS) + COLUMNS
    padded_rows, out = (
        np.zeros(n * width if width > d else 0, x.dtype),
        np.zeros(n * width, x.dtype),
    )
    transposed = np.zeros(d * columns_width, x.dtype)
    strip = np.empty(diagonals(n) * STRIDE)
    slopes = np.empty(diagonals(n) * STRIDE, x.dtype)
    doubt = MARGIN_OF_SINGLES * form.margin if len(left_out) > 0 else -1.0
    # Of one type, as in `add_gradients`.
    next_row, next_column = int(STRIDE + 1), int(STRIDE)
    while b < len(x):
        count = lengths[b]
        flat = padded_rows
        if width > d:
            copy_rows(x[b], count, flat, width)
        else:
            flat = x[b].reshape(-1)
        copy_columns(x[b], count, transposed, columns_width)
        value = 0.0
        for first in range(0, count, ROWS):
            height = min(ROWS, count - first)
            strip_distances(
                strip, flat, first * width, width, height, transposed, columns_width, first,
                count, d, True,
            )  # fmt: skip
            value += _weigh(
                strip, slopes, first, height, count, times[b], video_lengths[b], form, doubt
            )
            if with_grad:
                origin = -first * (next_row + next_column)
                add_weighted_differences(
                    slopes, origin, next_row, next_column, flat, flat, out, first, first + height,
                    first, count, width,
                )  # fmt: skip
                add_weighted_differences(
                    slopes, origin, next_column, next_row, flat, flat, out, first, count, first,
                    first + height, width,
                )  # fmt: skip
        # Pairs (i, j) and (j, i), and over n^2 for a mean.
        scale = 2.0 / count**2 if form.mean_over_pairs else 2.0
        values[b] = scale * value
        if len(left_out) > 0 and not math.isfinite(value):
            left_out[b] = True
            out[:] = 0.0
        elif with_grad:
            move_rows(out, 2.0 * scale, count, width, grad[b])
        b = take_next_item(queue)


@inner
def _weigh(
    strip: np.ndarray,
    slopes: np.ndarray,
    first: int,
    height: int,
    count: int,
    times: np.ndarray,
    video_length: float,
    form: Form,
    doubt: float,
) -> float:
    """Return the sum over a strip's pairs i < j; write its slopes in the strip's layout.

    The sum is NaN if a distance that counts is within `doubt` of the margin.
    """
    value = 0.0
    for i in range(height):
        # 0 but for a frame that is not finite: NaN, and so is the value.
        value += strip[2 * i * STRIDE + i]
        for j in range(i + 1):
            slopes[(i + j) * STRIDE + i] = 0.0
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
            elif abs(distance - form.margin) <= doubt:
                value = np.nan
            elif not distance >= form.margin:  # at the kink the derivative is 0; NaN goes on
                far_weight = rising if form.far_weight_rises else 1.0 / rising
                value += far_weight * (form.margin - distance)  # eq. 7, far
                slope = -far_weight
            if form.of_roots:
                # d sqrt(D) / dD = 1 / (2 sqrt(D)); where D = 0, 0 is taken.
                slope = slope / (2.0 * distance) if distance != 0.0 else 0.0
            slopes[index] = slope
    return value
