"""What the losses check of their arguments, but for lengths and times; how they are reduced."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.amp.autocast_mode import is_autocast_available

from tacref.checks import check_positive
from tacref.losses.lengths import Lengths, check_bands, check_lengths

REDUCTIONS = ("mean", "sum", "none")
# Above it, the number of frames decides whether a sum along a path is finite.
_MAX_GAMMA_AT_ANY_LENGTH = 1e290


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


class SoftDTWArguments(NamedTuple):
    """What `Backend.soft_dtw` takes after the costs, checked, in this order."""

    gamma: float
    valid_x: Tensor
    valid_y: Tensor
    band: int


def check_costs(
    D: Tensor,
    gamma: float,
    lengths_x: Lengths | None,
    lengths_y: Lengths | None,
    band: int | None,
) -> SoftDTWArguments:
    """Check costs `(B, n, m)` and the arguments of soft-DTW; return these.

    Raises
    ------
    TypeError
        If `D` is not a tensor.
    ValueError
        If an argument is not as `soft_dtw` describes it.
    """
    _, n, m = check_batch(D, "D", "(B, n, m)").shape
    return SoftDTWArguments(
        check_gamma(gamma, n, m),
        check_lengths(lengths_x, D, "lengths_x"),
        check_lengths(lengths_y, D, "lengths_y", dim=2),
        check_bands(band, n, m, lengths_x, lengths_y),
    )


def storable(tensor: Tensor) -> Tensor:
    """Return a tensor in float32 or float64, so that gradients of half precision round once."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.double()


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast does not touch what is computed."""
    device = tensor.device.type
    if not is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def check_gamma(gamma: float, n: int, m: int) -> float:
    """Return `gamma`, if it is > 0 and soft minima along paths of `(n, m)` stay finite.

    Raises
    ------
    ValueError
        If it is not.
    """
    # The y of other packages' soft_dtw(x, y). A number's type first, which may be symbolic.
    if type(gamma) not in (float, int) and getattr(gamma, "ndim", 0) > 1:
        raise ValueError(
            f"gamma must be a number, got a {type(gamma).__name__} of shape "
            f"{tuple(cast(Any, gamma).shape)}: this takes costs, which cost_matrix(x, y) computes "
            "of embeddings; SoftDTWLoss takes embeddings"
        )
    smoothing = check_positive(gamma, "gamma")
    # Sizes, which may be symbolic, are not looked at for any usual gamma.
    if smoothing > _MAX_GAMMA_AT_ANY_LENGTH and math.isinf(2.0 * smoothing * (n + m)):
        raise ValueError(f"gamma must stay finite when summed along a path, got {smoothing!r}")
    return smoothing


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
