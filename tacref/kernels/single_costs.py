"""Costs of a strip from embeddings of float32, whose vectors take half the time."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from tacref.compiled import inner
from tacref.kernels.costs import COLUMNS, STRIDE, squared_distances
from tacref.kernels.simd import (
    LANES,
    broadcast,
    load,
    scatter,
    splat,
    splat_single,
    widened,
)

# Dimensions whose squares are summed in float32: errors of distances are some 1.5e-8.
BLOCK = 8


@inner
def squared_distances_of_singles(
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
    """Write ||x_i - y_j||^2 to a strip, with a relative error of some 1.5e-8.

    Parameters are those of `squared_distances`, `x` and `yT` of float32. Differences are rounded to
    float32, and so are the sums of BLOCK squares; these are added in float64.
    """
    none = splat_single(np.float32(0.0))
    for j in range(start, stop, COLUMNS):
        for i in range(0, rows, 4):
            a0 = a1 = a2 = b0 = b1 = b2 = c0 = c1 = c2 = d0 = d1 = d2 = splat(0.0)
            row0 = x_start + i * x_width
            # Beyond the last row, that row again.
            row1 = x_start + min(i + 1, rows - 1) * x_width
            row2 = x_start + min(i + 2, rows - 1) * x_width
            row3 = x_start + min(i + 3, rows - 1) * x_width
            for block in range(0, d, BLOCK):
                p0 = p1 = p2 = q0 = q1 = q2 = r0 = r1 = r2 = s0 = s1 = s2 = none
                for k in range(block, min(block + BLOCK, d)):
                    y0 = load(yT, k * y_width + j)
                    y1 = load(yT, k * y_width + j + LANES)
                    y2 = load(yT, k * y_width + j + 2 * LANES)
                    u = broadcast(x, row0 + k)
                    t0, t1, t2 = u - y0, u - y1, u - y2
                    p0, p1, p2 = p0 + t0 * t0, p1 + t1 * t1, p2 + t2 * t2
                    u = broadcast(x, row1 + k)
                    t0, t1, t2 = u - y0, u - y1, u - y2
                    q0, q1, q2 = q0 + t0 * t0, q1 + t1 * t1, q2 + t2 * t2
                    u = broadcast(x, row2 + k)
                    t0, t1, t2 = u - y0, u - y1, u - y2
                    r0, r1, r2 = r0 + t0 * t0, r1 + t1 * t1, r2 + t2 * t2
                    u = broadcast(x, row3 + k)
                    t0, t1, t2 = u - y0, u - y1, u - y2
                    s0, s1, s2 = s0 + t0 * t0, s1 + t1 * t1, s2 + t2 * t2
                a0, a1, a2 = a0 + widened(p0), a1 + widened(p1), a2 + widened(p2)
                b0, b1, b2 = b0 + widened(q0), b1 + widened(q1), b2 + widened(q2)
                c0, c1, c2 = c0 + widened(r0), c1 + widened(r1), c2 + widened(r2)
                d0, d1, d2 = d0 + widened(s0), d1 + widened(s1), d2 + widened(s2)
            index = (i + j - start) * STRIDE + i
            for v0, v1, v2 in ((a0, a1, a2), (b0, b1, b2), (c0, c1, c2), (d0, d1, d2)):
                scatter(strip, index, STRIDE, v0)
                scatter(strip, index + LANES * STRIDE, STRIDE, v1)
                scatter(strip, index + 2 * LANES * STRIDE, STRIDE, v2)
                index += STRIDE + 1  # the cell below lies on the next anti-diagonal


@inner
def squared_distances_widened(
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
    """Write ||x_i - y_j||^2 to a strip, as `squared_distances_of_singles`, computed in float64."""
    wide_x, wide_yT = np.empty(rows * x_width), np.empty(len(yT))
    for k in range(len(wide_x)):
        wide_x[k] = x[x_start + k]
    for k in range(len(yT)):
        wide_yT[k] = yT[k]
    squared_distances(strip, wide_x, 0, x_width, rows, wide_yT, y_width, start, stop, d)


def strip_distances(*arguments: Any) -> None:
    """Write ||x_i - y_j||^2 to a strip, as `squared_distances`, of embeddings of either dtype.

    The last argument is whether distances of float32 are exact enough.
    """


@overload(strip_distances)
def _strip_distances(strip, x, x_start, x_width, rows, yT, y_width, start, stop, d, rough):  # type: ignore[no-untyped-def]
    def singles(strip, x, x_start, x_width, rows, yT, y_width, start, stop, d, rough):  # type: ignore[no-untyped-def]
        if rough:
            squared_distances_of_singles(
                strip, x, x_start, x_width, rows, yT, y_width, start, stop, d
            )
        else:
            squared_distances_widened(strip, x, x_start, x_width, rows, yT, y_width, start, stop, d)

    def doubles(strip, x, x_start, x_width, rows, yT, y_width, start, stop, d, rough):  # type: ignore[no-untyped-def]
        squared_distances(strip, x, x_start, x_width, rows, yT, y_width, start, stop, d)

    return singles if x.dtype == types.float32 else doubles
