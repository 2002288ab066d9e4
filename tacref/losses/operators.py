"""The losses as operators of torch: one call computes values and gradients; backward scales them.

An operator of a loss returns values `(B,)` and their gradients along its tensors, and takes the
name of a backend. The gradients are differentiable outputs, so that second derivatives come by the
same way, in reverse and in forward mode: by a product with the Hessian. Half precision is for
callers to convert.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, func

from tacref.losses.backends import eager
from tacref.losses.backends.kernels import KERNELS
from tacref.losses.costs import cost_matrix, gradients_of_embeddings, slopes_along
from tacref.losses.lengths import valid_rows
from tacref.losses.loss_operator import (
    Directions,
    gradient_like,
    loss_operator,
    save_inputs,
    saved_inputs,
)
from tacref.losses.torch_operator import Operator, primals

# A name, a tensor, and the shape that it must have.
Named = tuple[str, Tensor, tuple[int, ...]]


def check_tensors(floats: Sequence[Named], whole_numbers: Sequence[Named]) -> None:
    """Check what a compiled or traced call may be given: kernels read and write by these shapes.

    Raises
    ------
    ValueError
        If a tensor has another shape; if `floats` are not all of the first one's dtype, float32 or
        float64; or if `whole_numbers` are not int64.
    """
    for name, tensor, shape in (*floats, *whole_numbers):
        if tensor.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tuple(tensor.shape)}")
    dtype = floats[0][1].dtype
    for name, tensor, _ in floats:
        if tensor.dtype != dtype or dtype not in (torch.float32, torch.float64):
            raise ValueError(f"{name} must be of {dtype}, float32 or float64, got {tensor.dtype}")
    for name, tensor, _ in whole_numbers:
        if tensor.dtype != torch.int64:
            raise ValueError(f"{name} must be whole numbers, int64, got {tensor.dtype}")


def _check_costs(D: Tensor, lengths_x: Tensor, lengths_y: Tensor) -> None:
    B, n, m = D.shape
    lengths = ("lengths_x", lengths_x, (B,)), ("lengths_y", lengths_y, (B,))
    check_tensors([("D", D, (B, n, m))], lengths)


def _soft_dtw_hvp(
    D: Tensor,
    Z: Tensor,
    gamma: float,
    lengths_x: Tensor,
    lengths_y: Tensor,
    band: int,
    backend: str,
) -> Tensor:
    """Hessian of each value of `soft_dtw` times the direction Z `(B, n, m)`."""
    _check_costs(D, lengths_x, lengths_y)
    check_tensors([("Z", Z, tuple(D.shape))], [])
    return KERNELS[backend]().soft_dtw_hvp(D, Z, gamma, lengths_x, lengths_y, band)


def _fake_soft_dtw_hvp(D: Tensor, Z: Tensor, *others: Any) -> Tensor:
    return gradient_like(D, True)


def _setup_soft_dtw_hvp(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    save_inputs(ctx, inputs, ())


def _backward_soft_dtw_hvp(ctx: Any, grad: Tensor | None) -> Directions:
    (D, Z, *others), _ = saved_inputs(ctx, ctx.saved_tensors)
    if grad is None:
        return (None,) * 7
    by_D = _third_derivative(D, Z, grad, *others[:-1]) if _needs_gradient_of_D(ctx) else None
    # Linear in Z, by a symmetric Hessian.
    return (by_D, soft_dtw_hvp(D, grad, *others), *[None] * 5)


def _needs_gradient_of_D(ctx: Any) -> bool:
    """Whether the gradient along D will be used."""
    if not ctx.needs_input_grad[1]:  # of all arguments, the dispatcher's key set being the first
        return False
    try:
        return torch._C._will_engine_execute_node(ctx.next_functions[0][0])  # of tensors alone
    except RuntimeError:  # it is what `torch.autograd.grad` was asked for
        return True


def _jvp_soft_dtw_hvp(
    ctx: Any, D_slope: Tensor | None, Z_slope: Tensor | None, *others_have_none: None
) -> Any:
    (D, _, *others), _ = saved_inputs(ctx, primals(ctx))
    if D_slope is not None:
        raise NotImplementedError(
            "third derivatives in forward mode: backend='torch' has them; the others have third "
            "derivatives in reverse mode alone"
        )
    return None if Z_slope is None else soft_dtw_hvp(D, Z_slope, *others)


def _third_derivative(D: Tensor, Z: Tensor, W: Tensor, *options: Any) -> Tensor:
    """Third derivative of each value along Z and W, `(B, n, m)`, by tensor operations."""

    def along(direction: Tensor, function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
        return lambda D: (direction.to(D.dtype) * func.grad(function)(D)).sum()

    def value(D: Tensor) -> Tensor:
        return eager.soft_dtw(D, *options).sum()

    return func.grad(along(W, along(Z, value)))(D)


soft_dtw_hvp = Operator(
    _soft_dtw_hvp,
    _fake_soft_dtw_hvp,
    _setup_soft_dtw_hvp,
    _backward_soft_dtw_hvp,
    _jvp_soft_dtw_hvp,
)


def _soft_dtw(
    D: Tensor,
    gamma: float,
    lengths_x: Tensor,
    lengths_y: Tensor,
    band: int,
    with_grad: bool,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """Soft-DTW of costs `(B, n, m)`: values `(B,)` in float64, and E, empty unless `with_grad`."""
    _check_costs(D, lengths_x, lengths_y)
    return KERNELS[backend]().soft_dtw(D, gamma, lengths_x, lengths_y, band, with_grad)


def _valid_costs(
    tensors: Sequence[Tensor], gamma: float, lengths_x: Tensor, lengths_y: Tensor, *others: Any
) -> Sequence[Tensor]:
    _, n, m = tensors[0].shape
    return (valid_rows(lengths_x, n)[:, :, None] & valid_rows(lengths_y, m)[:, None],)


def _hvp_of_costs(tensors: Sequence[Tensor], directions: Directions, *others: Any) -> Directions:
    return (soft_dtw_hvp(tensors[0], directions[0], *others),)


soft_dtw = loss_operator(_soft_dtw, 1, _valid_costs, _hvp_of_costs)


def _soft_dtw_of_embeddings(
    x: Tensor,
    y: Tensor,
    gamma: float,
    lengths_x: Tensor,
    lengths_y: Tensor,
    band: int,
    with_grad: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Soft-DTW of embeddings: values `(B,)` in float64, and both gradients."""
    (B, n, d), m = x.shape, y.shape[1]
    lengths = ("lengths_x", lengths_x, (B,)), ("lengths_y", lengths_y, (B,))
    check_tensors([("x", x, (B, n, d)), ("y", y, (B, m, d))], lengths)
    return KERNELS[backend]().soft_dtw_of_embeddings(
        x, y, gamma, lengths_x, lengths_y, band, with_grad
    )


def _valid_embeddings(
    tensors: Sequence[Tensor], gamma: float, lengths_x: Tensor, lengths_y: Tensor, *others: Any
) -> Sequence[Tensor]:
    pairs = zip(tensors, (lengths_x, lengths_y), strict=True)
    return [valid_rows(lengths, z.shape[1])[:, :, None] for z, lengths in pairs]


def _hvp_of_embeddings(
    tensors: Sequence[Tensor],
    directions: Directions,
    gamma: float,
    lengths_x: Tensor,
    lengths_y: Tensor,
    band: int,
    backend: str,
) -> Directions:
    dtype = tensors[0].dtype
    u, v = (
        torch.zeros_like(z) if direction is None else direction
        for z, direction in zip(tensors, directions, strict=True)
    )
    x, u = (eager.exact_rows(z, lengths_x) for z in (tensors[0], u))
    y, v = (eager.exact_rows(z, lengths_y) for z in (tensors[1], v))
    D = cost_matrix(x, y)
    E = soft_dtw(D, gamma, lengths_x, lengths_y, band, True, backend)[1]
    HZ = soft_dtw_hvp(D, slopes_along(x, y, u, v), gamma, lengths_x, lengths_y, band, backend)
    # d of 2 sum_j E_ij (x_i - y_j), by the product rule
    of_weights, of_rows = gradients_of_embeddings(HZ, x, y), gradients_of_embeddings(E, u, v)
    return tuple((a + b).to(dtype) for a, b in zip(of_weights, of_rows, strict=True))


soft_dtw_of_embeddings = loss_operator(
    _soft_dtw_of_embeddings, 2, _valid_embeddings, _hvp_of_embeddings
)


def _contrastive_idm(
    x: Tensor,
    lengths: Tensor,
    times: Tensor,
    video_lengths: Tensor,
    sigma: float,
    margin: float,
    variant: str,
    with_grad: bool,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """Contrastive-IDM of embeddings: values `(B,)` in float64, and the gradient."""
    B, n, d = x.shape
    check_tensors(
        [("x", x, (B, n, d))],
        [
            ("lengths", lengths, (B,)),
            ("times", times, (B, n)),
            ("video_lengths", video_lengths, (B,)),
        ],
    )
    return KERNELS[backend]().contrastive_idm(
        x, lengths, times, video_lengths, sigma, margin, variant, with_grad
    )


def _valid_frames(tensors: Sequence[Tensor], lengths: Tensor, *others: Any) -> Sequence[Tensor]:
    return (valid_rows(lengths, tensors[0].shape[1])[:, :, None],)


def _hvp_of_idm(tensors: Sequence[Tensor], directions: Directions, *others: Any) -> Directions:
    # In tensor operations, whatever the backend.
    product = eager.contrastive_idm_hvp(tensors[0], directions[0], *others[:-1])
    return (product.to(tensors[0].dtype),)


contrastive_idm = loss_operator(_contrastive_idm, 1, _valid_frames, _hvp_of_idm)
