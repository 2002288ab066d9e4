"""The losses on the CPU: `tacref.kernels` on tensors, on as many threads as torch takes."""

import math
from functools import lru_cache
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from tacref.kernels import contrastive_idm as idm_kernels
from tacref.kernels.soft_dtw import batch as soft_dtw_batch
from tacref.kernels.soft_dtw import hessian as soft_dtw_hessian
from tacref.kernels.soft_dtw.range import out_of_range
from tacref.kernels.threads import run_items, useful_threads
from tacref.variants import VARIANTS, Variant


def refusal(device: torch.device) -> str | None:
    """Say why these kernels cannot compute on a device."""
    return None if device.type == "cpu" else f"needs tensors on the CPU, got {device}"


def _extreme() -> ModuleType:
    from tacref.losses.backends import extreme  # imports the reference, which few calls need

    return extreme


def soft_dtw(
    D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int, with_grad: bool
) -> tuple[Tensor, Tensor]:
    """Return values `(B,)` in float64, and E in the dtype of D, or an empty tensor."""
    D_array = _contiguous(D)
    valid_x, valid_y = _valid("lengths_x", lengths_x, D, 1), _valid("lengths_y", lengths_y, D, 2)
    E = np.zeros_like(D_array) if with_grad else None
    values = soft_dtw_batch.of_costs(
        D_array, valid_x, valid_y, gamma, band, E, torch.get_num_threads()
    )
    for b in out_of_range(values, gamma, valid_x, valid_y, band):
        inside = b, slice(valid_x[b]), slice(valid_y[b])
        values[b], item, _ = _extreme().soft_dtw(D_array[inside], gamma, band)
        if E is not None:
            E[inside] = item
    return torch.from_numpy(values), D.new_empty(0) if E is None else torch.from_numpy(E)


def soft_dtw_hvp(
    D: Tensor, Z: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
) -> Tensor:
    """Return the Hessian of soft-DTW times the direction Z, in the dtype of D."""
    D_array, Z_array = _contiguous(D.double()), _contiguous(Z.double())
    valid_x, valid_y = _valid("lengths_x", lengths_x, D, 1), _valid("lengths_y", lengths_y, D, 2)
    values, HZ = np.empty(len(D_array)), np.zeros_like(D_array)
    run_items(
        lambda queue: soft_dtw_hessian.hvp_items(
            D_array, Z_array, valid_x, valid_y, gamma, band, values, HZ, queue
        ),
        len(D_array),
        useful_threads(valid_x * valid_y, torch.get_num_threads()),
    )
    for b in out_of_range(values, gamma, valid_x, valid_y, band):
        inside = b, slice(valid_x[b]), slice(valid_y[b])
        HZ[inside] = _extreme().soft_dtw_hvp(D_array[inside], Z_array[inside], gamma, band)
    return torch.from_numpy(HZ).to(D.dtype)


def soft_dtw_of_embeddings(
    x: Tensor,
    y: Tensor,
    gamma: float,
    lengths_x: Tensor,
    lengths_y: Tensor,
    band: int,
    with_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return values `(B,)` in float64, and the gradients of x and y, or empty tensors."""
    x_array, y_array = _contiguous(x), _contiguous(y)
    valid_x, valid_y = _valid("lengths_x", lengths_x, x, 1), _valid("lengths_y", lengths_y, y, 1)
    grad_x = np.empty_like(x_array) if with_grad else None
    grad_y = np.empty_like(y_array) if with_grad else None
    values = soft_dtw_batch.of_embeddings(
        x_array, y_array, valid_x, valid_y, gamma, band, grad_x, grad_y, torch.get_num_threads()
    )
    for b in out_of_range(values, gamma, valid_x, valid_y, band):
        n, m = valid_x[b], valid_y[b]
        exact = _extreme().soft_dtw_of_embeddings(x_array[b, :n], y_array[b, :m], gamma, band)
        values[b] = exact[0]
        if grad_x is not None and grad_y is not None:
            grad_x[b, :n], grad_y[b, :m] = exact[1:]
    if grad_x is None or grad_y is None:
        return torch.from_numpy(values), x.new_empty(0), y.new_empty(0)
    return torch.from_numpy(values), torch.from_numpy(grad_x), torch.from_numpy(grad_y)


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
    """Return values `(B,)` in float64, and the gradient of x, or an empty tensor."""
    x_array, valid = _contiguous(x), _valid("lengths", lengths, x, 1)
    form = _form(sigma, margin, VARIANTS[variant])
    frames, video_frames = _source_frames(times, video_lengths, VARIANTS[variant])
    values = np.empty(len(x_array))
    grad = np.empty_like(x_array if with_grad else x_array[:0])
    left = np.arange(len(x_array))
    # Roots of distances near 0 have slopes that show each error of them.
    if x_array.dtype == np.float64 or not form.of_roots:
        left = _idm(x_array, valid, frames, video_frames, form, values, grad)
    if len(left):
        doubles = x_array[left].astype(np.float64)
        exact = np.empty(len(left)), np.empty_like(doubles if with_grad else doubles[:0])
        _idm(doubles, valid[left], frames[left], video_frames[left], form, *exact)
        values[left] = exact[0]
        if with_grad:
            grad[left] = exact[1]
    return torch.from_numpy(values), torch.from_numpy(grad) if with_grad else x.new_empty(0)


def _idm(
    x: np.ndarray,
    valid: np.ndarray,
    times: np.ndarray,
    video_lengths: np.ndarray,
    form: idm_kernels.Form,
    values: np.ndarray,
    grad: np.ndarray,
) -> np.ndarray:
    """Write values and gradients, computed in the dtype of x; return the items that need float64.

    The parameters are those of `idm_items`; `grad` is empty where it is not wanted.
    """
    left_out = np.zeros(len(x) if x.dtype == np.float32 else 0, np.bool_)
    run_items(
        lambda queue: idm_kernels.idm_items(
            x, valid, times, video_lengths, form, len(grad) > 0, values, grad, left_out, queue
        ),
        len(x),
        useful_threads(valid**2, torch.get_num_threads()),
    )
    return np.flatnonzero(left_out)


def _valid(name: str, lengths: Tensor, tensor: Tensor, dim: int) -> np.ndarray:
    """Return how much of each item is valid along a dimension: what kernels read and write.

    Raises
    ------
    ValueError
        If it does not fit, which a compiled or traced call finds here alone.
    """
    valid, n = lengths.numpy(), tensor.shape[dim]
    # As unsigned numbers, those below 1 become the largest.
    if valid.shape != (tensor.shape[0],) or (valid - 1).view(np.uint64).max() >= n:
        raise ValueError(
            f"{name} must be {tensor.shape[0]} numbers from 1 to {n}, got {valid.tolist()}"
        )
    return valid


def _source_frames(
    times: Tensor, video_lengths: Tensor, variant: Variant
) -> tuple[np.ndarray, np.ndarray]:
    """Return `times` and `video_lengths` as the kernel takes them: rows and 1 but for "official".

    Raises
    ------
    ValueError
        If a video has no frame, which a compiled or traced call finds here alone.
    """
    B, n = times.shape
    if not variant.in_source_frames:
        return _row_numbers(B, n), np.ones(B)
    video_frames = video_lengths.numpy()
    if video_frames.min() < 1:
        raise ValueError(f"video_lengths must be >= 1, got {video_frames.tolist()}")
    return np.ascontiguousarray(times.numpy()), video_frames.astype(np.float64)


@lru_cache(maxsize=16)
def _row_numbers(B: int, n: int) -> np.ndarray:
    return np.broadcast_to(np.arange(n), (B, n)).copy()


def _form(sigma: float, margin: float, variant: Variant) -> idm_kernels.Form:
    return idm_kernels.Form(
        min(math.floor(sigma), np.iinfo(np.int64).max),
        margin,
        variant.near_weight_falls,
        variant.far_weight_rises,
        variant.of_roots,
        variant.mean_over_pairs,
    )


def _contiguous(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())
