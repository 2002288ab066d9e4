"""The losses on the CPU: `tacref.kernels` on tensors, on as many threads as torch takes."""

import math

import numpy as np
import torch
from torch import Tensor

from tacref.kernels import contrastive_idm as idm_kernels
from tacref.kernels import soft_dtw_batch, soft_dtw_hessian
from tacref.kernels.threads import run_parts, useful_threads
from tacref.losses import _extreme


def soft_dtw(
    D: Tensor, gamma: float, rows: Tensor, columns: Tensor, band: int, with_grad: bool
) -> tuple[Tensor, Tensor]:
    """Return values `(B,)` in float64, and E in the dtype of D, or an empty tensor."""
    costs = _contiguous(D)
    ns, ms = _lengths(rows, D, 1), _lengths(columns, D, 2)
    E = np.zeros_like(costs) if with_grad else None
    values = soft_dtw_batch.of_costs(costs, ns, ms, gamma, band, E, torch.get_num_threads())
    for b in _extreme.out_of_range(values, gamma, ns, ms, band):
        inside = b, slice(ns[b]), slice(ms[b])
        values[b], item, _ = _extreme.soft_dtw(costs[inside], gamma, band)
        if E is not None:
            E[inside] = item
    return torch.from_numpy(values), D.new_empty(0) if E is None else torch.from_numpy(E)


def soft_dtw_hvp(
    D: Tensor, Z: Tensor, gamma: float, rows: Tensor, columns: Tensor, band: int
) -> Tensor:
    """Return the Hessian of soft-DTW times the direction Z, in the dtype of D."""
    costs, direction = _contiguous(D.double()), _contiguous(Z.double())
    ns, ms = _lengths(rows, D, 1), _lengths(columns, D, 2)
    values, HZ = np.empty(len(costs)), np.zeros_like(costs)
    run_parts(
        lambda start, stop: soft_dtw_hessian.hvp_items(
            costs, direction, ns, ms, gamma, band, start, stop, values, HZ
        ),
        ns * ms,
        useful_threads(ns * ms, torch.get_num_threads()),
    )
    for b in _extreme.out_of_range(values, gamma, ns, ms, band):
        inside = b, slice(ns[b]), slice(ms[b])
        HZ[inside] = _extreme.soft_dtw_hvp(costs[inside], direction[inside], gamma, band)
    return torch.from_numpy(HZ).to(D.dtype)


def soft_dtw_embeddings(
    x: Tensor,
    y: Tensor,
    gamma: float,
    rows: Tensor,
    columns: Tensor,
    band: int,
    with_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return values `(B,)` in float64, and the gradients of x and y, or empty tensors."""
    first, second = _contiguous(x), _contiguous(y)
    ns, ms = _lengths(rows, x, 1), _lengths(columns, y, 1)
    grad_x = np.zeros_like(first) if with_grad else None
    grad_y = np.zeros_like(second) if with_grad else None
    values = soft_dtw_batch.of_embeddings(
        first, second, ns, ms, gamma, band, grad_x, grad_y, torch.get_num_threads()
    )
    for b in _extreme.out_of_range(values, gamma, ns, ms, band):
        n, m = ns[b], ms[b]
        exact = _extreme.soft_dtw_embeddings(first[b, :n], second[b, :m], gamma, band)
        values[b] = exact[0]
        if grad_x is not None and grad_y is not None:
            grad_x[b, :n], grad_y[b, :m] = exact[1:]
    if grad_x is None or grad_y is None:
        return torch.from_numpy(values), x.new_empty(0), y.new_empty(0)
    return torch.from_numpy(values), torch.from_numpy(grad_x), torch.from_numpy(grad_y)


def contrastive_idm(
    x: Tensor,
    rows: Tensor,
    times: Tensor,
    video_lengths: Tensor,
    sigma: float,
    margin: float,
    variant: str,
    with_grad: bool,
) -> tuple[Tensor, Tensor]:
    """Return values `(B,)` in float64, and the gradient of x, or an empty tensor."""
    embeddings, counts = _contiguous(x), _lengths(rows, x, 1)
    frames, ends = _frames(times, variant), video_lengths.numpy()
    if variant == "official" and ends.min() < 1:
        raise ValueError(f"video_lengths must be >= 1, got {ends.tolist()}")
    options = _idm_options(sigma, margin, variant)
    grad = np.zeros_like(embeddings if with_grad else embeddings[:0])
    values = np.empty(len(x))
    run_parts(
        lambda start, stop: idm_kernels.idm_items(
            embeddings, counts, frames, ends, *options, with_grad, start, stop,
            values, grad,
        ),
        counts**2,
        useful_threads(counts**2, torch.get_num_threads()),
    )  # fmt: skip
    return torch.from_numpy(values), torch.from_numpy(grad) if with_grad else x.new_empty(0)


def _lengths(lengths: Tensor, tensor: Tensor, dim: int) -> np.ndarray:
    """Return what is valid of each item along a dimension; kernels read and write where it says.

    Raises
    ------
    ValueError
        If it does not fit, which a compiled or traced call finds here alone.
    """
    counts, most = lengths.numpy(), tensor.shape[dim]
    if counts.shape != (len(tensor),) or counts.min() < 1 or counts.max() > most:
        raise ValueError(
            f"lengths must be {len(tensor)} numbers from 1 to {most}, got {counts.tolist()}"
        )
    return counts


def _frames(times: Tensor, variant: str) -> np.ndarray:
    """Return the frame numbers, which all variants but "official" count in rows."""
    frames = np.ascontiguousarray(times.numpy())
    if variant == "official":
        return frames
    return np.broadcast_to(np.arange(frames.shape[1]), frames.shape).copy()


def _idm_options(sigma: float, margin: float, variant: str) -> tuple[int, float, bool, bool, bool]:
    window = min(math.floor(sigma), np.iinfo(np.int64).max)
    return window, margin, variant == "official", variant == "printed", variant == "laser"


def _contiguous(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())
