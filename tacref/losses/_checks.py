"""What the losses check: shapes, types, and lengths where no device need be waited for."""

from collections.abc import Sequence

import torch
from torch import Tensor

Lengths = Tensor | Sequence[int]

BACKENDS = ("cpu", "torch")
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


def check_pair(x: Tensor, y: Tensor) -> None:
    """Check embeddings `(B, n, d)` and `(B, m, d)` of one dtype on one device.

    Raises
    ------
    TypeError
        If one is not a tensor.
    ValueError
        If one is not of that kind, or they do not fit.
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


def check_lengths(lengths: Lengths | None, B: int, n: int, like: Tensor, name: str) -> Tensor:
    """Return the valid rows of each item as int64 `(B,)` on the device of `like`.

    Values are checked where they are on the CPU, so that a device is never waited for.

    Raises
    ------
    ValueError
        If they are not B whole numbers from 1 to n.
    """
    if lengths is None:
        return torch.full((B,), n, dtype=torch.int64, device=like.device)
    given = torch.as_tensor(lengths)
    _check_whole(given, (B,), name)
    if given.device.type == "cpu" and not bool(((given >= 1) & (given <= n)).all()):
        raise ValueError(f"{name} must be from 1 to {n}, got {given.tolist()}")
    return given.to(like.device, torch.int64)


def check_times(
    times: Tensor | None, video_lengths: Lengths | None, valid: Tensor, suffix: str = ""
) -> tuple[Tensor, Tensor]:
    """Return frame numbers int64 `(B, n)` and video lengths int64 `(B,)`.

    By default 0 … n-1 and the number of valid rows.

    Parameters
    ----------
    times, video_lengths
        As given by the user.
    valid : Tensor of bool, shape (B, n)
        Which rows count; the others are not checked.
    suffix : str
        Of the arguments' names.

    Raises
    ------
    ValueError
        If they are not whole numbers, negative, or at or beyond the video's length.
    """
    B, n = valid.shape
    if times is None:
        frames = torch.arange(n, device=valid.device).expand(B, n)
    else:
        frames = torch.as_tensor(times)
        _check_whole(frames, (B, n), f"times{suffix}")
        if video_lengths is None:
            raise ValueError(f"video_lengths{suffix} must be given with times{suffix}, got None")
    if video_lengths is None:
        return frames, valid.sum(1)
    ends = torch.as_tensor(video_lengths)
    _check_whole(ends, (B,), f"video_lengths{suffix}")
    if {frames.device.type, ends.device.type, valid.device.type} == {"cpu"}:
        wrong = valid & ((frames < 0) | (frames >= ends[:, None]))
        if bool(wrong.any()):
            item, row = (int(index) for index in wrong.nonzero()[0])
            raise ValueError(
                f"times{suffix} must be >= 0 and < video_lengths{suffix}, got "
                f"{int(frames[item, row])} at {(item, row)} of a video of {int(ends[item])} frames"
            )
    return frames.to(valid.device, torch.int64), ends.to(valid.device, torch.int64)


def check_backend(backend: str | None) -> str | None:
    """Return `backend` of soft-DTW, if it is known or None.

    Raises
    ------
    ValueError
        If it is not.
    """
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    return backend


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


def exact(tensor: Tensor) -> Tensor:
    """Return a tensor as float64; as float32 on a device that has no float64."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def exact_rows(x: Tensor, lengths: Tensor) -> Tensor:
    """Return embeddings `(B, n, d)` as `exact` does, with zeros in place of what is not valid."""
    return torch.where(valid_rows(lengths, x.shape[1])[..., None], exact(x), 0.0)


def valid_rows(lengths: Tensor, n: int) -> Tensor:
    """Return which of n rows are valid, bool `(B, n)`."""
    return torch.arange(n, device=lengths.device) < lengths[:, None]


def _check_whole(tensor: Tensor, shape: tuple[int, ...], name: str) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(tensor.shape)}")
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ValueError(f"{name} must be whole numbers, got {tensor.dtype}")
