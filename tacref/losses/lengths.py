"""What the losses check of lengths and times, where no device need be waited for."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacref.checks import MAX_TIME, in_one_line, read_array
from tacref.losses.constants import all_rows, row_numbers
from tacref.losses.torch_operator import is_plain, traced

Lengths = Tensor | Sequence[int]


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
        with _outside_transforms():
            return all_rows(B, n, rows.device)
    tensor = _as_tensor(lengths, name)
    _check_whole(tensor, (B,), name)
    numbers = known_numbers(lengths)
    # In numbers of Python's own, as n may be symbolic.
    if numbers is not None and not (int(numbers.min()) >= 1 and int(numbers.max()) <= n):
        raise ValueError(f"{name} must be from 1 to {n}, got {numbers.tolist()}")
    return tensor.to(rows.device, torch.int64)


def valid_rows(lengths: Tensor, n: int) -> Tensor:
    """Return which of n rows are valid, bool `(B, n)`."""
    return torch.arange(n, device=lengths.device) < lengths[:, None]


def check_times(
    times: Tensor | None,
    video_lengths: Lengths | None,
    valid: Tensor,
    rows: Tensor,
    suffix: str = "",
) -> tuple[Tensor, Tensor]:
    """Return frame numbers int64 `(B, n)` and video lengths int64 `(B,)`.

    By default 0 … n-1 and the number of valid rows.

    Parameters
    ----------
    times, video_lengths
        As the user passed them.
    valid : Tensor of int64, shape (B,)
        How many rows of each item are valid; the others are not checked.
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
            frame_numbers = torch.ones_like(rows.select(2, 0), dtype=torch.int64).cumsum(1) - 1
        else:
            with _outside_transforms():
                frame_numbers = row_numbers(B, n, device)
    else:
        frame_numbers = _as_tensor(times, f"times{suffix}")
        _check_whole(frame_numbers, (B, n), f"times{suffix}")
        if video_lengths is None:
            raise ValueError(f"video_lengths{suffix} must be given with times{suffix}, got None")
    if video_lengths is None:
        return frame_numbers, valid
    video_frames = _as_tensor(video_lengths, f"video_lengths{suffix}")
    _check_whole(video_frames, (B,), f"video_lengths{suffix}")
    _check_inside_videos(times, video_lengths, valid, suffix)
    return frame_numbers.to(device, torch.int64), video_frames.to(device, torch.int64)


def _check_inside_videos(
    times: Tensor | None, video_lengths: Lengths, valid: Tensor, suffix: str
) -> None:
    """Check the values that can be read: valid rows must be frames of their video."""
    video_frames, valid_counts = known_numbers(video_lengths), known_numbers(valid)
    if video_frames is None:
        return
    if video_frames.min() < 1:
        raise ValueError(f"video_lengths{suffix} must be >= 1, got {video_frames.tolist()}")
    if valid_counts is None:
        return
    if times is None:
        if (video_frames < valid_counts).any():
            item = int(np.argmax(video_frames < valid_counts))
            raise ValueError(
                f"video_lengths{suffix} must be at least the number of valid rows where "
                f"times{suffix} are not passed, got {video_frames[item]} for the "
                f"{valid_counts[item]} rows of item {item}"
            )
        return
    frame_numbers = known_numbers(times)
    if frame_numbers is None:
        return
    wrong = (np.arange(frame_numbers.shape[1]) < valid_counts[:, None]) & (
        (frame_numbers < 0) | (frame_numbers >= video_frames[:, None])
    )
    if wrong.any():
        item, row = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"times{suffix} must be >= 0 and < video_lengths{suffix}, got "
            f"{frame_numbers[item, row]} at {(item, row)} of a video of {video_frames[item]} frames"
        )


def check_real_times(times: Tensor | None, valid: Tensor, rows: Tensor, name: str) -> Tensor:
    """Return the times `(B, n)` of embeddings `rows` `(B, n, d)`, in their dtype.

    By default 0 … n-1; those of rows that are not valid are 0.

    Raises
    ------
    ValueError
        If they are not B x n real numbers, or one of a valid row is not finite or beyond
        `MAX_TIME`.
    """
    B, n, _ = rows.shape
    if times is None:
        return torch.arange(n, dtype=rows.dtype, device=rows.device).expand(B, n)
    tensor = _as_tensor(times, name)
    if tensor.shape != (B, n):
        raise ValueError(f"{name} must have shape {(B, n)}, got {tuple(tensor.shape)}")
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise ValueError(f"{name} must be real numbers, got {tensor.dtype}")
    time_numbers, valid_counts = known_numbers(times), known_numbers(valid)
    if time_numbers is not None and valid_counts is not None:
        inside = np.arange(time_numbers.shape[1]) < valid_counts[:, None]
        wrong = inside & ~(np.abs(time_numbers.astype(np.float64)) <= MAX_TIME)
        if wrong.any():
            raise ValueError(
                f"{name} must be finite, at most {MAX_TIME:g} in size, got {time_numbers[wrong][0]}"
            )
    return torch.where(valid_rows(valid, n), tensor.to(rows.device, rows.dtype), 0.0)


def _outside_transforms() -> AbstractContextManager[object]:
    """Return a context in which torch.func's levels do not wrap what is made of plain tensors."""
    if torch.compiler.is_compiling() or not torch._C._are_functorch_transforms_active():
        return nullcontext()
    return torch._C._DisableFuncTorch()


def _as_tensor(values: Any, name: str) -> Tensor:
    if isinstance(values, Tensor):
        return values
    if isinstance(values, np.ma.MaskedArray):
        values = read_array(values, name)
    try:
        if torch.compiler.is_compiling():
            return torch.as_tensor(values)
        array = np.asarray(values)
        if array.dtype.kind == "u" and array.size and array.max() < 2**63:
            array = array.astype(np.int64)
        # On the CPU and in float64, whatever torch's defaults are.
        return torch.as_tensor(array, device="cpu")
    except (TypeError, ValueError, RuntimeError):  # words, objects, ragged, beyond 64 bits
        raise ValueError(
            f"{name} must be numbers that int64 or float64 holds, got {in_one_line(values)}"
        ) from None


def _check_whole(tensor: Tensor, shape: tuple[int, ...], name: str) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(tensor.shape)}")
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ValueError(f"{name} must be whole numbers, got {tensor.dtype}")


def known_numbers(values: Tensor | Sequence[Any]) -> np.ndarray | None:
    """Return what can be read without waiting for a device or breaking a graph, else None."""
    if torch.compiler.is_compiling():
        return None
    while isinstance(values, Tensor) and torch._C._functorch.is_gradtrackingtensor(values):
        values = torch._C._functorch.get_unwrapped(values)
    if not isinstance(values, Tensor):
        array = np.asarray(values)
    elif values.device.type == "cpu" and is_plain(values) and not traced():
        with _outside_transforms():
            tensor = values.detach()
            array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    else:
        return None
    if array.dtype.kind == "u" and array.size and array.max() >= 2**63:
        return array  # for a message that shows them
    # Differences of unsigned numbers would wrap.
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
