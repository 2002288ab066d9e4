"""Costs of a strip: squared distances between embeddings, and what flows back to embeddings."""

import numpy as np

from tacref.compiled import inner, njit
from tacref.kernels.simd import LANES, begin_sum, broadcast, end_sum, load, scatter, splat

# Rows of a strip.
ROWS = 64
# From one anti-diagonal of a strip to the next: not a power of two, which would crowd the cache.
STRIDE = ROWS + LANES
# Numbers that are added up before they are added to a gradient of float32.
TERMS = 16
# Columns that are computed together; arrays are padded to a multiple of it.
COLUMNS = 3 * LANES


@inner
def padded(count: int, step: int) -> int:
    """Return the next multiple of `step`."""
    return (count + step - 1) // step * step


@inner
def diagonals(columns: int) -> int:
    """Return how many anti-diagonals are allocated for a strip with this many columns."""
    return padded(columns, COLUMNS) + ROWS + 4


@inner
def copy_rows(source: np.ndarray, count: int, out: np.ndarray, width: int) -> None:
    """Write rows `(count, d)` to flat `(count, width)`, width >= d."""
    d = source.shape[1]
    for i in range(count):
        row, target = source[i], out[i * width : i * width + d]
        for k in range(d):
            target[k] = row[k]


@inner
def move_rows(sums: np.ndarray, scale: float, count: int, width: int, out: np.ndarray) -> None:
    """Write `scale` times the flat rows `(count, width)` to the first of `out`; zero all others."""
    d = out.shape[1]
    factor = sums.dtype.type(scale)
    for i in range(count):
        row, target = sums[i * width : i * width + d], out[i]
        for k in range(d):
            target[k] = factor * row[k]
    out[count:] = 0.0
    sums[:] = 0.0


@njit(cache=True)
def copy_columns(source: np.ndarray, count: int, out: np.ndarray, width: int) -> None:
    """Write rows `(count, d)`, transposed, to flat float64 `(d, width)`, width >= count."""
    whole = count // LANES * LANES
    for j in range(0, whole, LANES):
        r0, r1, r2, r3 = source[j], source[j + 1], source[j + 2], source[j + 3]
        r4, r5, r6, r7 = source[j + 4], source[j + 5], source[j + 6], source[j + 7]
        for k in range(source.shape[1]):
            target = out[k * width + j : k * width + j + LANES]
            target[0], target[1], target[2], target[3] = r0[k], r1[k], r2[k], r3[k]
            target[4], target[5], target[6], target[7] = r4[k], r5[k], r6[k], r7[k]
    for j in range(whole, count):
        for k in range(source.shape[1]):
            out[k * width + j] = source[j, k]


@inner
def clear_corners(strip: np.ndarray, rows: int, columns: int) -> None:
    """Write +inf to the corners of a strip that are outside the matrix, before its cells."""
    strip[: rows * STRIDE] = np.inf
    strip[columns * STRIDE : (columns + rows + LANES) * STRIDE] = np.inf


@inner
def copy_costs(
    D: np.ndarray, strip: np.ndarray, rows: int, start: int, stop: int, offset: int
) -> None:
    """Write rows of a cost matrix, from `offset`, to a strip."""
    for i in range(rows):
        for j in range(start, stop):
            strip[(i + j - start) * STRIDE + i] = D[offset + i, j]


@inner
def copy_strip(
    strip: np.ndarray, rows: int, start: int, stop: int, offset: int, out: np.ndarray
) -> None:
    """Write a strip to rows of a matrix, from `offset`."""
    for i in range(rows):
        for j in range(start, stop):
            out[offset + i, j] = strip[(i + j - start) * STRIDE + i]


@inner
def forbid(strip: np.ndarray, rows: int, start: int, stop: int, offset: int, band: int) -> None:
    """Write +inf where |i - j| > band; the strip's first row is `offset`."""
    for i in range(rows):
        row = offset + i
        for j in range(start, min(stop, row - band)):
            strip[(i + j - start) * STRIDE + i] = np.inf
        for j in range(max(start, row + band + 1), stop):
            strip[(i + j - start) * STRIDE + i] = np.inf


@inner
def squared_distances(
    strip: np.ndarray,
    x: np.ndarray,
    x_start: int,
    x_width: int,
    rows: int,
    yT: np.ndarray,
    y_width: int,
    start: int,
    stop: int,
    d: int,
) -> None:
    """Write ||x_i - y_j||^2 to a strip.

    By differences, so that equal rows are exactly 0 apart.

    Parameters
    ----------
    strip : ndarray of float64
        Written, STRIDE numbers an anti-diagonal; up to COLUMNS - 1 columns beyond `stop`, and up
        to 3 rows beyond the last, too.
    x : ndarray of float64
        Embeddings of the strip's rows, flat, `x_width` numbers a row.
    x_start, x_width : int
        Where in `x` the strip's first row begins, and how far it is from one row to the next.
    rows : int
        The strip's rows.
    yT : ndarray of float64
        Embeddings of the columns, transposed, flat `(d, y_width)`.
    y_width : int
        How far it is in `yT` from one dimension to the next.
    start, stop : int
        The first column, and one beyond the last.
    d : int
        Dimensions of the embeddings.
    """
    for j in range(start, stop, COLUMNS):
        for i in range(0, rows, 4):
            a0 = a1 = a2 = b0 = b1 = b2 = c0 = c1 = c2 = d0 = d1 = d2 = splat(0.0)
            row0 = x_start + i * x_width
            # Beyond the last row, that row again.
            row1 = x_start + min(i + 1, rows - 1) * x_width
            row2 = x_start + min(i + 2, rows - 1) * x_width
            row3 = x_start + min(i + 3, rows - 1) * x_width
            for k in range(d):
                y0 = load(yT, k * y_width + j)
                y1 = load(yT, k * y_width + j + LANES)
                y2 = load(yT, k * y_width + j + 2 * LANES)
                u = broadcast(x, row0 + k)
                t0, t1, t2 = u - y0, u - y1, u - y2
                a0, a1, a2 = a0 + t0 * t0, a1 + t1 * t1, a2 + t2 * t2
                u = broadcast(x, row1 + k)
                t0, t1, t2 = u - y0, u - y1, u - y2
                b0, b1, b2 = b0 + t0 * t0, b1 + t1 * t1, b2 + t2 * t2
                u = broadcast(x, row2 + k)
                t0, t1, t2 = u - y0, u - y1, u - y2
                c0, c1, c2 = c0 + t0 * t0, c1 + t1 * t1, c2 + t2 * t2
                u = broadcast(x, row3 + k)
                t0, t1, t2 = u - y0, u - y1, u - y2
                d0, d1, d2 = d0 + t0 * t0, d1 + t1 * t1, d2 + t2 * t2
            index = (i + j - start) * STRIDE + i
            for v0, v1, v2 in ((a0, a1, a2), (b0, b1, b2), (c0, c1, c2), (d0, d1, d2)):
                scatter(strip, index, STRIDE, v0)
                scatter(strip, index + LANES * STRIDE, STRIDE, v1)
                scatter(strip, index + 2 * LANES * STRIDE, STRIDE, v2)
                index += STRIDE + 1  # the cell below lies on the next anti-diagonal


@inner
def add_weighted_differences(
    weights: np.ndarray,
    origin: int,
    row_step: int,
    column_step: int,
    x: np.ndarray,
    y: np.ndarray,
    out: np.ndarray,
    first: int,
    last: int,
    start: int,
    stop: int,
    width: int,
) -> None:
    """Add sum_j w(i, j) (x_i - y_j) to row i of `out`.

    All arrays are of float64, or all of float32.

    Parameters
    ----------
    weights : ndarray
        The weights: w(i, j) lies at `origin + i * row_step + j * column_step`.
    origin, row_step, column_step : int
        See `weights`.
    x, y : ndarray
        Embeddings, flat, `width` numbers a row.
    out : ndarray
        Added to, in the layout and dtype of `x`.
    first, last : int
        The first row i, and one beyond the last.
    start, stop : int
        The first column j, and one beyond the last.
    width : int
        Numbers a padded row has, a multiple of 2 LANES.
    """
    for i in range(first, last, 4):
        # Beyond the last row, that row again, which is not added then.
        i1, i2, i3 = min(i + 1, last - 1), min(i + 2, last - 1), min(i + 3, last - 1)
        w0, w1 = origin + i * row_step, origin + i1 * row_step
        w2, w3 = origin + i2 * row_step, origin + i3 * row_step
        low, high = start, stop
        while low < high and _all_zero(weights, low * column_step, w0, w1, w2, w3):
            low += 1
        while low < high and _all_zero(weights, (high - 1) * column_step, w0, w1, w2, w3):
            high -= 1
        for k in range(0, width, 2 * LANES) if low < high else range(0):
            r0, r1, r2, r3 = i * width + k, i1 * width + k, i2 * width + k, i3 * width + k
            t0, t1 = load(x, r0), load(x, r0 + LANES)
            u0, u1 = load(x, r1), load(x, r1 + LANES)
            v0, v1 = load(x, r2), load(x, r2 + LANES)
            z0, z1 = load(x, r3), load(x, r3 + LANES)
            for near in range(low, high, TERMS):
                a0, a1 = begin_sum(out, r0), begin_sum(out, r0 + LANES)
                b0, b1 = begin_sum(out, r1), begin_sum(out, r1 + LANES)
                c0, c1 = begin_sum(out, r2), begin_sum(out, r2 + LANES)
                d0, d1 = begin_sum(out, r3), begin_sum(out, r3 + LANES)
                for j in range(near, min(near + TERMS, high)):
                    y0, y1 = load(y, j * width + k), load(y, j * width + k + LANES)
                    step = j * column_step
                    w = broadcast(weights, w0 + step)
                    a0, a1 = a0 + w * (t0 - y0), a1 + w * (t1 - y1)
                    w = broadcast(weights, w1 + step)
                    b0, b1 = b0 + w * (u0 - y0), b1 + w * (u1 - y1)
                    w = broadcast(weights, w2 + step)
                    c0, c1 = c0 + w * (v0 - y0), c1 + w * (v1 - y1)
                    w = broadcast(weights, w3 + step)
                    d0, d1 = d0 + w * (z0 - y0), d1 + w * (z1 - y1)
                end_sum(out, r0, a0)
                end_sum(out, r0 + LANES, a1)
                if i1 > i:
                    end_sum(out, r1, b0)
                    end_sum(out, r1 + LANES, b1)
                if i2 > i1:
                    end_sum(out, r2, c0)
                    end_sum(out, r2 + LANES, c1)
                if i3 > i2:
                    end_sum(out, r3, d0)
                    end_sum(out, r3 + LANES, d1)


@inner
def _all_zero(weights: np.ndarray, step: int, w0: int, w1: int, w2: int, w3: int) -> bool:
    return (
        weights[w0 + step] == 0.0
        and weights[w1 + step] == 0.0
        and weights[w2 + step] == 0.0
        and weights[w3 + step] == 0.0
    )
