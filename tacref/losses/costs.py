"""Squared Euclidean costs between frames, with exact zeros and accurate gradients."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from tacref.losses._checks import check_pair

# Numbers of a block of differences; bounds the memory of (B, n, m, d).
BLOCK = 1 << 21


def cost_matrix(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances between the rows of two batches of embeddings.

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Embeddings, of any floating-point dtype.
    y : Tensor, shape (B, m, d)
        Embeddings of the same dtype.

    Returns
    -------
    Tensor of float64, shape (B, n, m)
        By differences, so that equal rows give exactly 0. (float32 on a device that has no
        float64.)

    Raises
    ------
    TypeError
        If one is not a tensor.
    ValueError
        If shapes, dtypes or devices do not fit.
    """
    check_pair(x, y)
    return _SquaredDistances.apply(exact(x), exact(y))


def exact(tensor: Tensor) -> Tensor:
    """Return a tensor as float64; as float32 on a device that has no float64."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


class _SquaredDistances(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        B, n, d = x.shape
        rows = max(1, BLOCK // (B * y.shape[1] * d))
        blocks = [
            (x[:, start : start + rows, None] - y[:, None]).square().sum(-1)
            for start in range(0, n, rows)
        ]
        return torch.cat(blocks, 1)

    @staticmethod
    def backward(ctx: Any, G: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        # Only differences count: near the origin the products below keep their digits.
        origin = x[:, :1].detach()
        x, y = x - origin, y - origin
        # dL/dx_i = 2 sum_j G_ij (x_i - y_j), and likewise for y; differentiable again.
        grad_x = 2 * (G.sum(2)[..., None] * x - G @ y)
        grad_y = 2 * (G.sum(1)[..., None] * y - G.transpose(1, 2) @ x)
        return grad_x, grad_y
