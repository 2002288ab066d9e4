# mypy: disable-error-code="no-untyped-def"
"""Triton kernel of the way back through soft-DTW: E of equation 4 as a flow, and its slopes."""

import triton
import triton.language as tl

from tacref.losses.backends.triton.grid import in_band, kernel, slot_of, store, tile
from tacref.losses.backends.triton.weights import load_slopes, load_weights


@triton.jit
def _below(x, lanes, H: tl.constexpr):
    return tl.gather(x, tl.minimum(lanes + 1, H - 1), 0)


@triton.jit
def _passing(
    cells,
    from_below,
    up_part,
    k,
    i,
    j0,
    height,
    width,
    row_count,
    column_count,
    W,
    band,
    H,
    SLOPE,
    ALONE,
):
    # What step k reads: softmin weights and their slopes, and what comes to the last lane from
    # the tiles below, straight and diagonally.
    lanes = tl.arange(0, H)
    j = k - lanes
    active = (j >= 0) & (j < width) & (lanes < height)
    here = cells + slot_of(k, W) * H + lanes
    p_diagonal, p_up, p_left, most_diagonal, most_up = load_weights(here, W * H, active)
    s_diagonal, s_up, s_left, mass, slope = p_diagonal, p_up, p_left, p_up, p_up
    if SLOPE:
        there = here + 2 * W * H
        s_diagonal, s_up, s_left = load_slopes(there, W * H, most_diagonal, most_up, active)
    if not ALONE:
        under = active & (lanes == H - 1) & (i + 1 < row_count)
        straight = under & in_band(i + 1, j0 + j, band)
        diagonal = under & (j0 + j + 1 < column_count) & in_band(i + 1, j0 + j + 1, band)
        mass = tl.load(from_below + j, mask=straight, other=0.0)
        mass += tl.load(from_below + up_part + j + 1, mask=diagonal, other=0.0)
        if SLOPE:
            slope = tl.load(from_below + 2 * up_part + j, mask=straight, other=0.0)
            slope += tl.load(from_below + 3 * up_part + j + 1, mask=diagonal, other=0.0)
    return p_diagonal, p_up, p_left, mass, s_diagonal, s_up, s_left, slope


@kernel
def flow(
    cells,
    E,
    passed_up,
    passed_left,
    lengths_x,
    lengths_y,
    first_item,
    tiles,
    first_strip,
    stage,
    n,
    m,
    W,
    items,
    band,
    H: tl.constexpr,
    SLOPE: tl.constexpr,
    TILED: tl.constexpr,
    ALONE: tl.constexpr,
):
    """Mass of a tile's cells, E of equation 4, from that of the tiles below and to the right.

    Each cell collects what its three successors pass back to it, so that none is written twice.
    What leaves the tile upward is kept in `passed_up` (parts, items, 3, m), and what leaves it to
    the left in `passed_left` (parts, items, 2, n); the parts are straight and diagonal mass and,
    with SLOPE, its slopes. Strips take turns in 3 rows of the former and chunks in 2 of the latter,
    as a tile of the next stage still reads what lies diagonally below it. E is `(B, n, m)`, and
    with SLOPE gets the slopes; with TILED it replaces the first weights. ALONE tells that there is
    one strip, so that nothing leaves upward.
    """
    item, strip, chunk, height, width = tile(
        lengths_x, lengths_y, first_item, tiles, first_strip, stage, H, W
    )
    lanes = tl.arange(0, H)
    kept: tl.constexpr = 4 if SLOPE else 2
    program = tl.program_id(0).to(tl.int64)
    cells += program * W * H * kept
    i = strip * H + lanes
    j0 = chunk * W
    E += ((first_item + item) * n + i) * m + j0
    row_count = tl.load(lengths_x + first_item + item).to(tl.int32)
    column_count = tl.load(lengths_y + first_item + item).to(tl.int32)

    up_part = items.to(tl.int64) * 3 * m
    from_below = passed_up + (item * 3 + (strip + 1) % 3) * m + j0
    to_above = passed_up + (item * 3 + strip % 3) * m + j0
    left_part = items.to(tl.int64) * 2 * n
    from_right = passed_left + (item * 2 + (chunk + 1) % 2) * n + strip * H
    to_left = passed_left + (item * 2 + chunk % 2) * n + strip * H

    # From the tile to the right, into each lane's last column.
    next_chunk = (lanes < height) & (j0 + W < column_count)
    straight = next_chunk & in_band(i, j0 + W, band)
    # What comes diagonally from below the tile is in `from_below`.
    diagonal = next_chunk & (lanes < H - 1) & (i + 1 < row_count) & in_band(i + 1, j0 + W, band)
    right = tl.load(from_right + lanes, mask=straight, other=0.0)
    right += tl.load(from_right + left_part + lanes + 1, mask=diagonal, other=0.0)
    s_right = right
    if SLOPE:
        s_right = tl.load(from_right + 2 * left_part + lanes, mask=straight, other=0.0)
        s_right += tl.load(from_right + 3 * left_part + lanes + 1, mask=diagonal, other=0.0)
    # Each with zeros of its own: a number that a loop hands from one name to the other is taken
    # for one that does not change, where both names start with the same.
    up, s_up = tl.zeros((H,), tl.float64), tl.zeros((H,), tl.float64)
    diagonal_now, diagonal_before = tl.zeros((H,), tl.float64), tl.zeros((H,), tl.float64)
    s_diagonal_now, s_diagonal_before = tl.zeros((H,), tl.float64), tl.zeros((H,), tl.float64)

    steps = tl.where(height > 0, height + width - 1, 0)
    # Read several steps ahead, so that the memory is not waited for.
    bounds = (i, j0, height, width, row_count, column_count, W, band)
    ahead_1 = _passing(cells, from_below, up_part, steps - 1, *bounds, H, SLOPE, ALONE)
    ahead_2 = _passing(cells, from_below, up_part, steps - 2, *bounds, H, SLOPE, ALONE)
    ahead_3 = _passing(cells, from_below, up_part, steps - 3, *bounds, H, SLOPE, ALONE)
    ahead_4 = _passing(cells, from_below, up_part, steps - 4, *bounds, H, SLOPE, ALONE)
    for step in range(steps):
        k = steps - 1 - step
        p_d, p_u, p_l, returned, w_d, w_u, w_l, s_returned = ahead_1
        ahead_1, ahead_2, ahead_3 = ahead_2, ahead_3, ahead_4
        ahead_4 = _passing(cells, from_below, up_part, k - 4, *bounds, H, SLOPE, ALONE)
        j = k - lanes
        active = (j >= 0) & (j < width) & (lanes < height)
        passed = _below(up + diagonal_before, lanes, H)
        mass = right + tl.where(lanes == H - 1, 0.0 if ALONE else returned, passed)
        # eq. 4: one unit starts from the last cell, if a path arrives there
        ends = (i == row_count - 1) & (j0 + j == column_count - 1) & (p_d + (p_u + p_l) != 0)
        mass += tl.where(ends, 1.0, 0.0)
        if SLOPE:
            s_passed = _below(s_up + s_diagonal_before, lanes, H)
            slope = s_right + tl.where(lanes == H - 1, 0.0 if ALONE else s_returned, s_passed)
            store(E + j, slope, active)
            # eq. 4, differentiated by the product rule
            s_diagonal_before = s_diagonal_now
            s_diagonal_now = tl.where(active, slope * p_d + mass * w_d, s_diagonal_now)
            s_up = tl.where(active, slope * p_u + mass * w_u, s_up)
            s_right = tl.where(active, slope * p_l + mass * w_l, s_right)
        elif TILED:
            tl.store(cells + slot_of(k, W) * H + lanes, mass, mask=active)
        else:
            store(E + j, mass, active)
        diagonal_before = diagonal_now
        diagonal_now = tl.where(active, mass * p_d, diagonal_now)
        up = tl.where(active, mass * p_u, up)
        right = tl.where(active, mass * p_l, right)
        if not ALONE:
            first = active & (lanes == 0)
            tl.store(to_above + j, up, mask=first)
            tl.store(to_above + up_part + j, diagonal_now, mask=first)
            if SLOPE:
                tl.store(to_above + 2 * up_part + j, s_up, mask=first)
                tl.store(to_above + 3 * up_part + j, s_diagonal_now, mask=first)

    # What the first column passes on stands in its lane since.
    awaited = (lanes < height) & (chunk > 0)
    tl.store(to_left + lanes, right, mask=awaited)
    tl.store(to_left + left_part + lanes, diagonal_now, mask=awaited)
    if SLOPE:
        tl.store(to_left + 2 * left_part + lanes, s_right, mask=awaited)
        tl.store(to_left + 3 * left_part + lanes, s_diagonal_now, mask=awaited)
