# mypy: disable-error-code="no-untyped-def"
"""Triton kernel of Contrastive-IDM (equation 7): its terms by pairs of frames, and their slopes."""

import triton.language as tl

from tacref.losses.backends.triton.grid import kernel, number
from tacref.losses.backends.triton.pairs import squared_distances


@kernel
def idm_pairs(
    x,
    times,
    video_lengths,
    lengths,
    G,
    partial,
    first_item,
    strip,
    n,
    H,
    d,
    row_blocks,
    x_item,
    x_row,
    x_entry,
    times_item,
    times_row,
    window: tl.int64,
    margin: tl.int64,
    BI: tl.constexpr,
    BJ: tl.constexpr,
    IN_SOURCE_FRAMES: tl.constexpr,
    NEAR_WEIGHT_FALLS: tl.constexpr,
    FAR_WEIGHT_RISES: tl.constexpr,
    OF_ROOTS: tl.constexpr,
    MEAN_OVER_PAIRS: tl.constexpr,
    GRAD: tl.constexpr,
):
    """Terms of equation 7 for a block of rows and all columns, and their slopes along D_X.

    `partial` `(B, row_blocks)` gets the sums of terms, G `(items, H, n)` the
    slopes.
    """
    item = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    b = first_item + item
    count = tl.load(lengths + b).to(tl.int32)
    i = strip * H + block * BI + tl.arange(0, BI)
    t_i = i.to(tl.int64)
    video_length = tl.load(video_lengths + b).to(tl.float64)
    margin_ = number(margin)
    squared_count = count.to(tl.float64) * count.to(tl.float64)
    if IN_SOURCE_FRAMES:
        t_i = tl.load(times + b * times_item + t_i * times_row, mask=i < count, other=0)
    here = x + b * x_item + i.to(tl.int64) * x_row
    G += (item * H + block * BI + tl.arange(0, BI)[:, None]) * n
    total = tl.zeros((BI, BJ), tl.float64)
    for start in range(0, tl.where(strip * H + block * BI < count, count, 0), BJ):
        j = start + tl.arange(0, BJ)
        there = x + b * x_item + j.to(tl.int64) * x_row
        D = squared_distances(here, there, x_entry, x_entry, d, i < count, j < count)
        chain_root = tl.full((BI, BJ), 1.0, tl.float64)
        if OF_ROOTS:
            # d sqrt(D) / dD is taken as 0 where D = 0.
            D = tl.sqrt(D)
            chain_root = tl.where(D == 0, 0.0, 0.5 / tl.where(D == 0, 1.0, D))
        t_j = j.to(tl.int64)
        if IN_SOURCE_FRAMES:
            t_j = tl.load(times + b * times_item + t_j * times_row, mask=j < count, other=0)
        gap = t_i[:, None] - t_j[None, :]
        # On whole frames: a window in floating point misjudges pairs exactly sigma apart.
        far = tl.abs(gap) > window
        scaled = gap.to(tl.float64)
        if IN_SOURCE_FRAMES:
            scaled = scaled / video_length
        far_weight = scaled * scaled + 1.0
        near_weight = 1.0 / far_weight
        if not FAR_WEIGHT_RISES:
            far_weight = near_weight
        if not NEAR_WEIGHT_FALLS:
            near_weight = tl.full((BI, BJ), 1.0, tl.float64)
        # At the kink the slope is 0.
        beyond = margin_ <= D
        term = tl.where(far, far_weight * tl.where(beyond, 0.0, margin_ - D), near_weight * D)
        inside = (i[:, None] < count) & (j[None, :] < count)
        if MEAN_OVER_PAIRS:
            term = term / squared_count
        total += tl.where(inside, term, 0.0)
        if GRAD:
            slope = tl.where(far, tl.where(beyond, 0.0, -far_weight), near_weight) * chain_root
            if MEAN_OVER_PAIRS:
                slope = slope / squared_count
            tl.store(G + j[None, :], slope, mask=inside)
    tl.store(partial + b * row_blocks + strip * (H // BI) + block, tl.sum(total))
