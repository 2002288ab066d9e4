"""Costs of a tile: distances between embeddings of one of several kinds, +inf outside the band."""

import numpy as np

from tacref.compiled import inner
from tacref.kernels.costs import COLUMNS, ROWS, STRIDE, squared_distances
from tacref.kernels.dtw.pair import Pair
from tacref.kernels.dtw.tile import TILE
from tacref.kernels.simd import LANES, load, maximum, scatter, splat

# Kinds of costs: ||x - y||^2, ||x - y||, and the sum of |x - y|.
SQEUCLIDEAN, EUCLIDEAN, L1 = 0, 1, 2


@inner
def tile_costs(pair: Pair, first: int, rows: int, start: int, stop: int, strip: np.ndarray) -> None:
    """Write the costs of a tile: `rows` rows from `first`, the columns `start` to `stop`."""
    y_start = start // TILE * TILE
    y = pair.y[y_start * pair.d :]
    in_last = first // ROWS == (pair.n - 1) // ROWS
    x, x_start = (pair.last, 0) if in_last else (pair.x, first * pair.d)
    if pair.kind == L1:
        _absolute_differences(strip, x, x_start, pair.d, rows, y, start - y_start, stop - y_start)
    else:
        squared_distances(
            strip, x, x_start, pair.d, rows, y, TILE, start - y_start, stop - y_start, pair.d
        )
    if pair.kind == EUCLIDEAN:
        for index in range((rows + stop - start - 1) * STRIDE):
            strip[index] = np.sqrt(strip[index])
    if pair.first_columns[first + rows - 1] <= start and stop <= pair.stop_columns[first]:
        return
    for r in range(rows):
        for j in range(start, min(stop, pair.first_columns[first + r])):
            strip[(r + j - start) * STRIDE + r] = np.inf
        for j in range(max(start, pair.stop_columns[first + r]), stop):
            strip[(r + j - start) * STRIDE + r] = np.inf


@inner
def _absolute_differences(
    strip: np.ndarray,
    x: np.ndarray,
    x_start: int,
    d: int,
    rows: int,
    y: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Write the sums of |x_i - y_j| to a strip, as `squared_distances` does squares.

    Parameters
    ----------
    strip
        Where to write; up to COLUMNS - 1 more columns are written.
    x, x_start, d
        Rows, flat `(rows, d)` from `x_start`, to a multiple of 2 rows.
    rows
        How many to take.
    y
        Columns, flat `(d, TILE)`.
    start, stop
        Which of them to take.
    """
    zero = splat(0.0)
    for j in range(start, stop, COLUMNS):
        for i in range(0, rows, 2):
            a0 = a1 = a2 = b0 = b1 = b2 = zero
            row0 = x_start + i * d
            row1 = row0 + d
            for k in range(d):
                y0 = load(y, k * TILE + j)
                y1 = load(y, k * TILE + j + LANES)
                y2 = load(y, k * TILE + j + 2 * LANES)
                u = splat(x[row0 + k])
                t0, t1, t2 = u - y0, u - y1, u - y2
                a0 = a0 + maximum(t0, zero - t0)
                a1 = a1 + maximum(t1, zero - t1)
                a2 = a2 + maximum(t2, zero - t2)
                u = splat(x[row1 + k])
                t0, t1, t2 = u - y0, u - y1, u - y2
                b0 = b0 + maximum(t0, zero - t0)
                b1 = b1 + maximum(t1, zero - t1)
                b2 = b2 + maximum(t2, zero - t2)
            index = (i + j - start) * STRIDE + i
            for v0, v1, v2 in ((a0, a1, a2), (b0, b1, b2)):
                scatter(strip, index, STRIDE, v0)
                scatter(strip, index + LANES * STRIDE, STRIDE, v1)
                scatter(strip, index + 2 * LANES * STRIDE, STRIDE, v2)
                index += STRIDE + 1  # the cell below lies on the next anti-diagonal
