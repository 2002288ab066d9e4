# mypy: disable-error-code="no-untyped-def"
"""Triton kernel of the chain rule of squared distances: from E, or slopes, to embeddings."""

import triton
import triton.language as tl

from tacref.losses.backends.triton.grid import kernel, slot_of, store, tile
from tacref.losses.backends.triton.pairs import UNROLLED


@triton.jit
def _gradient_of_rows(
    out,
    G,
    x,
    y,
    block,
    b,
    start,
    count,
    others_start,
    others,
    size,
    n,
    H,
    W,
    d,
    x_item,
    x_row,
    x_entry,
    y_item,
    y_row,
    y_entry,
    BI: tl.constexpr,
    BD: tl.constexpr,
    FACTOR: tl.constexpr,
    SWAP: tl.constexpr,
    ADD: tl.constexpr,
    SLOTS: tl.constexpr,
):
    # A block of what `chain` computes along x: rows from `start` on, `count` of them valid.
    own, step = W, 1
    if SWAP:
        own, step = 1, W
    blocks = tl.cdiv(d, BD)
    i = (block // blocks) * BI + tl.arange(0, BI)
    f = (block % blocks) * BD + tl.arange(0, BD).to(tl.int64)
    row = (start + i).to(tl.int64)
    here = x + b * x_item + row[:, None] * x_row + f[None, :] * x_entry
    valid = (i[:, None] < count) & (f[None, :] < d)
    x_i = tl.load(here, mask=valid, other=0.0).to(tl.float64)
    there = y + b * y_item + others_start.to(tl.int64) * y_row + f * y_entry
    total = tl.zeros((BI, BD), tl.float64)
    y_step = y_row.to(tl.int64)
    for first in range(0, others, UNROLLED):
        for turn in tl.static_range(UNROLLED):
            j = first + turn
            here_j = slot_of(i + j, W) * H + (j if SWAP else i) if SLOTS else i * own + j * step
            g = tl.load(G + here_j, mask=(i < count) & (j < others), other=0.0)
            y_j = tl.load(there + j * y_step, mask=(f < d) & (j < others), other=0.0)
            total += g[:, None] * (x_i - y_j.to(tl.float64)[None, :])
    total = FACTOR * total
    to = out + (b * n + row[:, None]) * d + f[None, :]
    written = (i[:, None] < size) & (row[:, None] < n) & (f[None, :] < d)
    if ADD:
        # Tiles of one launch share neither rows nor columns: nobody else adds here now. Those that
        # lie outside, which are empty, must not touch any.
        written = written & (count > 0)
        total += tl.load(to, mask=written, other=0.0)
    store(to, total, written)


@kernel
def chain(
    grad_x,
    grad_y,
    G,
    x,
    y,
    lengths_x,
    lengths_y,
    first_item,
    tiles,
    first_strip,
    stage,
    n,
    m,
    H,
    W,
    d,
    x_item,
    x_row,
    x_entry,
    y_item,
    y_row,
    y_entry,
    G_size,
    BI: tl.constexpr,
    BD: tl.constexpr,
    FACTOR: tl.constexpr,
    BOTH: tl.constexpr,
    ADD: tl.constexpr,
    SLOTS: tl.constexpr,
):
    """Chain rule of squared distances: FACTOR sum_j G_ij (x_i - y_j) of a tile, into `grad_x`.

    With BOTH, also FACTOR sum_i G_ij (y_j - x_i) into `grad_y`, by further programs. G is
    `(programs, H, W)`, or with SLOTS stands where `flow` left it; from one program to the next are
    `G_size` numbers. With ADD, gradients are added to what is there.
    """
    item, strip, chunk, height, width = tile(
        lengths_x, lengths_y, first_item, tiles, first_strip, stage, H, W
    )
    b = first_item + item
    G += tl.program_id(0).to(tl.int64) * G_size
    block = tl.program_id(1)
    blocks_x = tl.cdiv(H, BI) * tl.cdiv(d, BD)
    if not BOTH or block < blocks_x:
        _gradient_of_rows(
            *(grad_x, G, x, y, block, b, strip * H, height, chunk * W, width, H, n, H, W, d),
            *(x_item, x_row, x_entry, y_item, y_row, y_entry, BI, BD, FACTOR, False, ADD, SLOTS),
        )
    else:
        _gradient_of_rows(
            *(grad_y, G, y, x, block - blocks_x, b, chunk * W, width, strip * H, height, W, m),
            *(H, W, d, y_item, y_row, y_entry, x_item, x_row, x_entry),
            *(BI, BD, FACTOR, True, ADD, SLOTS),
        )
