"""Group normalization and the ReLU after it as one operation, in training on a CPU.

`torch.nn.GroupNorm` says what is computed, and computes it everywhere else. Its gradient takes
several times as long, and the gradient of ReLU as long again.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def takes_kernel(x: Tensor, norm: nn.GroupNorm) -> bool:
    """Return whether `group_norm_relu` may take the place of torch's two operations."""
    return (
        norm.training
        and x.device.type == "cpu"
        and x.dtype == norm.weight.dtype == torch.float32
        and not torch.compiler.is_compiling()
    )


def group_norm_relu(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Return `relu(norm(x))`.

    Parameters
    ----------
    x : Tensor of float32, shape (N, C, h, w)
        On the CPU; fastest with channels last in memory, as the result has them.
    norm : GroupNorm
        With weight and bias.
    """
    out: Tensor = _GroupNormReLU.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps)
    return out


class _GroupNormReLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
    ) -> Tensor:
        from tacref.kernels.group_norm import normalize  # imports Numba

        x = x.contiguous(memory_format=torch.channels_last)
        rows, *moments = normalize(
            _rows(x), weight.detach().numpy(), bias.detach().numpy(), groups, eps
        )
        out = _pictures(rows, x)
        ctx.groups, ctx.moments = groups, moments
        ctx.save_for_backward(x, out, weight)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from tacref.kernels.group_norm import normalize_grad

        x, out, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        grad_x, *grads = normalize_grad(
            _rows(grad), _rows(x), _rows(out), weight.detach().numpy(), ctx.groups, *ctx.moments
        )
        return _pictures(grad_x, x), *map(torch.from_numpy, grads), None, None


def _rows(x: Tensor) -> np.ndarray:
    """Return `(N, C, h, w)` as its rows of channels, `(N, h w, C)`."""
    rows: np.ndarray = x.detach().permute(0, 2, 3, 1).flatten(1, 2).numpy()
    return rows


def _pictures(rows: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(rows).unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)
