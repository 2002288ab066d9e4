# mypy: disable-error-code="no-untyped-def"
"""Triton kernel of the way back through soft-DTW: E of equation 4 as a flow, and its slopes."""

import triton
import triton.language as tl

from tacref.losses.backends.triton.sweep import in_band, kernel, slot_of, store, tile


@triton.jit
def _below(x, lanes, H: tl.constexpr):
    return tl.gather(x, tl.minimum(lanes + 1, H - 1), 0)


@triton.jit
def _passing(
    weights,
    below,
    below_part,
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
    here = weights + slot_of(k, W) * H + lanes
    p_diagonal = tl.load(here, mask=active, other=0.0)
    p_up = tl.load(here + W * H, mask=active, other=0.0)
    p_left = tl.load(here + 2 * W * H, mask=active, other=0.0)
    s_diagonal, s_up, s_left, mass, slope = p_diagonal, p_up, p_left, p_up, p_up
    if SLOPE:
        s_diagonal = tl.load(here + 3 * W * H, mask=active, other=0.0)
        s_up = tl.load(here + 4 * W * H, mask=active, other=0.0)
        s_left = tl.load(here + 5 * W * H, mask=active, other=0.0)
    if not ALONE:
        under = active & (lanes == H - 1) & (i + 1 < row_count)
        straight = under & in_band(i + 1, j0 + j, band)
        diagonal = under & (j0 + j + 1 < column_count) & in_band(i + 1, j0 + j + 1, band)
        mass = tl.load(below + j, mask=straight, other=0.0)
        mass += tl.load(below + below_part + j + 1, mask=diagonal, other=0.0)
        if SLOPE:
            slope = tl.load(below + 2 * below_part + j, mask=straight, other=0.0)
            slope += tl.load(below + 3 * below_part + j + 1, mask=diagonal, other=0.0)
    return p_diagonal, p_up, p_left, mass, s_diagonal, s_up, s_left, slope


@kernel
def flow(
    weights,
    E,
    belows,
    besides,
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
    """Mass of a tile's cells, E of equation 4, from that of the tiles below and beside it.

    Each cell collects what its three successors pass back to it, so that none is written twice.
    What leaves the tile is kept in `belows` (parts, items, 3, m) upward and in `besides` (parts,
    items, 2, n) to the left; the parts are straight and diagonal mass and, with SLOPE, its
    slopes. Strips take turns in 3 places and chunks in 2, as a tile of the next stage still reads
    what lies diagonally below it. E is `(B, n, m)`, and with SLOPE gets the slopes; with TILED it
    takes the place of the first weights. ALONE tells that there is one strip, so that nothing
    leaves upward.
    """
    item, strip, chunk, height, width = tile(
        lengths_x, lengths_y, first_item, tiles, first_strip, stage, H, W
    )
    lanes = tl.arange(0, H)
    kept: tl.constexpr = 6 if SLOPE else 3
    program = tl.program_id(0).to(tl.int64)
    weights += program * W * H * kept
    i = strip * H + lanes
    j0 = chunk * W
    E += ((first_item + item) * n + i) * m + j0
    row_count = tl.load(lengths_x + first_item + item).to(tl.int32)
    column_count = tl.load(lengths_y + first_item + item).to(tl.int32)

    below_part = items.to(tl.int64) * 3 * m
    below = belows + (item * 3 + (strip + 1) % 3) * m + j0
    here_below = belows + (item * 3 + strip % 3) * m + j0
    beside_part = items.to(tl.int64) * 2 * n
    beside = besides + (item * 2 + (chunk + 1) % 2) * n + strip * H
    here_beside = besides + (item * 2 + chunk % 2) * n + strip * H

    # From the tiles beside, into each lane's last column.
    next_chunk = (lanes < height) & (j0 + W < column_count)
    straight = next_chunk & in_band(i, j0 + W, band)
    # What comes diagonally from below the tile is in `below`.
    diagonal = next_chunk & (lanes < H - 1) & (i + 1 < row_count) & in_band(i + 1, j0 + W, band)
    right = tl.load(beside + lanes, mask=straight, other=0.0)
    right += tl.load(beside + beside_part + lanes + 1, mask=diagonal, other=0.0)
    s_right = right
    if SLOPE:
        s_right = tl.load(beside + 2 * beside_part + lanes, mask=straight, other=0.0)
        s_right += tl.load(beside + 3 * beside_part + lanes + 1, mask=diagonal, other=0.0)
    # Each with zeros of its own: a number that a loop hands from one name to the other is taken
    # for one that does not change, where both names start with the same.
    up, s_up = tl.zeros((H,), tl.float64), tl.zeros((H,), tl.float64)
    diagonal_now, diagonal_before = tl.zeros((H,), tl.float64), tl.zeros((H,), tl.float64)
    s_diagonal_now, s_diagonal_before = tl.zeros((H,), tl.float64), tl.zeros((H,), tl.float64)

    steps = tl.where(height > 0, height + width - 1, 0)
    # Read several steps ahead, so that the memory is not waited for.
    place = (i, j0, height, width, row_count, column_count, W, band)
    ahead_1 = _passing(weights, below, below_part, steps - 1, *place, H, SLOPE, ALONE)
    ahead_2 = _passing(weights, below, below_part, steps - 2, *place, H, SLOPE, ALONE)
    ahead_3 = _passing(weights, below, below_part, steps - 3, *place, H, SLOPE, ALONE)
    ahead_4 = _passing(weights, below, below_part, steps - 4, *place, H, SLOPE, ALONE)
    for step in range(steps):
        k = steps - 1 - step
        p_d, p_u, p_l, returned, w_d, w_u, w_l, s_returned = ahead_1
        ahead_1, ahead_2, ahead_3 = ahead_2, ahead_3, ahead_4
        ahead_4 = _passing(weights, below, below_part, k - 4, *place, H, SLOPE, ALONE)
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
            tl.store(weights + slot_of(k, W) * H + lanes, mass, mask=active)
        else:
            store(E + j, mass, active)
        diagonal_before = diagonal_now
        diagonal_now = tl.where(active, mass * p_d, diagonal_now)
        up = tl.where(active, mass * p_u, up)
        right = tl.where(active, mass * p_l, right)
        if not ALONE:
            first = active & (lanes == 0)
            tl.store(here_below + j, up, mask=first)
            tl.store(here_below + below_part + j, diagonal_now, mask=first)
            if SLOPE:
                tl.store(here_below + 2 * below_part + j, s_up, mask=first)
                tl.store(here_below + 3 * below_part + j, s_diagonal_now, mask=first)

    # What the first column passes on stands in its lane since.
    tl.store(here_beside + lanes, right, mask=lanes < height)
    tl.store(here_beside + beside_part + lanes, diagonal_now, mask=lanes < height)
    if SLOPE:
        tl.store(here_beside + 2 * beside_part + lanes, s_right, mask=lanes < height)
        tl.store(here_beside + 3 * beside_part + lanes, s_diagonal_now, mask=lanes < height)
