# mypy: disable-error-code="no-untyped-def"
"""Triton kernels of soft-DTW: the forward sweep over a tile, and the flow back through it.

A tile is H rows (a strip, one lane a row) by W columns (a chunk). Its cells (i, j), counted
within the tile, are visited by anti-diagonals k = i + j, so that at a step the lane i is at the
column k - i and needs of its neighbor only what that held one and two steps ago. Tiles on one
anti-diagonal of tiles (a stage: strip + chunk) do not depend on each other: one launch each.
When the edges of all tiles are known, no tiles do: one launch of several stages.
What is kept by cell stands at `(k % W, i)`: the lanes of a step lie side by side, and none
collide, as W >= H. Two numbers are: its cost as a factor and an exponent, which softmin weights
replace when they have been used, and these are replaced by E; with slopes, four.

A mass exp(-R / gamma) is a mantissa times a power of two, both float64: no logarithm is taken
and nothing is subtracted, so that relative errors stay at (n + m) eps whatever R / gamma is.
"""

import triton
import triton.language as tl

from tacref.losses.backends.triton.grid import in_band, kernel, number, slot_of, tile_of_stages
from tacref.losses.backends.triton.weights import store_slopes, store_weights

# The exponent of a mass of 0.
NONE = tl.constexpr(-1e306)
# 1.5 * 2 ** 52: a small whole number added to it stands in the lowest bits of the sum.
WHOLE = tl.constexpr(6755399441055744.0)
WHOLE_BITS = tl.constexpr(0x4338000000000000)
LN2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _power(exponent):
    # 2 ** exponent for whole numbers <= 0, by the bits of a float64; exactly 0 from -1023 on.
    biased = (tl.maximum(exponent, -1023.0) + WHOLE).to(tl.int64, bitcast=True) + 1023
    return (biased << 52).to(tl.float64, bitcast=True)


@triton.jit
def _normalize(mantissa, exponent):
    # The mantissa into [1, 2); NaN stays NaN.
    bits = mantissa.to(tl.int64, bitcast=True)
    shift = ((bits >> 52) & 0x7FF) - 1023
    shifted = (bits - (shift << 52)).to(tl.float64, bitcast=True)
    positive = mantissa > 0
    whole = (shift + WHOLE_BITS).to(tl.float64, bitcast=True) - WHOLE
    exponent = tl.maximum(tl.where(positive, exponent + whole, exponent), NONE)
    return tl.where(positive, shifted, mantissa), tl.where(mantissa == 0, NONE, exponent)


@triton.jit
def _inverse(number):
    # 1 / number for numbers in the range of float32, to the last digit but one: no branches.
    inverse = (1.0 / number.to(tl.float32)).to(tl.float64)
    inverse = tl.fma(inverse, tl.fma(-number, inverse, 1.0), inverse)
    return tl.fma(inverse, tl.fma(-number, inverse, 1.0), inverse)


@triton.jit
def _above(x, lanes):
    return tl.gather(x, tl.maximum(lanes - 1, 0), 0)


@triton.jit
def _entering(cells, top, top_part, k, i, j0, height, width, W, band, H, SLOPE, ALONE):
    # What step k reads: factor, exponent and direction of its cells, and the masses above lane 0.
    lanes = tl.arange(0, H)
    j = k - lanes
    active = (j >= 0) & (j < width) & (lanes < height)
    here = cells + slot_of(k, W) * H + lanes
    a = tl.load(here, mask=active, other=0.0)
    q = tl.load(here + W * H, mask=active, other=0.0)
    z, m_top, e_top, t_top = a, a, a, a
    if SLOPE:
        z = tl.load(here + 2 * W * H, mask=active, other=0.0)
    if not ALONE:
        under_top = active & (lanes == 0) & (i > 0) & in_band(i - 1, j0 + j, band)
        m_top = tl.load(top + j, mask=under_top, other=0.0)
        e_top = tl.load(top + top_part + j, mask=under_top, other=NONE)
        if SLOPE:
            t_top = tl.load(top + 2 * top_part + j, mask=under_top, other=0.0)
    return a, q, z, m_top, e_top, t_top


@kernel
def sweep(
    cells,
    bottoms,
    sides,
    values,
    lengths_x,
    lengths_y,
    first_item,
    tiles,
    first_strip,
    stage,
    programs,
    n,
    m,
    W,
    strips,
    chunks,
    bottom_part,
    side_part,
    band,
    gamma: tl.int64,
    H: tl.constexpr,
    KEEP_WEIGHTS: tl.constexpr,
    SLOPE: tl.constexpr,
    ALONE: tl.constexpr,
):
    """Masses of a tile's cells from its neighbors': equation 2 with equation 3 in place of min.

    Leaves its last row in `bottoms` (parts, items, strips, m), its last column in `sides` (parts,
    items, chunks, n), where the parts are mantissas, exponents and slopes of R; the value in
    `values`, if the tile holds the last valid cell. In `cells` (programs, numbers of a cell, W, H)
    stand costs, and with KEEP_WEIGHTS in their place the softmin weights, and with SLOPE their
    slopes too. ALONE tells that there is one strip, with nothing above or below: `bottoms`, like
    `sides` where there is one chunk, stay as they are.
    """
    item, strip, chunk, height, width = tile_of_stages(
        *(lengths_x, lengths_y, first_item, tiles, first_strip, stage, programs, chunks),
        *(H, W, band),
    )
    lanes = tl.arange(0, H)
    kept: tl.constexpr = 4 if SLOPE else 2
    cells += tl.program_id(0).to(tl.int64) * W * H * kept
    bottom = bottoms + (item * strips + strip) * m + chunk * W
    top = bottom - m
    side = sides + (item * chunks + chunk) * n + strip * H
    before = side - n
    i = strip * H + lanes
    j0 = chunk * W
    gamma_ = number(gamma)

    # The cells left of each lane's first, and diagonally above those: from the tiles to the left.
    has_left = (lanes < height) & (chunk > 0) & in_band(i, j0 - 1, band)
    m_here = tl.load(before + lanes, mask=has_left, other=0.0)
    e_here = tl.load(before + side_part + lanes, mask=has_left, other=NONE)
    corner = (chunk > 0) & (lanes < height) & in_band(i - 1, j0 - 1, band)
    in_corner = corner & (lanes == 0) & (strip > 0)
    corner = corner & (lanes > 0)
    m_corner = tl.load(before + lanes - 1, mask=corner, other=0.0)
    e_corner = tl.load(before + side_part + lanes - 1, mask=corner, other=NONE)
    m_first = tl.load(top - 1 + lanes, mask=in_corner, other=0.0)
    e_first = tl.load(top + bottom_part - 1 + lanes, mask=in_corner, other=NONE)
    # A path starts from a mass of 1 before the very first cell.
    origin = (i == 0) & (chunk == 0)
    m_diagonal = tl.where(origin, 1.0, tl.where(lanes == 0, m_first, m_corner))
    e_diagonal = tl.where(origin, 0.0, tl.where(lanes == 0, e_first, e_corner))
    t_here, t_diagonal = m_here, m_diagonal
    if SLOPE:
        t_here = tl.load(before + 2 * side_part + lanes, mask=has_left, other=0.0)
        t_corner = tl.load(before + 2 * side_part + lanes - 1, mask=corner, other=0.0)
        t_first = tl.load(top + 2 * bottom_part - 1 + lanes, mask=in_corner, other=0.0)
        t_diagonal = tl.where(lanes == 0, t_first, t_corner)

    steps = tl.where(height > 0, height + width - 1, 0)
    # Read several steps ahead, so that the memory is not waited for.
    bounds = (i, j0, height, width, W, band)
    ahead_1 = _entering(cells, top, bottom_part, 0, *bounds, H, SLOPE, ALONE)
    ahead_2 = _entering(cells, top, bottom_part, 1, *bounds, H, SLOPE, ALONE)
    ahead_3 = _entering(cells, top, bottom_part, 2, *bounds, H, SLOPE, ALONE)
    ahead_4 = _entering(cells, top, bottom_part, 3, *bounds, H, SLOPE, ALONE)
    for k in range(steps):
        a, q, z, m_top, e_top, t_top = ahead_1
        ahead_1, ahead_2, ahead_3 = ahead_2, ahead_3, ahead_4
        ahead_4 = _entering(cells, top, bottom_part, k + 4, *bounds, H, SLOPE, ALONE)
        j = k - lanes
        active = (j >= 0) & (j < width) & (lanes < height)
        m_up, e_up = _above(m_here, lanes), _above(e_here, lanes)
        if ALONE:
            m_up, e_up = tl.where(lanes == 0, 0.0, m_up), tl.where(lanes == 0, NONE, e_up)
        else:
            m_up, e_up = tl.where(lanes == 0, m_top, m_up), tl.where(lanes == 0, e_top, e_up)
        # Brought to the largest exponent, as a sum of floats is.
        e_most = tl.maximum(e_diagonal, tl.maximum(e_up, e_here))
        w_diagonal = m_diagonal * _power(e_diagonal - e_most)
        w_up = m_up * _power(e_up - e_most)
        w_left = m_here * _power(e_here - e_most)
        total = w_diagonal + (w_up + w_left)
        m_new, e_new = _normalize(total * a, e_most - q)
        if KEEP_WEIGHTS or SLOPE:
            # The factor is 0 in forbidden cells alone, which no path passes.
            passed = (total != 0) & (a != 0)
            share = tl.where(passed, _inverse(tl.where(total != 0, total, 1.0)), 0.0)
            p_diagonal, p_up, p_left = w_diagonal * share, w_up * share, w_left * share
        if SLOPE:
            t_up = _above(t_here, lanes)
            t_up = tl.where(lanes == 0, 0.0 if ALONE else t_top, t_up)
            # By pairs: a slope minus the mean would lose the digits where a weight is nearly 1.
            diagonal_up = p_diagonal * p_up * (t_up - t_diagonal) / gamma_
            diagonal_left = p_diagonal * p_left * (t_here - t_diagonal) / gamma_
            up_left = p_up * p_left * (t_here - t_up) / gamma_
            mean = p_diagonal * t_diagonal + (p_up * t_up + p_left * t_here)
            t_new = tl.where(passed, z + mean, 0.0)
            t_here = tl.where(active, t_new, t_here)
            t_diagonal = tl.where(active, t_up, t_diagonal)
        if KEEP_WEIGHTS:
            # A lane has read its cost of this step long since, and of a later one it is elsewhere.
            here = cells + slot_of(k, W) * H + lanes
            diagonal, up = store_weights(here, W * H, p_diagonal, p_up, p_left, passed, active)
            if SLOPE:
                s_diagonal = diagonal_up + diagonal_left
                s_up, s_left = up_left - diagonal_up, -diagonal_left - up_left
                there = here + 2 * W * H
                store_slopes(there, W * H, s_diagonal, s_up, s_left, diagonal, up, active)
        # A lane waits before its first column and stays at its last.
        m_here, e_here = tl.where(active, m_new, m_here), tl.where(active, e_new, e_here)
        m_diagonal = tl.where(active, m_up, m_diagonal)
        e_diagonal = tl.where(active, e_up, e_diagonal)
        if not ALONE and not KEEP_WEIGHTS:
            last = active & (lanes == H - 1)
            tl.store(bottom + j, m_here, mask=last)
            tl.store(bottom + bottom_part + j, e_here, mask=last)
            if SLOPE:
                tl.store(bottom + 2 * bottom_part + j, t_here, mask=last)

    if not KEEP_WEIGHTS:
        followed = (lanes < height) & (chunk + 1 < chunks)
        tl.store(side + lanes, m_here, mask=followed)
        tl.store(side + side_part + lanes, e_here, mask=followed)
        if SLOPE:
            tl.store(side + 2 * side_part + lanes, t_here, mask=followed)
    ends = (i + 1 == tl.load(lengths_x + first_item + item)) & (lanes < height)
    ends = ends & (j0 + width == tl.load(lengths_y + first_item + item))
    # eq. 4 for the last cell; +inf where no path arrives
    value = -gamma_ * (tl.log(tl.where(m_here == 0, 1.0, m_here)) + e_here * LN2)
    value = tl.where(m_here == 0, float("inf"), value)
    tl.store(values + first_item + item + 0 * lanes, value, mask=ends)
