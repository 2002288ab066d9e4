"""Tensors that depend on sizes alone, kept from call to call: a device need not compute them again.

They must not be written to.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# How many are kept, the newest ones. Those that a CUDA graph reads stay for as long as it might.
MOST_KEPT = 32
Key = tuple[Callable[[int, int, torch.device], Tensor], int, int, torch.device]
_kept: dict[Key, Tensor] = {}
_kept_for_graphs: dict[Key, Tensor] = {}


def all_rows(B: int, n: int, device: torch.device) -> Tensor:
    """Return n, B times: int64 `(B,)`."""
    return _constant(_all_rows, B, n, device)


def row_numbers(B: int, n: int, device: torch.device) -> Tensor:
    """Return 0 … n-1, B times: int64 `(B, n)`."""
    return _constant(_row_numbers, B, n, device)


def _all_rows(B: int, n: int, device: torch.device) -> Tensor:
    return torch.full((B,), n, dtype=torch.int64, device=device)


def _row_numbers(B: int, n: int, device: torch.device) -> Tensor:
    return torch.arange(n, device=device).expand(B, n)


def _constant(
    make: Callable[[int, int, torch.device], Tensor], B: int, n: int, device: torch.device
) -> Tensor:
    if torch.compiler.is_compiling():  # sizes may be symbolic, and the compiler keeps its own
        return make(B, n, device)
    key = make, B, n, device
    capturing = _is_capturing(device)
    tensor = _kept.get(key)
    if tensor is not None:
        if capturing:
            _kept_for_graphs[key] = tensor
        return tensor
    with torch.inference_mode(False):  # for calls outside of it, too
        tensor = make(B, n, device)
    # A graph that is being captured computes nothing yet: other calls would read no numbers.
    if not capturing:
        _kept[key] = tensor
        if len(_kept) > MOST_KEPT:
            _kept.pop(next(iter(_kept)), None)
    return tensor


def _is_capturing(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()
