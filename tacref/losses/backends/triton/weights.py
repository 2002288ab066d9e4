# mypy: disable-error-code="no-untyped-def"
"""How the softmin weights of a cell, or their slopes, are kept in two numbers.

The weights of a cell's three predecessors sum to 1, so the largest one need not be kept: 1 minus
the others has all its digits, as it is at least 1/3. The signs of the two that are kept, in the
order diagonal, up, left, tell which one is not: (+, +) the diagonal one, (-, +) that from above,
(+, -) that from the left; (-, -) tells that no path passes the cell, which has no weights.
"""

import triton
import triton.language as tl

# The bit of a float64 that is its sign, and all others.
SIGN = tl.constexpr(-(1 << 63))
SIZE = tl.constexpr((1 << 63) - 1)


@triton.jit
def _signed(x, negative):
    # By its bit, which zeros and NaN have, too.
    bits = x.to(tl.int64, bitcast=True) & SIZE
    return tl.where(negative, bits | SIGN, bits).to(tl.float64, bitcast=True)


@triton.jit
def store_weights(here, part, p_diagonal, p_up, p_left, passed, mask):
    """Store weights at `here` and `here + part`; return where "diagonal" and "up" are largest."""
    diagonal = passed & (p_diagonal >= p_up) & (p_diagonal >= p_left)
    up = passed & (p_up >= p_left) & ~diagonal
    first = tl.where(diagonal, p_up, p_diagonal)
    second = tl.where(diagonal | up, p_left, p_up)
    first = _signed(tl.where(passed, first, 0.0), up | ~passed)
    second = _signed(tl.where(passed, second, 0.0), ~(diagonal | up))
    tl.store(here, first, mask=mask)
    tl.store(here + part, second, mask=mask)
    return diagonal, up


@triton.jit
def store_slopes(here, part, s_diagonal, s_up, s_left, diagonal, up, mask):
    """Store the slopes, which sum to 0, of the weights that `store_weights` kept."""
    tl.store(here, tl.where(diagonal, s_up, s_diagonal), mask=mask)
    tl.store(here + part, tl.where(diagonal | up, s_left, s_up), mask=mask)


@triton.jit
def load_weights(here, part, mask):
    """Return the three weights, and where "diagonal" and "up" are the largest."""
    first = tl.load(here, mask=mask, other=0.0)
    second = tl.load(here + part, mask=mask, other=0.0)
    not_first = first.to(tl.int64, bitcast=True) < 0
    not_second = second.to(tl.int64, bitcast=True) < 0
    first, second = tl.abs(first), tl.abs(second)
    largest = tl.where(not_first & not_second, 0.0, 1.0 - (first + second))
    diagonal, up = ~(not_first | not_second), not_first & ~not_second
    p_diagonal, p_up, p_left = _in_order(first, second, largest, diagonal, up)
    return p_diagonal, p_up, p_left, diagonal, up


@triton.jit
def load_slopes(here, part, diagonal, up, mask):
    """Return the slopes of the three weights."""
    first = tl.load(here, mask=mask, other=0.0)
    second = tl.load(here + part, mask=mask, other=0.0)
    return _in_order(first, second, -(first + second), diagonal, up)


@triton.jit
def _in_order(first, second, largest, diagonal, up):
    of_diagonal = tl.where(diagonal, largest, first)
    of_up = tl.where(up, largest, tl.where(diagonal, first, second))
    return of_diagonal, of_up, tl.where(diagonal | up, second, largest)
