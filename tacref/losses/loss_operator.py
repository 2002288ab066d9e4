"""The factory of a loss's operator: values, their gradients, and rules by the Hessian's product."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from tacref.losses.torch_operator import Operator, primals, unwatched

# Torch shares operations on more numbers than this with its threads.
TORCH_GRAIN = 1 << 15
# One a tensor; None is zeros.
Directions = Sequence[Any]


def loss_operator(
    function: Callable[..., tuple[Tensor, ...]],
    count: int,
    valid: Callable[..., Sequence[Tensor]],
    hvp: Callable[..., Directions],
) -> Operator:
    """Make the operator of a loss.

    Parameters
    ----------
    function : callable
        `function(*tensors, *others, with_grad, backend)` returns values `(B,)` in float64 and the
        gradient along each of the first `count` tensors, empty unless `with_grad`.
    count : int
        Tensors that are differentiated, each `(B, ., .)`.
    valid : callable
        `valid(tensors, *others, backend)` returns where each tensor is valid: what lies beyond
        may be NaN, also in a direction.
    hvp : callable
        `hvp(tensors, directions, *others, backend)` returns the Hessian times the directions,
        None being zeros, in the dtypes of the tensors.
    """

    def fake(*inputs: Any) -> tuple[Tensor, ...]:
        tensors, with_grad = inputs[:count], inputs[-2]
        values = tensors[0].new_empty(tensors[0].shape[0], dtype=torch.float64)
        return (values, *(gradient_like(tensor, with_grad) for tensor in tensors))

    def setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        save_inputs(ctx, inputs, output[1:])

    def inputs_and_gradients(
        ctx: Any, tensors: Iterable[Tensor]
    ) -> tuple[tuple[Any, ...], Sequence[Tensor]]:
        inputs, gradients = saved_inputs(ctx, tensors)
        *arguments, with_grad, backend = inputs
        if not with_grad:
            gradients = operator(*arguments, True, backend)[1:]
        return inputs, gradients

    def hessian_product(inputs: tuple[Any, ...], directions: Directions) -> Directions:
        *arguments, with_grad, backend = inputs
        if not with_grad or all(direction is None for direction in directions):
            return (None,) * count
        return hvp(arguments[:count], directions, *arguments[count:], backend)

    def backward(ctx: Any, grad: Tensor | None, *directions: Tensor | None) -> Directions:
        inputs, gradients = inputs_and_gradients(ctx, ctx.saved_tensors)
        by_values = scaled(grad, gradients)
        by_gradients = hessian_product(inputs, directions)
        terms = zip(by_values, by_gradients, strict=True)
        return (*(add(*pair) for pair in terms), *[None] * (len(inputs) - count))

    def jvp(ctx: Any, *tangents: Tensor | None) -> Directions:
        directions = tangents[:count]
        inputs, gradients = inputs_and_gradients(ctx, primals(ctx))
        *arguments, _, backend = inputs
        directions = tuple(
            None if direction is None else torch.where(inside, direction, 0.0)
            for direction, inside in zip(
                directions, valid(arguments[:count], *arguments[count:], backend), strict=True
            )
        )
        slope = add(
            *(
                None if direction is None else (gradient.double() * direction).sum((1, 2))
                for gradient, direction in zip(gradients, directions, strict=True)
            )
        )
        # Torch wants a tangent even of an output that is not differentiated: an empty one.
        empty = gradients[0].new_zeros(0)
        gradient_slopes = hessian_product(inputs, directions)
        return (slope, *(empty if each is None else each for each in gradient_slopes))

    operator = Operator(function, fake, setup, backward, jvp)
    return operator


def gradient_like(tensor: Tensor, with_grad: bool) -> Tensor:
    """Return an empty tensor of the shape of a gradient, if there is to be one."""
    if not with_grad:
        return tensor.new_empty(0)
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)


def save_inputs(ctx: Any, inputs: tuple[Any, ...], outputs: Sequence[Tensor]) -> None:
    """Keep what derivatives need: the inputs, and some outputs."""
    ctx.options = [None if isinstance(each, Tensor) else each for each in inputs]
    tensors = [each for each in inputs if isinstance(each, Tensor)]
    ctx.save_for_backward(*tensors, *outputs)
    ctx.save_for_forward(*tensors, *outputs)
    # None tells that a gradient was not asked for.
    ctx.set_materialize_grads(False)


def saved_inputs(ctx: Any, tensors: Iterable[Tensor]) -> tuple[tuple[Any, ...], Sequence[Tensor]]:
    """Return the inputs and the outputs that were kept, of the tensors that were."""
    saved = iter(tensors)
    inputs = tuple(next(saved) if option is None else option for option in ctx.options)
    return inputs, tuple(saved)


def scaled(grad: Tensor | None, gradients: Sequence[Tensor]) -> Directions:
    """Return what flows back from values: `(B,)` times each `(B, ., .)`."""
    if grad is None:
        return (None,) * len(gradients)
    factor = grad.to(gradients[0].dtype)[:, None, None]
    if _torch_would_share(gradients) and unwatched([grad, *gradients]):
        return [torch.from_numpy(factor.numpy() * gradient.numpy()) for gradient in gradients]
    return [factor * gradient for gradient in gradients]


def add(*terms: Tensor | None) -> Tensor | None:
    """Return the sum of the terms that there are."""
    present = [term for term in terms if term is not None]
    return sum(present[1:], present[0]) if present else None


def _torch_would_share(tensors: Sequence[Tensor]) -> bool:
    """Whether torch would share an operation, not to be differentiated, with other threads.

    It waits for all of them, also for those that have no core on a busy machine.
    """
    return (
        not torch.is_grad_enabled()
        and tensors[0].device.type == "cpu"
        and max(tensor.numel() for tensor in tensors) > TORCH_GRAIN
    )
