"""Soft-DTW of pairs of sequences: strips one after the other, or side by side on several threads.

Forward keeps one row a strip. Backward takes the strips in reverse, computes each again with its
softmin weights, and lets the mass flow through it; where a pair is small, the weights are kept.
So a pair takes O(ROWS (n + m) + n m / ROWS) memory.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from tacref.kernels.costs import (
    COLUMNS,
    ROWS,
    STRIDE,
    add_weighted_differences,
    copy_columns,
    copy_costs,
    copy_rows,
    copy_strip,
    diagonals,
    forbid,
    padded,
    squared_distances,
)
from tacref.kernels.simd import LANES
from tacref.kernels.soft_dtw import DONE, NOWHERE, SLOT, backward, forward, value

# A pair whose softmin weights take at most so many numbers keeps them (64 MB).
KEPT = 1 << 23
# Mass that is dropped: far below the rounding of a gradient of float64.
NEGLIGIBLE = 1e-25


class Problem(NamedTuple):
    """A pair: its costs `D` `(n, m)`, or else embeddings, padded, flat, float64."""

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


class Sums(NamedTuple):
    """What goes from strip to strip; the threads on a pair share it."""

    mantissas: np.ndarray
    exponents: np.ndarray
    flow: np.ndarray
    progress: np.ndarray


class Scratch(NamedTuple):
    """What a thread has for itself."""

    weights: np.ndarray
    strip: np.ndarray
    ring: np.ndarray
    reach: np.ndarray


@njit(cache=True)
def strips(n: int) -> int:
    """Return how many strips n rows have."""
    return (n + ROWS - 1) // ROWS


@njit(cache=True)
def row_width(d: int) -> int:
    """Return how many numbers a padded row of d has."""
    return padded(d, 2 * LANES)


@njit(cache=True)
def window(s: int, n: int, m: int, band: int) -> tuple[int, int, int]:
    """Return the rows of strip s, and its columns within a band, first and one beyond the last."""
    rows = min(ROWS, n - s * ROWS)
    if band < 0:
        return rows, 0, m
    return rows, max(0, s * ROWS - band), min(m, s * ROWS + rows + band)


@njit(cache=True)
def weights_size(n: int, m: int) -> tuple[int, int]:
    """Return how many softmin weights a strip has, and how many are held at a time."""
    strip = 3 * STRIDE * diagonals(m)
    return strip, strip * strips(n) if strip * strips(n) <= KEPT else strip


@njit(cache=True)
def new_sums(n: int, m: int) -> Sums:
    """Return sums for pairs of up to n by m, to be reset."""
    count = strips(n) + 1
    return Sums(
        np.empty((count, m + 1)),
        np.empty((count, m + 1)),
        np.empty((count, 2, m + 2)),
        np.empty((2, count), np.int64),
    )


@njit(cache=True)
def new_scratch(n: int, m: int, with_grad: bool) -> Scratch:
    """Return a thread's scratch for pairs of up to n by m."""
    return Scratch(
        np.empty(weights_size(n, m)[1] if with_grad else 0),
        np.empty(diagonals(m) * STRIDE),
        np.empty(9 * SLOT),
        np.empty((ROWS // LANES, 2), np.int64),
    )


@njit(cache=True)
def reset(sums: Sums, n: int, m: int) -> None:
    """Set the sums to the origin alone, and the flows to the unit that enters the last cell."""
    sums.mantissas[:] = 1.0
    sums.exponents[:] = NOWHERE
    sums.exponents[0, 0] = 0.0
    sums.flow[:] = 0.0
    sums.flow[strips(n), 0, m + 1] = 1.0
    sums.progress[0] = 0
    sums.progress[0, 0] = DONE
    sums.progress[1] = -DONE
    sums.progress[1, strips(n)] = DONE


@njit(cache=True)
def fill_strip(strip: np.ndarray, problem: Problem, s: int) -> None:
    """Write the costs of strip s; what is outside is +inf."""
    rows, start, stop = window(s, problem.n, problem.m, problem.band)
    strip[: diagonals(stop - start) * STRIDE] = np.inf
    offset = s * ROWS
    if problem.of_costs:
        copy_costs(problem.D, strip, rows, start, stop, offset)
    else:
        width, y_width = row_width(problem.d), len(problem.yT) // problem.d
        x_start = offset * width
        squared_distances(
            strip, problem.x, x_start, width, rows, problem.yT, y_width, start, stop, problem.d
        )
    if problem.band >= 0:
        forbid(strip, rows, start, stop, offset, problem.band)


@njit(cache=True, inline="always")
def run_forward(
    problem: Problem, sums: Sums, scratch: Scratch, keep: bool, thread: int, threads: int
) -> None:
    """Run strips `thread`, `thread + threads`, ... forward, with `keep` keeping their weights."""
    strip_size, _ = weights_size(problem.n, problem.m)
    for s in range(thread, strips(problem.n), threads):
        fill_strip(scratch.strip, problem, s)
        rows, start, stop = window(s, problem.n, problem.m, problem.band)
        forward(
            scratch.strip,
            sums.mantissas[s],
            sums.exponents[s],
            sums.mantissas[s + 1],
            sums.exponents[s + 1],
            scratch.weights,
            s // threads * strip_size,
            keep,
            rows,
            start,
            stop,
            problem.gamma,
            scratch.ring,
            sums.progress[0],
            s,
        )


@njit(cache=True, inline="always")
def run_backward(
    problem: Problem,
    sums: Sums,
    scratch: Scratch,
    kept: bool,
    E: np.ndarray,
    grad_x: np.ndarray,
    grad_y: np.ndarray,
    thread: int,
    threads: int,
) -> None:
    """Run the strips of `run_forward` in reverse; write E, or add half the gradients of x and y."""
    n, m = problem.n, problem.m
    strip_size, _ = weights_size(n, m)
    mantissa, exponents = np.empty(m + 1), np.empty(m + 1)
    nobody_waits = np.full(strips(n) + 1, DONE)
    last = thread + (strips(n) - 1 - thread) // threads * threads
    for s in range(last, -1, -threads):
        rows, start, stop = window(s, n, m, problem.band)
        place = s // threads * strip_size if kept else 0
        if not kept:
            fill_strip(scratch.strip, problem, s)
            forward(
                scratch.strip,
                sums.mantissas[s],
                sums.exponents[s],
                mantissa,
                exponents,
                scratch.weights,
                place,
                True,
                rows,
                start,
                stop,
                problem.gamma,
                scratch.ring,
                nobody_waits,
                s,
            )
        backward(
            scratch.weights,
            place,
            scratch.strip,
            sums.flow[s + 1, 0],
            sums.flow[s + 1, 1],
            sums.flow[s, 0],
            sums.flow[s, 1],
            rows,
            start,
            stop,
            0.0 if problem.of_costs else NEGLIGIBLE,
            scratch.reach,
            scratch.ring,
            sums.progress[1],
            s,
        )
        if problem.of_costs:
            copy_strip(scratch.strip, rows, start, stop, s * ROWS, E)
        else:
            add_gradients(problem, scratch, grad_x, grad_y, s * ROWS, rows, start)


@njit(cache=True)
def add_gradients(
    problem: Problem,
    scratch: Scratch,
    grad_x: np.ndarray,
    grad_y: np.ndarray,
    offset: int,
    rows: int,
    start: int,
) -> None:
    """Add what E of a strip gives to the embeddings: sum_j E_ij (x_i - y_j), likewise for y."""
    strip, reach, width = scratch.strip, scratch.reach, row_width(problem.d)
    # E(i, j) lies at origin + i (STRIDE + 1) + j STRIDE.
    origin = -offset * (STRIDE + 1) - start * STRIDE
    blocks = (rows + LANES - 1) // LANES
    lowest, highest = reach[0]
    for block in range(1, blocks):
        lowest, highest = min(lowest, reach[block, 0]), max(highest, reach[block, 1])
    # Four columns are taken together: what may lie beyond the last one does not count.
    for j in range(highest, highest + 3):
        for i in range(rows):
            strip[(i + j) * STRIDE + i] = 0.0
    for block in range(blocks):
        first = offset + block * LANES
        stop = min(first + LANES, offset + rows)
        columns = start + reach[block, 0], start + reach[block, 1]
        add_weighted_differences(
            strip, origin, STRIDE + 1, STRIDE, problem.x, problem.y, grad_x, first, stop,
            columns[0], columns[1], width,
        )  # fmt: skip
    for j in range(lowest, highest, 4):
        first, stop = rows, 0
        for block in range(blocks):
            if reach[block, 0] < j + 4 and reach[block, 1] > j:
                first = min(first, block * LANES)
                stop = min(rows, (block + 1) * LANES)
        add_weighted_differences(
            strip, origin, STRIDE, STRIDE + 1, problem.y, problem.x, grad_y, start + j,
            start + j + 4, offset + first, offset + stop, width,
        )  # fmt: skip


@njit(cache=True, inline="always")
def solve(
    problem: Problem,
    sums: Sums,
    scratch: Scratch,
    with_grad: bool,
    E: np.ndarray,
    grad_x: np.ndarray,
    grad_y: np.ndarray,
    thread: int,
    threads: int,
) -> float:
    """Return the value of a pair; it stands with the thread of the last strip, others get NaN."""
    strip_size, size = weights_size(problem.n, problem.m)
    kept = size > strip_size or strips(problem.n) == 1
    run_forward(problem, sums, scratch, with_grad and kept, thread, threads)
    if with_grad:
        run_backward(problem, sums, scratch, kept, E, grad_x, grad_y, thread, threads)
    count = strips(problem.n)
    if (count - 1) % threads != thread:
        return np.nan
    return value(sums.mantissas[count, problem.m], sums.exponents[count, problem.m], problem.gamma)


@njit(cache=True)
def cost_problem(D: np.ndarray, n: int, m: int, gamma: float, band: int) -> Problem:
    """Return the problem of n rows and m columns of a cost matrix."""
    nothing = np.empty(0)
    return Problem(True, D, nothing, nothing, nothing, n, m, 1, gamma, band)


@njit(cache=True)
def embedding_problem(x: np.ndarray, y: np.ndarray, gamma: float, band: int) -> Problem:
    """Return room for the problem of embeddings of up to these shapes, to be filled."""
    (n, d), m = x.shape, len(y)
    width = row_width(d)
    return Problem(
        False,
        np.empty((0, 0)),
        np.zeros(padded(n, 4) * width),
        np.zeros((padded(m, 4) + 4) * width),
        np.zeros(d * (padded(m, COLUMNS) + COLUMNS)),
        n,
        m,
        d,
        gamma,
        band,
    )


@njit(cache=True)
def fill_problem(room: Problem, x: np.ndarray, y: np.ndarray, n: int, m: int) -> Problem:
    """Return the problem of n rows of x and m rows of y in such a room."""
    width, y_width = row_width(room.d), len(room.yT) // room.d
    copy_rows(x, n, room.x, width)
    copy_rows(y, m, room.y, width)
    copy_columns(y, m, room.yT, y_width)
    # Columns beyond the last are computed, too; NaN of an item before must not lie there.
    for k in range(room.d if m < room.m else 0):
        room.yT[k * y_width + m : (k + 1) * y_width] = 0.0
    return Problem(False, room.D, room.x, room.y, room.yT, n, m, room.d, room.gamma, room.band)
