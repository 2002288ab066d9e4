"""Soft-DTW of one strip (equation 4): forward with softmin weights, backward.

A sum over alignments, Z(i, j) = exp(-R(i, j) / gamma), is kept as mantissa times a power of two,
mantissa and exponent a float64 each, so that it neither overflows nor underflows. Then

    Z(i, j) = exp(-D(i, j) / gamma) (Z(i-1, j-1) + Z(i-1, j) + Z(i, j-1))

needs no logarithm and no difference of accumulated costs: each step adds a relative error of a few
roundings to Z, while R / gamma is below 2^52. What is outside has the exponent `OUTSIDE`.
"""

import math

import numpy as np

from tacref.compiled import inner
from tacref.kernels.atomics import publish
from tacref.kernels.costs import ROWS, STRIDE
from tacref.kernels.simd import (
    LANES,
    any_above,
    exponent,
    load,
    maximum,
    minimum,
    nearest,
    power_of_two,
    splat,
    store,
    widened,
)
from tacref.kernels.threads import await_progress

OUTSIDE = -1e306
# An anti-diagonal in a ring of three, with space for the row above (at LANES - 1) and below.
SLOT = ROWS + 2 * LANES
# Mantissas grow by 3 sqrt(2) a step at most; after this many steps they are brought back to [1, 2).
RENEWAL_STEP = 32
# A thread tells the one behind it how far it has come after this many anti-diagonals.
PROGRESS_STEP = 256
DONE = 1 << 62
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # 20 bits end in 0


@inner
def forward(
    strip: np.ndarray,
    above_mantissa: np.ndarray,
    above_exponent: np.ndarray,
    mantissa: np.ndarray,
    exponents: np.ndarray,
    weights: np.ndarray,
    weights_start: int,
    keep_weights: bool,
    rows: int,
    start: int,
    stop: int,
    gamma: float,
    ring: np.ndarray,
    progress: np.ndarray,
    s: int,
) -> None:
    """Sum over alignments along a strip, from the row above it to its last row.

    Parameters
    ----------
    strip : ndarray of float64
        Its costs, STRIDE an anti-diagonal.
    above_mantissa, above_exponent : ndarray of float64, shape (m + 1,)
        Sums in the row above, column j at j + 1.
    mantissa, exponents : ndarray of float64, shape (m + 1,)
        Written: sums in the strip's last row, likewise.
    weights : ndarray
        Written from `weights_start` on, if `keep_weights`: softmin weights, not yet divided by
        their sum, 3 STRIDE an anti-diagonal, of the diagonal, the upper and the left predecessor.
    weights_start, keep_weights
        See `weights`.
    rows, start, stop : int
        The strip's rows; its first column within the band, and one beyond the last.
    gamma : float
        Smoothing.
    ring : ndarray of float64
        Memory of at least 6 SLOT.
    progress : ndarray of int64
        How many columns of the row above are there stands at s; those of the last row are
        published at s + 1.
    s : int
        The strip's number.
    """
    columns = stop - start
    ring_mantissa, ring_exponent = ring[: 3 * SLOT], ring[3 * SLOT :]
    ring_mantissa[:] = 1.0
    ring_exponent[:] = OUTSIDE
    # The cell above and left of the first one, two anti-diagonals before it.
    ring_mantissa[SLOT + LANES - 1] = above_mantissa[start]
    ring_exponent[SLOT + LANES - 1] = above_exponent[start]
    per_octave = splat(1.0 / (gamma * math.log(2.0)))
    octave_high, octave_low = splat(gamma * _LN2_HIGH), splat(gamma * _LN2_LOW)
    inverse = splat(1.0 / gamma)
    outside, forbidden, zero_power = splat(OUTSIDE), splat(-OUTSIDE), splat(-1023.0)
    half, minus_half, one = splat(0.5), splat(-0.5), splat(1.0)
    for k in range(rows + columns - 1):
        slot, last, before = k % 3 * SLOT, (k + 2) % 3 * SLOT, (k + 1) % 3 * SLOT
        if k % PROGRESS_STEP == 0:
            publish(progress, s + 1, start + max(0, k - rows + 1))
            await_progress(progress, s, min(stop, start + k + PROGRESS_STEP))
        if k % RENEWAL_STEP == 0:
            for index in range(0, 3 * SLOT, LANES):
                m = load(ring_mantissa, index)
                shift = exponent(m)
                store(ring_mantissa, index, m * power_of_two(splat(0.0) - shift))
                store(ring_exponent, index, load(ring_exponent, index) + shift)
        if k < columns:
            ring_mantissa[last + LANES - 1] = above_mantissa[start + k + 1]
            ring_exponent[last + LANES - 1] = above_exponent[start + k + 1]
        first = max(0, k - columns + 1) // LANES * LANES
        for i in range(first, min(rows - 1, k) + 1, LANES):
            # exp(-D / gamma) = growth 2^-octaves, growth in [2^-1/2, 2^1/2]
            D = load(strip, k * STRIDE + i)
            octaves = nearest(minimum(D * per_octave, forbidden))
            rest = D - octaves * octave_high - octaves * octave_low
            # Beyond 2^52 octaves the rest has no digits left.
            t = minimum(half, maximum(minus_half, rest * inverse))
            growth = one - t * _series(t)
            # eq. 4: the softmin's weights, relative to the largest exponent
            e_diagonal = load(ring_exponent, before + LANES + i - 1)
            e_up = load(ring_exponent, last + LANES + i - 1)
            e_left = load(ring_exponent, last + LANES + i)
            e = maximum(maximum(e_up, e_left), e_diagonal)
            w_diagonal = load(ring_mantissa, before + LANES + i - 1) * power_of_two(
                maximum(e_diagonal - e, zero_power)
            )
            w_up = load(ring_mantissa, last + LANES + i - 1) * power_of_two(
                maximum(e_up - e, zero_power)
            )
            w_left = load(ring_mantissa, last + LANES + i) * power_of_two(
                maximum(e_left - e, zero_power)
            )
            # In this order D.T gives the same numbers, transposed.
            total = w_diagonal + (w_up + w_left)
            store(ring_mantissa, slot + LANES + i, total * growth)
            store(ring_exponent, slot + LANES + i, maximum(e - octaves, outside))
            if keep_weights:
                # Shares of their sum only where mass comes: most cells get none.
                index = weights_start + 3 * k * STRIDE + i
                store(weights, index, w_diagonal)
                store(weights, index + STRIDE, w_up)
                store(weights, index + 2 * STRIDE, w_left)
        if k >= rows - 1:
            j = start + k - rows + 1
            mantissa[j + 1] = ring_mantissa[slot + LANES + rows - 1]
            exponents[j + 1] = ring_exponent[slot + LANES + rows - 1]
    publish(progress, s + 1, DONE)


@inner
def _series(t):  # type: ignore[no-untyped-def]
    """Return (1 - exp(-t)) / t for |t| <= 1/2, by its series."""
    total = splat(1.0 / 87178291200.0)
    total = splat(1.0 / 6227020800.0) - t * total
    total = splat(1.0 / 479001600.0) - t * total
    total = splat(1.0 / 39916800.0) - t * total
    total = splat(1.0 / 3628800.0) - t * total
    total = splat(1.0 / 362880.0) - t * total
    total = splat(1.0 / 40320.0) - t * total
    total = splat(1.0 / 5040.0) - t * total
    total = splat(1.0 / 720.0) - t * total
    total = splat(1.0 / 120.0) - t * total
    total = splat(1.0 / 24.0) - t * total
    total = splat(1.0 / 6.0) - t * total
    total = splat(1.0 / 2.0) - t * total
    return splat(1.0) - t * total


@inner
def value(mantissa: float, exponents: float, gamma: float) -> float:
    """Return the soft minimum that a sum over alignments stands for."""
    if exponents < 0.5 * OUTSIDE:
        return np.inf if mantissa == mantissa else np.nan
    return -gamma * (math.log(mantissa) + exponents * math.log(2.0))


@inner
def backward(
    weights: np.ndarray,
    weights_start: int,
    E: np.ndarray,
    below_diagonal: np.ndarray,
    below_up: np.ndarray,
    above_diagonal: np.ndarray,
    above_up: np.ndarray,
    rows: int,
    start: int,
    stop: int,
    negligible_mass: float,
    reach: np.ndarray,
    ring: np.ndarray,
    progress: np.ndarray,
    s: int,
) -> None:
    """Flow of mass through a strip, from the row below it to the row above.

    Parameters
    ----------
    weights, weights_start
        Softmin weights, as `forward` kept them.
    E : ndarray
        Written in the layout of a strip: the mass of each cell (equation 4).
    below_diagonal, below_up : ndarray of float64, shape (m + 2,)
        What the cells of the next strip's first row pass to their diagonal and their upper
        predecessor, column j at j + 1.
    above_diagonal, above_up : ndarray of float64, shape (m + 2,)
        Written: the same of this strip's first row.
    rows, start, stop : int
        As for `forward`.
    negligible_mass : float
        Mass up to it is dropped.
    reach : ndarray of int64, shape (ROWS / LANES, 2)
        Written: for the rows from `LANES * b`, the first column and one beyond the last outside
        which E is 0.
    ring : ndarray of float64, shape (9 SLOT,)
        Memory.
    progress : ndarray of int64
        As for `forward`, in columns counted from the right, and from the last strip to the first.
    s : int
        The strip's number.
    """
    columns = stop - start
    ring_diagonal, ring_up = ring[: 3 * SLOT], ring[3 * SLOT : 6 * SLOT]
    ring_left = ring[6 * SLOT :]
    ring[:] = 0.0
    reach[:, 0] = columns
    reach[:, 1] = 0
    negligible, zero, one = splat(negligible_mass), splat(0.0), splat(1.0)
    for k in range(rows + columns - 2, -1, -1):
        slot, last, before = k % 3 * SLOT, (k + 1) % 3 * SLOT, (k + 2) % 3 * SLOT
        turn = rows + columns - 2 - k
        if turn % PROGRESS_STEP == 0:
            publish(progress, s, max(0, turn - rows + 1) - stop)
            await_progress(progress, s + 1, min(-start, turn + PROGRESS_STEP - stop))
        if k >= rows - 1:
            j = start + k - rows + 1
            ring_diagonal[before + rows] = below_diagonal[j + 2]
            ring_up[last + rows] = below_up[j + 1]
        else:
            ring_diagonal[before + rows] = ring_up[last + rows] = 0.0
        first = max(0, k - columns + 1) // LANES * LANES
        for i in range(first, min(rows - 1, k) + 1, LANES):
            # eq. 4: a cell collects from its three successors
            mass = load(ring_diagonal, before + i + 1) + (
                load(ring_up, last + i + 1) + load(ring_left, last + i)
            )
            if any_above(mass, negligible):
                index = weights_start + 3 * k * STRIDE + i
                w_diagonal = widened(load(weights, index))
                w_up = widened(load(weights, index + STRIDE))
                w_left = widened(load(weights, index + 2 * STRIDE))
                share = one / (w_diagonal + (w_up + w_left))
                store(E, k * STRIDE + i, mass)
                store(ring_diagonal, slot + i, mass * (w_diagonal * share))
                store(ring_up, slot + i, mass * (w_up * share))
                store(ring_left, slot + i, mass * (w_left * share))
                block = i // LANES
                reach[block, 0] = max(0, k - i - LANES + 1)
                reach[block, 1] = max(reach[block, 1], min(columns, k - i + 1))
            else:
                store(E, k * STRIDE + i, zero)
                store(ring_diagonal, slot + i, zero)
                store(ring_up, slot + i, zero)
                store(ring_left, slot + i, zero)
        if k < columns:
            above_diagonal[start + k + 1] = ring_diagonal[slot]
            above_up[start + k + 1] = ring_up[slot]
    publish(progress, s, DONE)
