"""The losses as operators of torch: one call computes values and gradients; backward scales them.

An operator of a loss returns values `(B,)` and their gradients along its tensors, and takes the
name of a backend. The gradients are differentiable outputs, so that second derivatives come by the
same way, in reverse and in forward mode: by a product with the Hessian. Half precision is for
callers to convert.
"""

import importlib
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, func

from tacref.losses import _torch
from tacref.losses._lengths import valid_rows
from tacref.losses._operator import Operator, primals
from tacref.losses.costs import cost_matrix, gradients_of_embeddings, slopes_along

# One a tensor; None is zeros.
Directions = Sequence[Any]


def module(backend: str) -> ModuleType:
    """Return the module of a backend, imported when it is first used."""
    return importlib.import_module(f"tacref.losses._{backend}")


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
        `valid(tensors, *others, backend)` returns where each tensor is valid: what lies beyond is
        NaN, perhaps, also in a direction.
    hvp : callable
        `hvp(tensors, directions, *others, backend)` returns the Hessian times the directions,
        None being zeros, in the dtypes of the tensors.
    """

    def fake(*inputs: Any) -> tuple[Tensor, ...]:
        tensors, with_grad = inputs[:count], inputs[-2]
        values = tensors[0].new_empty(tensors[0].shape[0], dtype=torch.float64)
        return (values, *(gradient_like(tensor, with_grad) for tensor in tensors))

    def setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        keep(ctx, inputs, output[1:])

    def recall(ctx: Any, tensors: Iterable[Tensor]) -> tuple[tuple[Any, ...], Sequence[Tensor]]:
        inputs, gradients = kept(ctx, tensors)
        *arguments, with_grad, backend = inputs
        if not with_grad:
            gradients = operator(*arguments, True, backend)[1:]
        return inputs, gradients

    def second(inputs: tuple[Any, ...], directions: Directions) -> Directions:
        *arguments, with_grad, backend = inputs
        if not with_grad or all(direction is None for direction in directions):
            return (None,) * count
        return hvp(arguments[:count], directions, *arguments[count:], backend)

    def backward(ctx: Any, grad: Tensor | None, *directions: Tensor | None) -> Directions:
        inputs, gradients = recall(ctx, ctx.saved_tensors)
        first = [scaled(grad, gradient) for gradient in gradients]
        terms = zip(first, second(inputs, directions), strict=True)
        return (*(add(*pair) for pair in terms), *[None] * (len(inputs) - count))

    def jvp(ctx: Any, *tangents: Tensor | None) -> Directions:
        directions = tangents[:count]
        inputs, gradients = recall(ctx, primals(ctx))
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
        # An output that is not differentiated must have a tangent all the same: an empty one.
        empty = gradients[0].new_zeros(0)
        bends = second(inputs, directions)
        return (slope, *(empty if bend is None else bend for bend in bends))

    operator = Operator(function, fake, setup, backward, jvp)
    return operator


def gradient_like(tensor: Tensor, with_grad: bool) -> Tensor:
    """Return an empty tensor of the shape of a gradient, if there is to be one."""
    if not with_grad:
        return tensor.new_empty(0)
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)


def keep(ctx: Any, inputs: tuple[Any, ...], outputs: Sequence[Tensor]) -> None:
    """Keep what derivatives need: the inputs, and some outputs."""
    ctx.options = [None if isinstance(each, Tensor) else each for each in inputs]
    tensors = [each for each in inputs if isinstance(each, Tensor)]
    ctx.save_for_backward(*tensors, *outputs)
    ctx.save_for_forward(*tensors, *outputs)
    # None tells that a gradient was not asked for.
    ctx.set_materialize_grads(False)


def kept(ctx: Any, tensors: Iterable[Tensor]) -> tuple[tuple[Any, ...], Sequence[Tensor]]:
    """Return the inputs and the outputs that were kept, of the tensors that were."""
    saved = iter(tensors)
    inputs = tuple(next(saved) if option is None else option for option in ctx.options)
    return inputs, tuple(saved)


def scaled(grad: Tensor | None, gradient: Tensor) -> Tensor | None:
    """Return what flows back from values: `(B,)` times `(B, ., .)`."""
    return None if grad is None else grad.to(gradient.dtype)[:, None, None] * gradient


def add(*terms: Tensor | None) -> Tensor | None:
    """Return the sum of the terms that there are."""
    present = [term for term in terms if term is not None]
    return sum(present[1:], present[0]) if present else None


def check_shapes(dtype: torch.dtype, *named: tuple[str, Tensor, tuple[int, ...]]) -> None:
    """Check what a compiled or traced call may be given: kernels read and write by these shapes.

    Raises
    ------
    ValueError
        If a tensor has another shape, or is neither integers nor of this dtype.
    """
    for name, tensor, shape in named:
        if tensor.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tuple(tensor.shape)}")
        if tensor.dtype not in (dtype, torch.int64) or dtype not in (torch.float32, torch.float64):
            raise ValueError(f"{name} must be of {dtype}, float32 or float64, got {tensor.dtype}")


def _check_costs(D: Tensor, rows: Tensor, columns: Tensor, *others: tuple[str, Tensor]) -> None:
    B, n, m = D.shape
    lengths = ("lengths_x", rows, (B,)), ("lengths_y", columns, (B,))
    check_shapes(D.dtype, ("D", D, (B, n, m)), *lengths, *((*each, (B, n, m)) for each in others))


def _soft_dtw_hvp(
    D: Tensor, Z: Tensor, gamma: float, rows: Tensor, columns: Tensor, band: int, backend: str
) -> Tensor:
    """Hessian of each value of `soft_dtw` times the direction Z `(B, n, m)`."""
    _check_costs(D, rows, columns, ("Z", Z.to(D.dtype)))
    return module(backend).soft_dtw_hvp(D, Z, gamma, rows, columns, band)


def _fake_soft_dtw_hvp(D: Tensor, Z: Tensor, *others: Any) -> Tensor:
    return gradient_like(D, True)


def _setup_soft_dtw_hvp(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    keep(ctx, inputs, ())


def _backward_soft_dtw_hvp(ctx: Any, grad: Tensor | None) -> Directions:
    (D, Z, *others), _ = kept(ctx, ctx.saved_tensors)
    if grad is None:
        return (None,) * 7
    third = _third(D, Z, grad, *others[:-1]) if _wanted(ctx) else None
    # Linear in Z, by a symmetric Hessian.
    return (third, soft_dtw_hvp(D, grad, *others), *[None] * 5)


def _wanted(ctx: Any) -> bool:
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
    (D, _, *others), _ = kept(ctx, primals(ctx))
    if D_slope is not None:
        raise NotImplementedError(
            "third derivatives in forward mode: backend='torch' has them; the others have third "
            "derivatives in reverse mode alone"
        )
    return None if Z_slope is None else soft_dtw_hvp(D, Z_slope, *others)


def _third(D: Tensor, Z: Tensor, W: Tensor, *options: Any) -> Tensor:
    """Third derivative of each value along Z and W, `(B, n, m)`, by tensor operations."""

    def along(direction: Tensor, function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
        return lambda D: (direction.to(D.dtype) * func.grad(function)(D)).sum()

    def value(D: Tensor) -> Tensor:
        return _torch.soft_dtw(D, *options).sum()

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
    rows: Tensor,
    columns: Tensor,
    band: int,
    with_grad: bool,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """Soft-DTW of costs `(B, n, m)`: values `(B,)` in float64, and E, empty unless `with_grad`."""
    _check_costs(D, rows, columns)
    return module(backend).soft_dtw(D, gamma, rows, columns, band, with_grad)


def _valid_costs(
    tensors: Sequence[Tensor], gamma: float, rows: Tensor, columns: Tensor, *others: Any
) -> Sequence[Tensor]:
    _, n, m = tensors[0].shape
    return (valid_rows(rows, n)[:, :, None] & valid_rows(columns, m)[:, None],)


def _hvp_of_costs(tensors: Sequence[Tensor], directions: Directions, *others: Any) -> Directions:
    return (soft_dtw_hvp(tensors[0], directions[0], *others),)


soft_dtw = loss_operator(_soft_dtw, 1, _valid_costs, _hvp_of_costs)


def _soft_dtw_embeddings(
    x: Tensor,
    y: Tensor,
    gamma: float,
    rows: Tensor,
    columns: Tensor,
    band: int,
    with_grad: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Soft-DTW of embeddings: values `(B,)` in float64, and both gradients."""
    (B, n, d), m = x.shape, y.shape[1]
    lengths = ("lengths_x", rows, (B,)), ("lengths_y", columns, (B,))
    check_shapes(x.dtype, ("x", x, (B, n, d)), ("y", y, (B, m, d)), *lengths)
    return module(backend).soft_dtw_embeddings(x, y, gamma, rows, columns, band, with_grad)


def _valid_embeddings(
    tensors: Sequence[Tensor], gamma: float, rows: Tensor, columns: Tensor, *others: Any
) -> Sequence[Tensor]:
    pairs = zip(tensors, (rows, columns), strict=True)
    return [valid_rows(lengths, z.shape[1])[:, :, None] for z, lengths in pairs]


def _hvp_of_embeddings(
    tensors: Sequence[Tensor],
    directions: Directions,
    gamma: float,
    rows: Tensor,
    columns: Tensor,
    band: int,
    backend: str,
) -> Directions:
    dtype = tensors[0].dtype
    u, v = (
        torch.zeros_like(z) if direction is None else direction
        for z, direction in zip(tensors, directions, strict=True)
    )
    x, u = (_torch.exact_rows(z, rows) for z in (tensors[0], u))
    y, v = (_torch.exact_rows(z, columns) for z in (tensors[1], v))
    D = cost_matrix(x, y)
    E = soft_dtw(D, gamma, rows, columns, band, True, backend)[1]
    HZ = soft_dtw_hvp(D, slopes_along(x, y, u, v), gamma, rows, columns, band, backend)
    # d of 2 sum_j E_ij (x_i - y_j), by the product rule
    of_weights, of_rows = gradients_of_embeddings(HZ, x, y), gradients_of_embeddings(E, u, v)
    return tuple((a + b).to(dtype) for a, b in zip(of_weights, of_rows, strict=True))


soft_dtw_embeddings = loss_operator(_soft_dtw_embeddings, 2, _valid_embeddings, _hvp_of_embeddings)


def _contrastive_idm(
    x: Tensor,
    rows: Tensor,
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
    check_shapes(
        x.dtype,
        ("x", x, (B, n, d)),
        ("lengths", rows, (B,)),
        ("times", times, (B, n)),
        ("video_lengths", video_lengths, (B,)),
    )
    return module(backend).contrastive_idm(
        x, rows, times, video_lengths, sigma, margin, variant, with_grad
    )


def _valid_frames(tensors: Sequence[Tensor], rows: Tensor, *others: Any) -> Sequence[Tensor]:
    return (valid_rows(rows, tensors[0].shape[1])[:, :, None],)


def _hvp_of_idm(tensors: Sequence[Tensor], directions: Directions, *others: Any) -> Directions:
    # In tensor operations, whatever the backend.
    product = _torch.contrastive_idm_hvp(tensors[0], directions[0], *others[:-1])
    return (product.to(tensors[0].dtype),)


contrastive_idm = loss_operator(_contrastive_idm, 1, _valid_frames, _hvp_of_idm)
