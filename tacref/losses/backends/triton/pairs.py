# mypy: disable-error-code="no-untyped-def"
"""Triton kernels over pairs of frames, and how embeddings are laid out for them: costs.

They have no order of cells to keep and run in small blocks all over the device. In the tiles of
`sweep`, with which they share the numbering of programs on the first axis.
"""

import triton
import triton.language as tl

from tacref.losses.backends.triton.grid import in_band, kernel, number, slot_of, tile_of_stages

# Turns of a loop over frames or entries that are read at once.
UNROLLED = tl.constexpr(4)
# Clears the lower 27 bits of a mantissa: products of two such numbers are exact.
HIGH = tl.constexpr(-(1 << 27))


@triton.jit
def squared_distances(x, y, x_entry, y_entry, d, valid_x, valid_y):
    """Distances in float64 between rows whose first entries stand at `x` (BI,) and `y` (BJ,)."""
    x_step, y_step = x_entry.to(tl.int64), y_entry.to(tl.int64)
    D = tl.zeros((x.shape[0], y.shape[0]), tl.float64)
    for start in range(0, d, UNROLLED):
        for entry in tl.static_range(UNROLLED):
            f = start + entry
            x_f = tl.load(x + f * x_step, mask=valid_x & (f < d), other=0.0)
            y_f = tl.load(y + f * y_step, mask=valid_y & (f < d), other=0.0)
            difference = x_f.to(tl.float64)[:, None] - y_f.to(tl.float64)[None, :]
            D += difference * difference
    return D


@triton.jit
def _store_factor(cost, here, part, inside, inverse, scale, step_high, step_middle, step_low):
    # exp(-cost / gamma) = a 2^-q with q a whole number and a from 0.7 to 1.42
    q = tl.floor(cost * number(scale) + 0.5)
    # Within bounds, so that no difference of exponents is inf - inf.
    q = tl.where(q < 1e306, q, 1e306)
    q = tl.where(q > -1e306, q, -1e306)
    # What is left, cost - q gamma ln 2, by products and differences that are exact.
    q_high = (q.to(tl.int64, bitcast=True) & HIGH).to(tl.float64, bitcast=True)
    q_low = q - q_high
    rest = cost - q_high * number(step_high)
    rest = (rest - q_low * number(step_high)) - q_high * number(step_middle)
    rest = (rest - q_low * number(step_middle)) - q * number(step_low)
    t = rest * number(inverse)  # by 1 / gamma
    # Beyond these bounds only where cost / gamma has no digits behind the point.
    t = tl.where(t > 0.5, 0.5, tl.where(t < -0.5, -0.5, t))
    a = tl.where(cost == float("-inf"), float("nan"), tl.exp(-t))
    # A forbidden cell is known by a factor of 0.
    forbidden = cost == float("inf")
    tl.store(here, tl.where(forbidden, 0.0, a), mask=inside)
    tl.store(here + part, tl.where(forbidden, 0.0, q), mask=inside)


@triton.jit
def _block(height, width, H, W, BI: tl.constexpr, BJ: tl.constexpr):
    # The program's block of its tile: rows, columns, where they are kept, and which are valid.
    blocks = tl.cdiv(W, BJ)
    block = tl.program_id(1)
    i = (block // blocks) * BI + tl.arange(0, BI)
    j = (block % blocks) * BJ + tl.arange(0, BJ)
    kept = slot_of(i[:, None] + j[None, :], W) * H + i[:, None]
    return i, j, kept, (i[:, None] < height) & (j[None, :] < width)


@kernel
def costs_of_matrix(
    D,
    Z,
    cells,
    lengths_x,
    lengths_y,
    first_item,
    tiles,
    first_strip,
    stage,
    programs,
    chunks,
    H,
    W,
    D_item,
    D_row,
    D_column,
    Z_item,
    Z_row,
    Z_column,
    band,
    inverse: tl.int64,
    scale: tl.int64,
    step_high: tl.int64,
    step_middle: tl.int64,
    step_low: tl.int64,
    BI: tl.constexpr,
    BJ: tl.constexpr,
    SLOPE: tl.constexpr,
):
    """Factors and exponents of costs D, and with SLOPE the direction Z, where `sweep` reads."""
    item, strip, chunk, height, width = tile_of_stages(
        *(lengths_x, lengths_y, first_item, tiles, first_strip, stage, programs, chunks),
        *(H, W, band),
    )
    i, j, kept, inside = _block(height, width, H, W, BI, BJ)
    row = (strip * H + i).to(tl.int64)[:, None]
    column = (chunk * W + j).to(tl.int64)[None, :]
    free = inside & in_band(row, column, band)
    here = D + (first_item + item) * D_item + row * D_row + column * D_column
    cost = tl.load(here, mask=free, other=float("inf")).to(tl.float64)
    numbers: tl.constexpr = 4 if SLOPE else 2
    cells += tl.program_id(0).to(tl.int64) * W * H * numbers
    _store_factor(
        cost, cells + kept, W * H, inside, inverse, scale, step_high, step_middle, step_low
    )
    if SLOPE:
        there = Z + (first_item + item) * Z_item + row * Z_row + column * Z_column
        direction = tl.load(there, mask=free, other=0.0).to(tl.float64)
        tl.store(cells + 2 * W * H + kept, direction, mask=inside)


@kernel
def costs_of_embeddings(
    x,
    y,
    cells,
    lengths_x,
    lengths_y,
    first_item,
    tiles,
    first_strip,
    stage,
    programs,
    chunks,
    H,
    W,
    d,
    x_item,
    x_row,
    x_entry,
    y_item,
    y_row,
    y_entry,
    band,
    inverse: tl.int64,
    scale: tl.int64,
    step_high: tl.int64,
    step_middle: tl.int64,
    step_low: tl.int64,
    BI: tl.constexpr,
    BJ: tl.constexpr,
):
    """Factors and exponents of squared distances of float64 embeddings, where `sweep` reads."""
    item, strip, chunk, height, width = tile_of_stages(
        *(lengths_x, lengths_y, first_item, tiles, first_strip, stage, programs, chunks),
        *(H, W, band),
    )
    i, j, kept, inside = _block(height, width, H, W, BI, BJ)
    here = x + (first_item + item) * x_item + (strip * H + i).to(tl.int64) * x_row
    there = y + (first_item + item) * y_item + (chunk * W + j).to(tl.int64) * y_row
    cost = squared_distances(here, there, x_entry, y_entry, d, i < height, j < width)
    free = inside & in_band((strip * H + i)[:, None], (chunk * W + j)[None, :], band)
    cost = tl.where(free, cost, float("inf"))
    cells += tl.program_id(0).to(tl.int64) * W * H * 2
    _store_factor(
        cost, cells + kept, W * H, inside, inverse, scale, step_high, step_middle, step_low
    )


@triton.jit
def _store_by_entry(x, out, block, n, d, x_item, x_row, x_entry, BI, BD):
    # A block of rows and entries of an item, in float64, from `(n, d)` to `(d, n)`.
    b = tl.program_id(0).to(tl.int64)
    blocks = tl.cdiv(d, BD)
    i = ((block // blocks) * BI + tl.arange(0, BI)).to(tl.int64)[:, None]
    f = ((block % blocks) * BD + tl.arange(0, BD)).to(tl.int64)[None, :]
    inside = (i < n) & (f < d)
    here = x + b * x_item + i * x_row + f * x_entry
    number = tl.load(here, mask=inside, other=0.0).to(tl.float64)
    tl.store(out + b * n * d + f * n + i, number, mask=inside)


@kernel
def prepare(
    x,
    y,
    x_64,
    y_64,
    values,
    n,
    m,
    d,
    x_item,
    x_row,
    x_entry,
    y_item,
    y_row,
    y_entry,
    BI: tl.constexpr,
    BD: tl.constexpr,
):
    """Lay embeddings out in float64 `(B, d, n)` and `(B, d, m)`; set each value to +inf, no path.

    Of an item, the first programs have blocks of x and the others blocks of y.
    """
    block = tl.program_id(1)
    blocks_x = tl.cdiv(n, BI) * tl.cdiv(d, BD)
    if block < blocks_x:
        _store_by_entry(x, x_64, block, n, d, x_item, x_row, x_entry, BI, BD)
    else:
        _store_by_entry(y, y_64, block - blocks_x, m, d, y_item, y_row, y_entry, BI, BD)
    if block == 0:
        tl.store(values + tl.program_id(0), float("inf"))
