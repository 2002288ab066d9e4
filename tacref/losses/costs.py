"""Squared Euclidean costs between frames, with exact zeros and accurate gradients."""

from typing import Any

import torch
from torch import Tensor

from tacref.losses.arguments import (
    check_pair,
)
from tacref.losses.torch_operator import Operator, primals

# Numbers of a block of differences; bounds the memory of (B, n, m, d).
MAX_BLOCK_NUMBERS = 1 << 21


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
    return squared_distances(exact(x), exact(y))


def exact(tensor: Tensor) -> Tensor:
    """Return a tensor as float64; as float32 on a device that has no float64."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def gradients_of_embeddings(G: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return what slopes G `(B, n, m)` along the squared distances give to x and y.

    `dL/dx_i = 2 sum_j G_ij (x_i - y_j)`, and likewise for y; differentiable.
    """
    x, y = _near_the_origin(x, y)
    grad_x = 2 * (G.sum(2)[..., None] * x - G @ y)
    grad_y = 2 * (G.sum(1)[..., None] * y - G.mT @ x)
    return grad_x, grad_y


def slopes_along(x: Tensor, y: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return how the squared distances change where x moves along u, and y along v.

    `Z_ij = 2 <x_i - y_j, u_i - v_j>`, `(B, n, m)`; differentiable.
    """
    x, y = _near_the_origin(x, y)
    return 2 * ((x * u).sum(2)[:, :, None] + (y * v).sum(2)[:, None] - x @ v.mT - u @ y.mT)


def _near_the_origin(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    # Only differences count: near the origin products keep their digits.
    origin = x[:, :1]
    return x - origin, y - origin


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances `(B, n, m)` of the rows of x `(B, n, d)` and y `(B, m, d)`."""
    B, n, d = x.shape
    rows = max(1, MAX_BLOCK_NUMBERS // (B * y.shape[1] * d))
    blocks = [
        (x[:, start : start + rows, None] - y[:, None]).square().sum(-1)
        for start in range(0, n, rows)
    ]
    return torch.cat(blocks, 1)


def _fake(x: Tensor, y: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], y.shape[1])


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)
    ctx.save_for_forward(*inputs)


def _backward(ctx: Any, G: Tensor) -> tuple[Tensor, Tensor]:
    return gradients_of_embeddings(G, *ctx.saved_tensors)


def _jvp(ctx: Any, u: Tensor, v: Tensor) -> Tensor:
    x, y = primals(ctx)
    return slopes_along(x, y, u, v)


# An operator, as differences kept for a backward pass would take (B, n, m, d).
squared_distances = Operator(_squared_distances, _fake, _setup, _backward, _jvp)
