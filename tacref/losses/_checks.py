"""What the losses check: shapes, types, and lengths where no device need be waited for."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.amp.autocast_mode import is_autocast_available

from tacref.checks import check_band, read_array
from tacref.losses._operator import traced, unwatched

Lengths = Tensor | Sequence[int]

BACKENDS = ("cpu", "triton", "torch")
REDUCTIONS = ("mean", "sum", "none")


def check_batch(tensor: Tensor, name: str, shape: str) -> Tensor:
    """Return a floating-point tensor of rank 3, none of its sides empty.

    Raises
    ------
    TypeError
        If it is not a tensor.
    ValueError
        If it is not of that kind.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(tensor).__name__}")
    if tensor.ndim != 3 or 0 in tensor.shape:
        raise ValueError(f"{name} must have shape {shape}, not empty, got {tuple(tensor.shape)}")
    if not tensor.is_floating_point():
        raise ValueError(f"{name} must be of a floating-point dtype, got {tensor.dtype}")
    return tensor


def check_pair(
    x: Tensor, y: Tensor, lengths_x: Lengths | None = None, lengths_y: Lengths | None = None
) -> tuple[Tensor, Tensor]:
    """Check embeddings `(B, n, d)` and `(B, m, d)` of one dtype on one device; return the lengths.

    Raises
    ------
    TypeError
        If one is not a tensor.
    ValueError
        If one is not of that kind, or they do not fit; as `check_lengths`.
    """
    check_batch(x, "x", "(B, n, d)")
    check_batch(y, "y", "(B, m, d)")
    if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[2]:
        raise ValueError(
            f"x and y must have the same B and d, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if x.dtype != y.dtype or x.device != y.device:
        raise ValueError(
            f"x and y must have one dtype and device, got {x.dtype} on {x.device} and "
            f"{y.dtype} on {y.device}"
        )
    return (
        check_lengths(lengths_x, x, "lengths_x"),
        check_lengths(lengths_y, y, "lengths_y"),
    )


def check_lengths(lengths: Lengths | None, rows: Tensor, name: str, dim: int = 1) -> Tensor:
    """Return the valid rows of each item of `rows` `(B, n, d)` as int64 `(B,)` on its device.

    Values are checked where they are on the CPU, so that a device is never waited for. `dim` is 2
    for the valid columns of costs.

    Raises
    ------
    ValueError
        If they are not B whole numbers from 1 to n.
    """
    B, n = rows.shape[0], rows.shape[dim]
    if lengths is None:
        if traced():  # counted from the tensor, as another one may come
            return torch.ones_like(rows.select(3 - dim, 0), dtype=torch.int64).sum(1)
        return torch.full((B,), n, dtype=torch.int64, device=rows.device)
    given = _as_tensor(lengths, name)
    _check_whole(given, (B,), name)
    if isinstance(lengths, (list, tuple)) and not torch.compiler.is_compiling():
        wrong = not all(1 <= int(length) <= n for length in lengths)
    else:
        wrong = _readable(given) and not bool(((given >= 1) & (given <= n)).all())
    if wrong:
        raise ValueError(f"{name} must be from 1 to {n}, got {given.tolist()}")
    return given.to(rows.device, torch.int64)


def valid_rows(lengths: Tensor, n: int) -> Tensor:
    """Return which of n rows are valid, bool `(B, n)`."""
    return torch.arange(n, device=lengths.device) < lengths[:, None]


def check_times(
    times: Tensor | None,
    video_lengths: Lengths | None,
    counts: Tensor,
    rows: Tensor,
    suffix: str = "",
) -> tuple[Tensor, Tensor]:
    """Return frame numbers int64 `(B, n)` and video lengths int64 `(B,)`.

    By default 0 … n-1 and the number of valid rows.

    Parameters
    ----------
    times, video_lengths
        As given by the user.
    counts : Tensor of int64, shape (B,)
        Valid rows; the others are not checked.
    rows : Tensor, shape (B, n, d)
        Embeddings.
    suffix : str
        Of the arguments' names.

    Raises
    ------
    ValueError
        If they are not whole numbers, negative, or at or beyond the video's length.
    """
    (B, n, _), device = rows.shape, rows.device
    if times is None:
        if traced():
            frames = torch.ones_like(rows.select(2, 0), dtype=torch.int64).cumsum(1) - 1
        else:
            frames = torch.arange(n, device=device).expand(B, n)
    else:
        frames = _as_tensor(times, f"times{suffix}")
        _check_whole(frames, (B, n), f"times{suffix}")
        if video_lengths is None:
            raise ValueError(f"video_lengths{suffix} must be given with times{suffix}, got None")
    if video_lengths is None:
        return frames, counts
    ends = _as_tensor(video_lengths, f"video_lengths{suffix}")
    _check_whole(ends, (B,), f"video_lengths{suffix}")
    if _readable(frames, ends, counts):
        wrong = valid_rows(counts, n) & ((frames < 0) | (frames >= ends[:, None]))
        if bool(wrong.any()):
            item, row = (int(index) for index in wrong.nonzero()[0])
            raise ValueError(
                f"times{suffix} must be >= 0 and < video_lengths{suffix}, got "
                f"{int(frames[item, row])} at {(item, row)} of a video of {int(ends[item])} frames"
            )
    return frames.to(device, torch.int64), ends.to(device, torch.int64)


def check_moments(times: Tensor | None, counts: Tensor, rows: Tensor, name: str) -> Tensor:
    """Return the times `(B, n)` of embeddings `rows` `(B, n, d)`, in their dtype.

    By default 0 … n-1; those that are not valid are 0.

    Raises
    ------
    ValueError
        If they are not B x n real numbers, or one of a valid row is not finite.
    """
    B, n, _ = rows.shape
    if times is None:
        return torch.arange(n, dtype=rows.dtype, device=rows.device).expand(B, n)
    given = _as_tensor(times, name)
    if given.shape != (B, n):
        raise ValueError(f"{name} must have shape {(B, n)}, got {tuple(given.shape)}")
    if given.is_complex() or given.dtype == torch.bool:
        raise ValueError(f"{name} must be real numbers, got {given.dtype}")
    valid = valid_rows(counts, n)
    if _readable(given, counts):
        wrong = valid & ~given.isfinite()
        if bool(wrong.any()):
            raise ValueError(f"{name} must be finite, got {given[wrong][0].item()}")
    return torch.where(valid, given.to(rows.device, rows.dtype), 0.0)


def check_bands(
    band: int | None, n: int, m: int, lengths_x: Lengths | None, lengths_y: Lengths | None
) -> int:
    """Return `band`, -1 for none, if it lets a path through every item.

    Lengths on a device are not waited for: there, an item without a path gives +inf.

    Raises
    ------
    ValueError
        If `band` is not a whole number >= 0, or less than |n - m| of an item.
    """
    if lengths_x is None and lengths_y is None:
        checked = check_band(band, n, m)
    else:
        checked = check_band(band, 0, 0)
        ends = [
            torch.as_tensor(size if lengths is None else lengths)
            for size, lengths in ((n, lengths_x), (m, lengths_y))
        ]
        if checked is not None and _readable(*ends):
            difference = int((ends[0] - ends[1]).abs().max())
            if checked < difference:
                raise ValueError(
                    f"band must be >= |n - m| of each item, at most {difference}, or no path "
                    f"fits, got {band!r}"
                )
    return -1 if checked is None else checked


def check_backend(backend: str | None) -> str | None:
    """Return `backend`, if it is known or None.

    Raises
    ------
    ValueError
        If it is not.
    """
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    return backend


def choose_backend(backend: str | None, tensor: Tensor) -> str:
    """Return the backend for a tensor: the one that was asked for, or that of its device.

    "cpu" for tensors on the CPU, "triton" for CUDA where Triton is installed, else "torch".

    Raises
    ------
    ValueError
        If the one that was asked for is unknown, or cannot be had here.
    """
    device = tensor.device.type
    if check_backend(backend) is None:
        if device == "cpu":
            return "cpu"
        return "triton" if device == "cuda" and missing_for_triton() is None else "torch"
    if backend == "cpu" and device != "cpu":
        raise ValueError(f"backend 'cpu' needs tensors on the CPU, got {tensor.device}")
    if backend == "triton":
        missing = missing_for_triton()
        if missing is not None:
            raise ValueError(f"backend 'triton' cannot be used here: {missing}")
        if device != "cuda" and os.environ.get("TRITON_INTERPRET", "0") != "1":
            raise ValueError(f"backend 'triton' needs tensors on CUDA, got {tensor.device}")
    return str(backend)


def missing_for_triton() -> str | None:
    """Return what backend "triton" lacks here, or None."""
    from tacref.losses import _triton

    return _triton.available()


def needs_grad(*tensors: Tensor) -> bool:
    """Whether any of the tensors is to be differentiated."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def storable(tensor: Tensor) -> Tensor:
    """Return a tensor in float32 or float64, so that gradients of half precision round once."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.double()


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast does not touch what is computed."""
    device = tensor.device.type
    if not is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def check_reduction(reduction: str) -> str:
    """Return `reduction`, if it is known.

    Raises
    ------
    ValueError
        If it is not.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")
    return reduction


def reduce(values: Tensor, reduction: str) -> Tensor:
    """Reduce values `(B,)` to their mean or sum, or leave them."""
    if reduction == "none":
        return values
    return values.mean() if reduction == "mean" else values.sum()


def _as_tensor(values: Any, name: str) -> Tensor:
    if isinstance(values, Tensor):
        return values
    if isinstance(values, np.ma.MaskedArray):
        values = read_array(values, name)
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:  # words, objects, ragged
        raise ValueError(f"{name} must be numbers: {error}") from None


def _check_whole(tensor: Tensor, shape: tuple[int, ...], name: str) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(tensor.shape)}")
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ValueError(f"{name} must be whole numbers, got {tensor.dtype}")


def _readable(*tensors: Tensor) -> bool:
    """Whether values may be read here, without waiting for a device or breaking a graph."""
    return (
        not torch.compiler.is_compiling()
        and all(tensor.device.type == "cpu" for tensor in tensors)
        and unwatched(tensors)
    )
