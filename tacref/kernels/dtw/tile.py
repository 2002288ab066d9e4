"""DTW (equation 2) of one tile, a strip's part of a few columns: forward, and back along the path.

Where a path through a tile comes from takes two bits a cell. They are kept in bytes, one a vector
of `LANES` rows: whether the diagonal predecessor is the least, then whether the upper one is no
more than the left one.
"""

from typing import Any

import numba.extending
import numpy as np
from llvmlite import ir
from numba import types

from tacref.compiled import inner
from tacref.kernels.costs import COLUMNS, ROWS, STRIDE
from tacref.kernels.simd import LANES, load, store, vector

# Its stubs would hand a type checker the signature of `emit`'s maker.
intrinsic: Any = numba.extending.intrinsic
# Columns of a tile: its costs and those columns of y stay in the second-level cache.
TILE = 4 * COLUMNS
DIAGONALS = TILE + ROWS
# A ring of three anti-diagonals, with a place for the row above (at LANES - 1) and below.
SLOT = ROWS + 2 * LANES
# Bytes of directions: of an anti-diagonal, of a tile.
DIAGONAL_BYTES = 2 * ROWS // LANES
TILE_BYTES = DIAGONALS * DIAGONAL_BYTES


@intrinsic
def least(typing: Any, a: Any, b: Any) -> Any:
    """Return the smaller number of each lane, NaN where either is."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        smaller = builder.select(builder.fcmp_ordered("<", *args), *args)
        # Of NaN and a number, that gives the second.
        nan = builder.fcmp_unordered("uno", args[0], args[0])
        return builder.select(nan, args[0], smaller)

    return vector(vector, vector), emit


@intrinsic
def at_most(typing: Any, a: Any, b: Any) -> Any:
    """Return a byte whose bit k tells whether lane k of `a` is at most that of `b`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(builder.fcmp_ordered("<=", *args), ir.IntType(LANES))

    return types.uint8(vector, vector), emit


@inner
def forward(
    strip: np.ndarray,
    row: np.ndarray,
    edge: np.ndarray,
    rows: int,
    start: int,
    stop: int,
    ring: np.ndarray,
    keep: bool,
    bits: np.ndarray,
    bits_start: int,
) -> None:
    """Accumulate costs over the columns `start` to `stop` of a strip, from its upper and left edge.

    Column j of `row`, at j + 1, holds R of the row above, and after it that of the last row.
    `edge` holds R of the column before, from the row above on, and after it that of the last
    column. With `keep`, directions go to `bits`.
    """
    columns = stop - start
    # The cell above and left of the first one, two anti-diagonals before it.
    ring[SLOT + LANES - 1] = edge[0]
    edge[0] = row[stop]
    for k in range(rows + columns - 1):
        slot, last, before = k % 3 * SLOT, (k + 2) % 3 * SLOT, (k + 1) % 3 * SLOT
        if k < columns:
            ring[last + LANES - 1] = row[start + k + 1]
        if k < rows:
            ring[last + LANES + k] = edge[k + 1]
        # Vectors reach beyond the tile, but no cell of the tile looks at what they hold there.
        first = max(0, k - columns + 1) // LANES * LANES
        for i in range(first, min(rows - 1, k) + 1, LANES):
            # eq. 2: r(i, j) = D(i, j) + min{ ... }
            diagonal = load(ring, before + LANES + i - 1)
            up, left = load(ring, last + LANES + i - 1), load(ring, last + LANES + i)
            straight = least(up, left)
            R = load(strip, k * STRIDE + i) + least(diagonal, straight)
            store(ring, slot + LANES + i, R)
            if keep:
                index = bits_start + k * DIAGONAL_BYTES + 2 * (i // LANES)
                bits[index] = at_most(diagonal, straight)
                bits[index + 1] = at_most(up, left)
        if k >= rows - 1:
            row[start + k - rows + 2] = ring[slot + LANES + rows - 1]
        if k >= columns - 1:
            edge[k - columns + 2] = ring[slot + LANES + k - columns + 1]


@inner
def back(
    bits: np.ndarray,
    bits_start: int,
    first: int,
    start: int,
    i: int,
    j: int,
    path: np.ndarray,
    step: int,
) -> tuple[int, int, int]:
    """Write the path to (i, j) backwards before `step`, as far as it lies in a tile.

    The tile starts at row `first`, column `start`. Return the cell before, and the path's start.
    """
    while i >= first and j >= start:
        step -= 1
        path[step, 0], path[step, 1] = i, j
        r = i - first
        index = bits_start + (r + j - start) * DIAGONAL_BYTES + 2 * (r // LANES)
        # Our choice, not the paper's: ties take the diagonal, then the step in x.
        if bits[index] >> (r % LANES) & 1:
            i, j = i - 1, j - 1
        elif bits[index + 1] >> (r % LANES) & 1:
            i -= 1
        else:
            j -= 1
    return i, j, step
