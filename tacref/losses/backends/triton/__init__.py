"""Soft-DTW and Contrastive-IDM on a CUDA device: Triton kernels, float64, deterministic.

Nothing here waits for the device or depends on values that lie on it: allocations and launches
on the current stream alone, which a CUDA graph can record once the kernels have run, and so been
compiled. What lies beyond the valid rows and columns is not read. Memory is bounded: long pairs
are computed in tiles, and large batches in groups of items.
"""

import functools
import math
import os
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from tacref.variants import VARIANTS

# Numbers of the slopes of Contrastive-IDM that are kept at a time.
MAX_PAIRS = 1 << 24
# Rows up to which Contrastive-IDM of a video is one block: a power of two, at least 16.
SHORT_ROWS = 32
MAX_WINDOW = torch.iinfo(torch.int64).max


def missing() -> str | None:
    """Say what these kernels lack on this machine; None if nothing."""
    try:
        import triton.language
    except ImportError:
        return "triton is not installed"
    if not hasattr(triton.language, "gather"):
        return "triton is older than 3.3"
    if not interpreted() and not torch.cuda.is_available():
        return "there is no CUDA device"
    return None


def interpreted() -> bool:
    """Whether Triton's interpreter runs the kernels, on the CPU."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


def refusal(device: torch.device) -> str | None:
    """Say why these kernels cannot compute on a device; None if they can."""
    if (lack := missing()) is not None:
        return f"cannot be used here: {lack}"
    if device.type != "cuda" and not interpreted():
        return f"needs tensors on CUDA, got {device}"
    return None


def soft_dtw(
    D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int, with_grad: bool
) -> tuple[Tensor, Tensor]:
    """Soft-DTW of costs (equation 4) and, if asked for, its gradient E.

    Parameters
    ----------
    D : Tensor, shape (B, n, m)
        Costs, of any floating-point dtype and strides; +inf forbids a cell.
    gamma : float
        Smoothing, > 0.
    lengths_x, lengths_y : Tensor of int64, shape (B,)
        Valid rows and columns of each item.
    band : int
        Cells with |i - j| > band are forbidden; -1 forbids none.
    with_grad : bool
        Whether E is computed.

    Returns
    -------
    values : Tensor of float64, shape (B,)
        +inf where no path is free.
    E : Tensor, shape (B, n, m)
        In the dtype of `D`; 0 beyond what is valid and in forbidden cells. Empty if not asked for.
    """
    from tacref.losses.backends.triton.tiles import Tiles

    B, n, m = D.shape
    values = _no_path(D)
    E = D.new_zeros((B, n, m) if with_grad else (0,))
    with _on_its_device(D):
        tiles = Tiles(D, (B, n, m), lengths_x, lengths_y, band, gamma, keep_weights=with_grad)
        costs = functools.partial(tiles.costs_of_matrix, D=D, Z=D)
        for first_item in range(0, B, tiles.items):
            for at in tiles.way_back(first_item, costs, values, with_grad):
                tiles.flow(at, E)
    return values, E


def soft_dtw_hvp(
    D: Tensor, Z: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
) -> Tensor:
    """Hessian of each value of `soft_dtw` times a direction.

    Parameters
    ----------
    D, gamma, lengths_x, lengths_y, band
        As for `soft_dtw`.
    Z : Tensor, shape (B, n, m)
        Direction; in forbidden cells it does not count.

    Returns
    -------
    Tensor, shape (B, n, m)
        In the dtype of `D`.
    """
    from tacref.losses.backends.triton.tiles import Tiles

    B, n, m = D.shape
    values, product = _no_path(D), D.new_zeros((B, n, m))
    with _on_its_device(D):
        tiles = Tiles(
            D, (B, n, m), lengths_x, lengths_y, band, gamma, keep_weights=True, slope=True
        )
        costs = functools.partial(tiles.costs_of_matrix, D=D, Z=Z)
        for first_item in range(0, B, tiles.items):
            for at in tiles.way_back(first_item, costs, values, True):
                tiles.flow(at, product)
    return product


def soft_dtw_of_embeddings(
    x: Tensor,
    y: Tensor,
    gamma: float,
    lengths_x: Tensor,
    lengths_y: Tensor,
    band: int,
    with_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Soft-DTW of squared Euclidean distances and, if asked for, its gradients.

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d)
        Embeddings of one floating-point dtype, of any strides.
    gamma, lengths_x, lengths_y, band, with_grad
        As for `soft_dtw`.

    Returns
    -------
    values : Tensor of float64, shape (B,)
        +inf where no path is free.
    grad_x, grad_y : Tensor, shapes (B, n, d) and (B, m, d)
        In the dtype of `x`, at least float32; 0 beyond what is valid. Empty if not asked for.
    """
    from tacref.losses.backends.triton.tiles import Tiles, prepare

    B, n, d = x.shape
    m = y.shape[1]
    if n > m:  # the shorter one has the lanes
        values, grad_y, grad_x = soft_dtw_of_embeddings(
            y, x, gamma, lengths_y, lengths_x, band, with_grad
        )
        return values, grad_x, grad_y
    dtype = torch.promote_types(x.dtype, torch.float32)
    with _on_its_device(x):
        tiles = Tiles(x, (B, n, m), lengths_x, lengths_y, band, gamma, keep_weights=with_grad)
        # Sums over several tiles are kept in float64; a single tile writes all there is.
        add = tiles.strips + tiles.chunks > 2
        kept = torch.float64 if add else dtype
        make = torch.zeros if add else torch.empty
        grad_x = make((B, n, d) if with_grad else (0,), dtype=kept, device=x.device)
        grad_y = make((B, m, d) if with_grad else (0,), dtype=kept, device=x.device)
        x_64, y_64, values = prepare(x, y)
        costs = functools.partial(tiles.costs_of_embeddings, x=x_64, y=y_64)
        for first_item in range(0, B, tiles.items):
            for at in tiles.way_back(first_item, costs, values, with_grad):
                tiles.flow(at)
                tiles.chain(at, x, y, grad_x, grad_y, add=add)
    return values, grad_x.to(dtype), grad_y.to(dtype)


def contrastive_idm(
    x: Tensor,
    lengths: Tensor,
    times: Tensor,
    video_lengths: Tensor,
    sigma: float,
    margin: float,
    variant: str,
    with_grad: bool,
) -> tuple[Tensor, Tensor]:
    """Contrastive-IDM of embeddings (equation 7) and, if asked for, its gradient.

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Embeddings, of any floating-point dtype and strides.
    lengths : Tensor of int64, shape (B,)
        Valid rows of each item.
    times, video_lengths : Tensor of int64, shapes (B, n) and (B,)
        Source frame numbers, and frames of the source videos; read by "official" alone.
    sigma, margin, variant
        As for `tacref.losses.contrastive_idm`.
    with_grad : bool
        Whether the gradient is computed.

    Returns
    -------
    values : Tensor of float64, shape (B,)
        The loss of each item.
    grad_x : Tensor, shape (B, n, d)
        In the dtype of `x`, at least float32; 0 beyond what is valid. Empty if not asked for.
    """
    from tacref.losses.backends.triton.chain import chain
    from tacref.losses.backends.triton.idm import idm_pairs
    from tacref.losses.backends.triton.tiles import (
        BLOCK_ENTRIES,
        BLOCK_ROWS,
        bits,
        blocks_of,
        by_entry,
    )

    B, n, d = x.shape
    dtype = torch.promote_types(x.dtype, torch.float32)
    grad = torch.empty((B, n, d) if with_grad else (0,), dtype=dtype, device=x.device)
    # A short video is one block, whose sum is the value, and is read as it lies: two launches less.
    short = n <= SHORT_ROWS
    rows = SHORT_ROWS if short else BLOCK_ROWS
    row_blocks = -(-n // rows)
    partial = torch.empty((B, row_blocks), dtype=torch.float64, device=x.device)
    # Strips of whole blocks of rows, of which the slopes are kept until they are used.
    blocks = max(1, min(row_blocks, MAX_PAIRS // (rows * n))) if with_grad else row_blocks
    H = blocks * rows
    items = max(1, min(B, MAX_PAIRS // (H * n)))
    slopes = torch.empty((items, H, n) if with_grad else (1,), dtype=torch.float64, device=x.device)
    lengths = lengths.contiguous()
    window, form = min(math.floor(sigma), MAX_WINDOW), VARIANTS[variant]
    with _on_its_device(x):
        z = x if short else by_entry(x)
        for first_item in range(0, B, items):
            programs = min(items, B - first_item)
            for strip in range(-(-n // H)):
                idm_pairs[(programs, min(blocks, row_blocks - strip * blocks))](
                    *(z, times, video_lengths.contiguous(), lengths, slopes, partial),
                    *(first_item, strip, n, H, d, row_blocks, *z.stride(), *times.stride()),
                    *(window, bits(margin)),
                    BI=rows,
                    BJ=rows,
                    IN_SOURCE_FRAMES=form.in_source_frames,
                    NEAR_WEIGHT_FALLS=form.near_weight_falls,
                    FAR_WEIGHT_RISES=form.far_weight_rises,
                    OF_ROOTS=form.of_roots,
                    MEAN_OVER_PAIRS=form.mean_over_pairs,
                    GRAD=with_grad,
                    enable_fp_fusion=True,
                )
                if with_grad:
                    # dD_ij / dx_i stands in the pairs (i, j) and (j, i): twice a factor of 2.
                    chain[(programs, blocks_of(H, d))](
                        *(grad, grad, slopes, x, x, lengths, lengths, first_item, 1, strip, strip),
                        *(n, n, H, n, d, *x.stride(), *x.stride(), H * n),
                        BI=BLOCK_ROWS,
                        BD=BLOCK_ENTRIES,
                        FACTOR=4.0,
                        BOTH=False,
                        ADD=False,
                        SLOTS=False,
                        enable_fp_fusion=True,
                    )
    return partial[:, 0] if row_blocks == 1 else partial.sum(1), grad


def _no_path(like: Tensor) -> Tensor:
    # What the values are where no sweep gets to the last cell.
    return torch.full((len(like),), math.inf, dtype=torch.float64, device=like.device)


def _on_its_device(tensor: Tensor) -> AbstractContextManager[object]:
    # Triton launches on the current device.
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()
