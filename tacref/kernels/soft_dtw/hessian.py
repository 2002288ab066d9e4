"""Hessian of soft-DTW times a direction (Mensch & Blondel 2018): both passes, differentiated."""

import numpy as np

from tacref.compiled import inner, njit
from tacref.kernels.costs import ROWS, STRIDE, copy_costs, copy_strip, diagonals
from tacref.kernels.simd import LANES, load, splat, store
from tacref.kernels.soft_dtw.problem import (
    Problem,
    Scratch,
    cost_problem,
    fill_strip,
    new_sums,
    reset,
    strip_weights,
    strips,
    window,
)
from tacref.kernels.soft_dtw.strip import DONE, SLOT, forward, value
from tacref.kernels.threads import take_item, take_next_item


@njit(nogil=True, cache=True)
def hvp_items(
    D: np.ndarray,
    Z: np.ndarray,
    lengths_x: np.ndarray,
    lengths_y: np.ndarray,
    gamma: float,
    band: int,
    values: np.ndarray,
    HZ: np.ndarray,
    queue: np.ndarray,
) -> None:
    """Write values and products for the items of a batch that this thread takes.

    Parameters
    ----------
    D, Z : ndarray of float64, shape (B, n, m)
        Costs and direction, C-contiguous.
    lengths_x, lengths_y : ndarray of int64, shape (B,)
        Valid rows and columns.
    gamma : float
        Smoothing.
    band : int
        Cells with |i - j| > band are forbidden; -1: none.
    values : ndarray of float64, shape (B,)
        Written: soft-DTW.
    HZ : ndarray of float64, shape (B, n, m)
        Zeros; written: the Hessian times Z.
    queue : ndarray of int64
        As for `take_item`.
    """
    b = take_item(queue)
    if b == len(D):
        return
    n, m = D.shape[1], D.shape[2]
    sums = new_sums(n, m)
    scratch = Scratch(
        np.empty(strip_weights(m)),
        np.full(diagonals(m) * STRIDE, np.inf),
        np.empty(0),
        np.empty(6 * SLOT),
        np.empty((0, 2), np.int64),
    )
    slopes = np.empty((strips(n) + 1, m + 1))
    flow = np.empty((strips(n) + 1, 4, m + 2))
    T = np.empty((diagonals(m) + 2) * STRIDE)
    while b < len(D):
        problem = cost_problem(D[b], lengths_x[b], lengths_y[b], gamma, band)
        reset(sums, problem.n, problem.m)
        count = strips(problem.n)
        slopes[:] = 0.0
        for s in range(count):
            _strip_slopes(
                problem, scratch, Z[b], s, sums.mantissas[s], sums.exponents[s],
                sums.mantissas[s + 1], sums.exponents[s + 1], slopes[s], slopes[s + 1], T,
            )  # fmt: skip
        values[b] = value(sums.mantissas[count, problem.m], sums.exponents[count, problem.m], gamma)
        flow[:] = 0.0
        flow[count, 0, problem.m + 1] = 1.0
        unused = np.empty((3, m + 1))
        for s in range(count - 1, -1, -1):
            _strip_slopes(
                problem, scratch, Z[b], s, sums.mantissas[s], sums.exponents[s],
                unused[0], unused[1], slopes[s], unused[2], T,
            )  # fmt: skip
            height, first, last = window(s, problem.n, problem.m, band)
            _backward_slopes(
                scratch.weights, T, flow[s + 1], flow[s], scratch.strip, height, first, last, gamma
            )
            copy_strip(scratch.strip, height, first, last, s * ROWS, HZ[b])
        b = take_next_item(queue)


@inner
def _strip_slopes(
    problem: Problem,
    scratch: Scratch,
    Z: np.ndarray,
    s: int,
    above_mantissa: np.ndarray,
    above_exponent: np.ndarray,
    mantissa: np.ndarray,
    exponents: np.ndarray,
    above: np.ndarray,
    slopes: np.ndarray,
    T: np.ndarray,
) -> None:
    """Write the softmin weights of strip s, and the slopes T of R along Z.

    Parameters
    ----------
    problem, scratch
        The pair, and memory in which the softmin weights are left, divided by their sum.
    Z : ndarray of float64, shape (n, m)
        Direction.
    s : int
        The strip's number.
    above_mantissa, above_exponent, mantissa, exponents
        As for `forward`.
    above, slopes : ndarray of float64, shape (m + 1,)
        Slopes of R in the row above, and, written, in the strip's last row; column j at j + 1.
    T : ndarray of float64
        Written: the slope of the cell (i, j) lies at `T[(i + j + 2) * STRIDE + LANES + i]`, so
        that there is space for the row above.
    """
    rows, start, stop = window(s, problem.n, problem.m, problem.band)
    fill_strip(scratch.strip, problem, s)
    forward(
        scratch.strip, above_mantissa, above_exponent, mantissa, exponents, scratch.weights, 0,
        True, rows, start, stop, problem.gamma, scratch.ring, np.full(s + 3, DONE), s,
    )  # fmt: skip
    columns = stop - start
    scratch.strip[: diagonals(columns) * STRIDE] = 0.0
    copy_costs(Z, scratch.strip, rows, start, stop, s * ROWS)
    T[: (diagonals(columns) + 2) * STRIDE] = 0.0
    for j in range(-1, columns):
        T[(j + 1) * STRIDE + LANES - 1] = above[start + j + 1]
    for k in range(rows + columns - 1):
        first = max(0, k - columns + 1) // LANES * LANES
        for i in range(first, min(rows - 1, k) + 1, LANES):
            index = 3 * k * STRIDE + i
            here = k * STRIDE + LANES + i
            w_diagonal, w_up = load(scratch.weights, index), load(scratch.weights, index + STRIDE)
            w_left = load(scratch.weights, index + 2 * STRIDE)
            share = splat(1.0) / (w_diagonal + (w_up + w_left))
            p_diagonal, p_up, p_left = w_diagonal * share, w_up * share, w_left * share
            store(scratch.weights, index, p_diagonal)
            store(scratch.weights, index + STRIDE, p_up)
            store(scratch.weights, index + 2 * STRIDE, p_left)
            # eq. 2, differentiated: the slope of a softmin is the mean of the slopes
            slope = load(scratch.strip, k * STRIDE + i) + (
                p_diagonal * load(T, here - 1)
                + (p_up * load(T, here + STRIDE - 1) + p_left * load(T, here + STRIDE))
            )
            store(T, here + 2 * STRIDE, slope)
        if k >= rows - 1:
            slopes[start + k - rows + 2] = T[(k + 2) * STRIDE + LANES + rows - 1]


@inner
def _backward_slopes(
    weights: np.ndarray,
    T: np.ndarray,
    below: np.ndarray,
    above: np.ndarray,
    HZ: np.ndarray,
    rows: int,
    start: int,
    stop: int,
    gamma: float,
) -> None:
    """Let mass and its slope flow through a strip; the slopes are the product.

    Parameters
    ----------
    weights, T
        As `_strip_slopes` leaves them.
    below, above : ndarray of float64, shape (4, m + 2)
        What the cells of the next strip's first row, and, written, of this strip's pass to their
        diagonal and their upper predecessor: mass twice, slope of mass twice; column j at j + 1.
    HZ : ndarray of float64
        Written in the layout of a strip.
    rows, start, stop : int
        The strip's rows; its first column within the band, and one beyond the last.
    gamma : float
        Smoothing.
    """
    columns = stop - start
    # Mass and slope for the diagonal, upper and left predecessor, on three anti-diagonals each.
    ring = np.zeros(18 * SLOT)
    mass_diagonal, slope_diagonal = ring[: 3 * SLOT], ring[3 * SLOT : 6 * SLOT]
    mass_up, slope_up = ring[6 * SLOT : 9 * SLOT], ring[9 * SLOT : 12 * SLOT]
    mass_left, slope_left = ring[12 * SLOT : 15 * SLOT], ring[15 * SLOT :]
    inverse = splat(1.0 / gamma)
    HZ[: diagonals(columns) * STRIDE] = 0.0
    for k in range(rows + columns - 2, -1, -1):
        slot, last, before = k % 3 * SLOT, (k + 1) % 3 * SLOT, (k + 2) % 3 * SLOT
        j = start + k - rows + 1
        inside = k >= rows - 1
        mass_diagonal[before + rows] = below[0, j + 2] if inside else 0.0
        mass_up[last + rows] = below[1, j + 1] if inside else 0.0
        slope_diagonal[before + rows] = below[2, j + 2] if inside else 0.0
        slope_up[last + rows] = below[3, j + 1] if inside else 0.0
        first = max(0, k - columns + 1) // LANES * LANES
        for i in range(first, min(rows - 1, k) + 1, LANES):
            mass = load(mass_diagonal, before + i + 1) + (
                load(mass_up, last + i + 1) + load(mass_left, last + i)
            )
            slope = load(slope_diagonal, before + i + 1) + (
                load(slope_up, last + i + 1) + load(slope_left, last + i)
            )
            store(HZ, k * STRIDE + i, slope)
            here = k * STRIDE + LANES + i
            diagonal, up, left = (
                load(T, here - 1),
                load(T, here + STRIDE - 1),
                load(T, here + STRIDE),
            )
            index = 3 * k * STRIDE + i
            p_diagonal, p_up = load(weights, index), load(weights, index + STRIDE)
            p_left = load(weights, index + 2 * STRIDE)
            # Slopes of the weights: by pairs, as t - mean would lose the digits where one weight
            # is nearly 1.
            share = mass * inverse
            to_up = p_diagonal * p_up * (up - diagonal)
            to_left = p_diagonal * p_left * (left - diagonal)
            up_to_left = p_up * p_left * (left - up)
            store(mass_diagonal, slot + i, mass * p_diagonal)
            store(mass_up, slot + i, mass * p_up)
            store(mass_left, slot + i, mass * p_left)
            # eq. 4, differentiated by the product rule
            store(slope_diagonal, slot + i, slope * p_diagonal + share * (to_up + to_left))
            store(slope_up, slot + i, slope * p_up + share * (up_to_left - to_up))
            store(
                slope_left,
                slot + i,
                slope * p_left + share * (splat(0.0) - to_left - up_to_left),
            )
        if k < columns:
            above[0, start + k + 1] = mass_diagonal[slot]
            above[1, start + k + 1] = mass_up[slot]
            above[2, start + k + 1] = slope_diagonal[slot]
            above[3, start + k + 1] = slope_up[slot]
