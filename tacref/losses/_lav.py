"""The LAV loss as one operator: what training differentiates is its first output.

The terms are outputs, too, and so are the gradients of the loss; where these are differentiated,
the loss is composed of the operators of its terms.
"""

from typing import Any

import torch
from torch import Tensor

from tacref.losses import _operators
from tacref.losses._operator import Operator


def per_frame(rows: Tensor, columns: Tensor, *values: Tensor) -> list[Tensor]:
    """Divide values, each `(B, ...)`, by the mean number of frames of each pair of videos."""
    both = rows + columns
    return [
        value * (2 / both.to(value.dtype)).view(-1, *[1] * (value.ndim - 1)) for value in values
    ]


def composed(
    x: Tensor,
    y: Tensor,
    rows: Tensor,
    columns: Tensor,
    times_x: Tensor,
    times_y: Tensor,
    ends_x: Tensor,
    ends_y: Tensor,
    gamma: float,
    band: int,
    alpha: float,
    sigma: float,
    margin: float,
    variant: str,
    with_grad: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return what `lav` does, by the operators of the terms."""
    alignment, grad_x, grad_y = _operators.soft_dtw_embeddings(
        x, y, gamma, rows, columns, band, with_grad, backend
    )
    idm_x, idm_grad_x = _operators.contrastive_idm(
        x, rows, times_x, ends_x, sigma, margin, variant, with_grad, backend
    )
    idm_y, idm_grad_y = _operators.contrastive_idm(
        y, columns, times_y, ends_y, sigma, margin, variant, with_grad, backend
    )
    regularizer = idm_x + idm_y
    if with_grad:
        grad_x, grad_y = grad_x + alpha * idm_grad_x, grad_y + alpha * idm_grad_y
    if variant == "official":
        alignment, regularizer = per_frame(rows, columns, alignment, regularizer)
        if with_grad:
            grad_x, grad_y = per_frame(rows, columns, grad_x, grad_y)
    return alignment + alpha * regularizer, alignment, regularizer, grad_x, grad_y  # eq. 8


def _lav(
    x: Tensor,
    y: Tensor,
    rows: Tensor,
    columns: Tensor,
    times_x: Tensor,
    times_y: Tensor,
    ends_x: Tensor,
    ends_y: Tensor,
    gamma: float,
    band: int,
    alpha: float,
    sigma: float,
    margin: float,
    variant: str,
    with_grad: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """LAV loss of embeddings: loss, alignment, regularizer `(B,)`; gradients of the loss."""
    arguments = (
        x, y, rows, columns, times_x, times_y, ends_x, ends_y, gamma, band, alpha, sigma, margin,
        variant, with_grad,
    )  # fmt: skip
    if backend == "cpu":
        outputs = _operators.module(backend).lav(*arguments)
        if outputs is not None:
            return outputs
    with torch.no_grad():
        return composed(*arguments, backend=backend)


def _fake_lav(x, y, *rest):  # type: ignore[no-untyped-def]
    with_grad = rest[-2]
    values = (x.new_empty(x.shape[0], dtype=torch.float64) for _ in range(3))
    return (*values, *(_operators.gradient_like(z, with_grad) for z in (x, y)))


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _operators.keep(ctx, (*inputs[:8], *output[3:]), inputs[8:])


def _backward(ctx: Any, grad: Tensor | None, *others: Tensor | None) -> tuple[Any, ...]:
    *tensors, grad_x, grad_y = ctx.saved_tensors
    *options, with_grad, backend = ctx.options
    if with_grad and all(other is None for other in others):
        gradients = [_operators.scaled(grad, gradient) for gradient in (grad_x, grad_y)]
        return (*gradients, *[None] * 14)
    if not with_grad:  # then the outputs that are gradients are empty
        others = (*others[:2], None, None)
    # A term is differentiated by itself, or the gradient is.
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        leaves = [z if z.requires_grad else z.detach().requires_grad_() for z in tensors[:2]]
        arguments: Any = (*leaves, *tensors[2:], *options, True, backend)
        outputs = composed(*arguments)
        given = [
            (output, wanted)
            for output, wanted in zip(outputs, (grad, *others), strict=True)
            if wanted is not None
        ]
        gradients = list(
            torch.autograd.grad(
                [output for output, _ in given],
                leaves,
                [wanted for _, wanted in given],
                create_graph=differentiable,
                allow_unused=True,
            )
        )
    return (*gradients, *[None] * 14)


lav = Operator(_lav, _fake_lav, _setup, _backward)
