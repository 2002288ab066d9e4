"""Soft-DTW of pairs of sequences: strips one after the other, or side by side on several threads.

Forward keeps one row a strip. Backward takes the strips in reverse, computes each again with its
softmin weights, and lets the mass flow through it; where a pair is small, the weights are kept.
So a pair takes O(ROWS (n + m) + n m / ROWS) memory.
"""

import numpy as np

from tacref.compiled import inner, njit
from tacref.kernels.costs import ROWS, STRIDE, add_weighted_differences, copy_strip
from tacref.kernels.simd import LANES
from tacref.kernels.soft_dtw.problem import (
    Problem,
    Scratch,
    Sums,
    fill_strip,
    row_width,
    strip_weights,
    strips,
    window,
)
from tacref.kernels.soft_dtw.strip import DONE, backward, forward, value
from tacref.kernels.threads import halted

# Mass up to this is dropped: far below the rounding of a gradient of float64.
NEGLIGIBLE_MASS = 1e-25


@njit(cache=True, inline="always")
def run_forward(
    problem: Problem, sums: Sums, scratch: Scratch, keep_weights: bool, thread: int, threads: int
) -> None:
    """Run every `threads`-th strip from `thread` on forward, and perhaps keep softmin weights."""
    strip_size = strip_weights(problem.m)
    for s in range(thread, strips(problem.n), threads):
        if halted(sums.progress[0]):
            return
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
            keep_weights,
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
    weights_kept: bool,
    E: np.ndarray,
    half_grad_x: np.ndarray,
    half_grad_y: np.ndarray,
    thread: int,
    threads: int,
) -> None:
    """Run the strips of `run_forward` in reverse; write E, or add half the gradients of x and y.

    Parameters
    ----------
    problem : Problem
        The pair.
    sums : Sums
        As `run_forward` left them.
    scratch : Scratch
        The thread's own memory.
    weights_kept : bool
        Whether `run_forward` kept the softmin weights in it; else they are computed again.
    E : ndarray, shape (n, m)
        Written where the problem is one of costs.
    half_grad_x, half_grad_y : ndarray of float64
        Padded and flat as `problem.x` and `problem.y`; half of the gradients are added to them
        where it is one of embeddings.
    thread, threads : int
        This thread, and how many share the pair.
    """
    n, m = problem.n, problem.m
    strip_size = strip_weights(m)
    mantissa, exponents = np.empty(m + 1), np.empty(m + 1)
    nobody_waits = np.full(strips(n) + 2, DONE)
    last = thread + (strips(n) - 1 - thread) // threads * threads
    for s in range(last, -1, -threads):
        if halted(sums.progress[1]):
            return
        rows, start, stop = window(s, n, m, problem.band)
        first_weight = s // threads * strip_size if weights_kept else 0
        if not weights_kept:
            fill_strip(scratch.strip, problem, s)
            forward(
                scratch.strip,
                sums.mantissas[s],
                sums.exponents[s],
                mantissa,
                exponents,
                scratch.weights,
                first_weight,
                not weights_kept,
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
            first_weight,
            scratch.E,
            sums.flow[s + 1, 0],
            sums.flow[s + 1, 1],
            sums.flow[s, 0],
            sums.flow[s, 1],
            rows,
            start,
            stop,
            0.0 if problem.of_costs else NEGLIGIBLE_MASS,
            scratch.reach,
            scratch.ring,
            sums.progress[1],
            s,
        )
        if problem.of_costs:
            copy_strip(scratch.E, rows, start, stop, s * ROWS, E)
        else:
            add_gradients(problem, scratch, half_grad_x, half_grad_y, s * ROWS, rows, start)


@inner
def add_gradients(
    problem: Problem,
    scratch: Scratch,
    half_grad_x: np.ndarray,
    half_grad_y: np.ndarray,
    offset: int,
    rows: int,
    start: int,
) -> None:
    """Add what E of a strip gives to the embeddings: sum_j E_ij (x_i - y_j), likewise for y."""
    E, reach, width = scratch.E, scratch.reach, row_width(problem.d)
    # E(i, j) lies at origin + i (STRIDE + 1) + j STRIDE. Numbers of one type: for a constant, Numba
    # would compile what takes it once more.
    next_row, next_column = int(STRIDE + 1), int(STRIDE)
    origin = -offset * next_row - start * next_column
    blocks = (rows + LANES - 1) // LANES
    lowest, highest = reach[0]
    for block in range(1, blocks):
        lowest, highest = min(lowest, reach[block, 0]), max(highest, reach[block, 1])
    for block in range(blocks):
        first = offset + block * LANES
        stop = min(first + LANES, offset + rows)
        columns = start + reach[block, 0], start + reach[block, 1]
        add_weighted_differences(
            E, origin, next_row, next_column, problem.x, problem.y, half_grad_x, first, stop,
            columns[0], columns[1], width,
        )  # fmt: skip
    for j in range(lowest, highest, 4):
        first, stop = rows, 0
        for block in range(blocks):
            if reach[block, 0] < j + 4 and reach[block, 1] > j:
                first = min(first, block * LANES)
                stop = min(rows, (block + 1) * LANES)
        add_weighted_differences(
            E, origin, next_column, next_row, problem.y, problem.x, half_grad_y, start + j,
            start + min(j + 4, highest), offset + first, offset + stop, width,
        )  # fmt: skip


@njit(cache=True, inline="always")
def solve(
    problem: Problem,
    sums: Sums,
    scratch: Scratch,
    with_grad: bool,
    E: np.ndarray,
    half_grad_x: np.ndarray,
    half_grad_y: np.ndarray,
    thread: int,
    threads: int,
) -> float:
    """Return the value of a pair; it stands with the thread of the last strip, others get NaN.

    Parameters
    ----------
    problem : Problem
        The pair.
    sums : Sums
        As `reset` leaves them; shared by the threads.
    scratch : Scratch
        The thread's own memory. Softmin weights are kept if there is room for those of all its
        strips, else computed again.
    with_grad : bool
        Whether E or the gradients are written.
    E, half_grad_x, half_grad_y, thread, threads
        As for `run_backward`.
    """
    own_strips = (strips(problem.n) + threads - 1) // threads
    weights_kept = own_strips * strip_weights(problem.m) <= len(scratch.weights)
    run_forward(problem, sums, scratch, with_grad and weights_kept, thread, threads)
    if with_grad:
        run_backward(
            problem, sums, scratch, weights_kept, E, half_grad_x, half_grad_y, thread, threads
        )
    count = strips(problem.n)
    if (count - 1) % threads != thread:
        return np.nan
    return value(sums.mantissas[count, problem.m], sums.exponents[count, problem.m], problem.gamma)
