"""A soft-DTW problem: a pair of sequences, and the memory that its strips share."""

from typing import NamedTuple

import numpy as np

from tacref.compiled import inner
from tacref.kernels.costs import (
    COLUMNS,
    ROWS,
    STRIDE,
    clear_corners,
    copy_columns,
    copy_costs,
    copy_rows,
    diagonals,
    forbid,
    padded,
)
from tacref.kernels.simd import LANES
from tacref.kernels.single_costs import strip_distances
from tacref.kernels.soft_dtw.strip import DONE, OUTSIDE, SLOT


class Problem(NamedTuple):
    """A pair: its costs `D` `(n, m)`, or else embeddings, padded, flat, float32 or float64.

    `rough` tells that distances of embeddings of float32 may be rounded to it on the way.
    """

    of_costs: bool
    D: np.ndarray
    x: np.ndarray
    y: np.ndarray
    yT: np.ndarray
    n: int
    m: int
    d: int
    gamma: float
    band: int
    rough: bool


class Sums(NamedTuple):
    """What goes from strip to strip; the threads on a pair share it.

    `progress` has a row a pass: a number a strip boundary, and last whether to halt.
    """

    mantissas: np.ndarray
    exponents: np.ndarray
    flow: np.ndarray
    progress: np.ndarray


class Scratch(NamedTuple):
    """What a thread has for itself; arrays are of float64, `weights` and `E` may be of float32."""

    weights: np.ndarray
    strip: np.ndarray
    E: np.ndarray
    ring: np.ndarray
    reach: np.ndarray


@inner
def strips(n: int) -> int:
    """Return how many strips n rows have."""
    return (n + ROWS - 1) // ROWS


@inner
def row_width(d: int) -> int:
    """Return how many numbers a padded row of d has."""
    return padded(d, 2 * LANES)


@inner
def window(s: int, n: int, m: int, band: int) -> tuple[int, int, int]:
    """Return the rows of strip s, and its columns within a band, first and one beyond the last."""
    rows = min(ROWS, n - s * ROWS)
    if band < 0:
        return rows, 0, m
    return rows, max(0, s * ROWS - band), min(m, s * ROWS + rows + band)


@inner
def strip_weights(m: int) -> int:
    """Return how many softmin weights a strip of m columns has."""
    return 3 * STRIDE * diagonals(m)


@inner
def new_sums(n: int, m: int) -> Sums:
    """Return sums for pairs of up to n by m, to be reset."""
    count = strips(n) + 1
    return Sums(
        np.empty((count, m + 1)),
        np.empty((count, m + 1)),
        np.empty((count, 2, m + 2)),
        np.empty((2, count + 1), np.int64),
    )


@inner
def new_scratch(weights: np.ndarray, m: int) -> Scratch:
    """Return a thread's scratch for pairs of up to m columns, around its array of weights.

    E of a strip is of the dtype of the weights.
    """
    return Scratch(
        weights,
        np.full(diagonals(m) * STRIDE, np.inf),
        np.empty(diagonals(m) * STRIDE, weights.dtype),
        np.empty(9 * SLOT),
        np.empty((ROWS // LANES, 2), np.int64),
    )


@inner
def reset(sums: Sums, n: int, m: int) -> None:
    """Set the sums to the origin alone, and the flows to the unit that enters the last cell."""
    sums.mantissas[:] = 1.0
    sums.exponents[:] = OUTSIDE
    sums.exponents[0, 0] = 0.0
    sums.flow[:] = 0.0
    sums.flow[strips(n), 0, m + 1] = 1.0
    sums.progress[0] = 0
    sums.progress[0, 0] = DONE
    sums.progress[1] = -DONE
    sums.progress[1, strips(n)] = DONE
    sums.progress[:, -1] = 0


@inner
def fill_strip(strip: np.ndarray, problem: Problem, s: int) -> None:
    """Write the costs of strip s; what is outside is +inf."""
    rows, start, stop = window(s, problem.n, problem.m, problem.band)
    clear_corners(strip, rows, stop - start)
    offset = s * ROWS
    if problem.of_costs:
        copy_costs(problem.D, strip, rows, start, stop, offset)
    else:
        width, y_width = row_width(problem.d), len(problem.yT) // problem.d
        x_start = offset * width
        strip_distances(
            strip, problem.x, x_start, width, rows, problem.yT, y_width, start, stop, problem.d,
            problem.rough,
        )  # fmt: skip
    if problem.band >= 0:
        forbid(strip, rows, start, stop, offset, problem.band)


@inner
def cost_problem(D: np.ndarray, n: int, m: int, gamma: float, band: int) -> Problem:
    """Return the problem of n rows and m columns of a cost matrix."""
    nothing = np.empty(0)
    return Problem(True, D, nothing, nothing, nothing, n, m, 1, gamma, band, False)


@inner
def embedding_problem(x: np.ndarray, y: np.ndarray, gamma: float, band: int) -> Problem:
    """Return a problem of embeddings of up to these shapes, which `fill_problem` fills."""
    (n, d), m = x.shape, len(y)
    width = row_width(d)
    return Problem(
        False,
        np.empty((0, 0)),
        np.zeros(n * width if width > d else 0, x.dtype),
        np.zeros(m * width if width > d else 0, x.dtype),
        np.zeros(d * (padded(m, COLUMNS) + COLUMNS), x.dtype),
        n,
        m,
        d,
        gamma,
        band,
        False,
    )


@inner
def fill_problem(space: Problem, x: np.ndarray, y: np.ndarray, n: int, m: int) -> Problem:
    """Return the problem of n rows of x and m rows of y, C-contiguous, in the arrays of `space`."""
    width, y_width = row_width(space.d), len(space.yT) // space.d
    flat_x, flat_y = space.x, space.y
    if width > space.d:
        copy_rows(x, n, flat_x, width)
        copy_rows(y, m, flat_y, width)
    else:
        flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    copy_columns(y, m, space.yT, y_width)
    # Columns beyond the last are computed, too; NaN of an item before must not lie there.
    for k in range(space.d if m < space.m else 0):
        space.yT[k * y_width + m : (k + 1) * y_width] = 0.0
    return Problem(
        False, space.D, flat_x, flat_y, space.yT, n, m, space.d, space.gamma, space.band, False
    )


@inner
def with_rough(problem: Problem, rough: bool) -> Problem:
    """Return the problem, with distances rounded to float32 on the way or not."""
    return Problem(
        False, problem.D, problem.x, problem.y, problem.yT, problem.n, problem.m, problem.d,
        problem.gamma, problem.band, rough,
    )  # fmt: skip
