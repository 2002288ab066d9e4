"""The losses as operators of torch: one call computes values and gradients; backward scales them.

Each operator takes the name of a backend, and is known to `torch.compile`, `torch.export` and
`vmap`. Gradients are outputs, and differentiable ones, so that second derivatives come by the same
road. Half precision is for callers to convert.
"""

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from tacref.losses import _torch
from tacref.losses._operator import Operator
from tacref.losses.costs import cost_matrix


def module(backend: str) -> ModuleType:
    """Return the module of a backend, imported when it is first used."""
    return importlib.import_module(f"tacref.losses._{backend}")


def gradient_like(tensor: Tensor, with_grad: bool) -> Tensor:
    """Return an empty tensor of the shape of a gradient, if there is to be one."""
    return (
        torch.empty_like(tensor, memory_format=torch.contiguous_format)
        if with_grad
        else (tensor.new_empty(0))
    )


def _values_like(tensor: Tensor) -> Tensor:
    return tensor.new_empty(tensor.shape[0], dtype=torch.float64)


def keep(ctx: Any, tensors: tuple[Tensor, ...], options: tuple[Any, ...]) -> None:
    """Keep what a backward pass needs."""
    ctx.save_for_backward(*tensors)
    ctx.options = options
    # None tells that a gradient was not asked for.
    ctx.set_materialize_grads(False)


def scaled(grad: Tensor | None, gradient: Tensor) -> Tensor | None:
    """Return what flows back from values: `(B,)` times `(B, ., .)`."""
    return None if grad is None else grad.to(gradient.dtype)[:, None, None] * gradient


def _sum(*terms: Tensor | None) -> Tensor | None:
    given = [term for term in terms if term is not None]
    return sum(given[1:], given[0]) if given else None


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
    return module(backend).soft_dtw(D, gamma, rows, columns, band, with_grad)


def _fake_soft_dtw(D, gamma, rows, columns, band, with_grad, backend):  # type: ignore[no-untyped-def]
    return _values_like(D), gradient_like(D, with_grad)


def _setup_soft_dtw(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    D, gamma, rows, columns, band, with_grad, backend = inputs
    keep(ctx, (D, rows, columns, output[1]), (gamma, band, with_grad, backend))


def _backward_soft_dtw(
    ctx: Any, grad: Tensor | None, grad_E: Tensor | None
) -> tuple[Tensor | None, ...]:
    D, rows, columns, E = ctx.saved_tensors
    gamma, band, with_grad, backend = ctx.options
    if not with_grad:
        E = soft_dtw(D, gamma, rows, columns, band, True, backend)[1]
    second = None
    if grad_E is not None and with_grad:
        second = soft_dtw_hvp(D, grad_E, gamma, rows, columns, band, backend)
    return _sum(scaled(grad, E), second), None, None, None, None, None, None


soft_dtw = Operator(_soft_dtw, _fake_soft_dtw, _setup_soft_dtw, _backward_soft_dtw)


def _soft_dtw_hvp(
    D: Tensor, Z: Tensor, gamma: float, rows: Tensor, columns: Tensor, band: int, backend: str
) -> Tensor:
    """Hessian of each value of `soft_dtw` times the direction Z `(B, n, m)`."""
    return module(backend).soft_dtw_hvp(D, Z, gamma, rows, columns, band)


def _fake_soft_dtw_hvp(D, Z, gamma, rows, columns, band, backend):  # type: ignore[no-untyped-def]
    return gradient_like(D, True)


soft_dtw_hvp = Operator(_soft_dtw_hvp, _fake_soft_dtw_hvp)


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
    return module(backend).soft_dtw_embeddings(x, y, gamma, rows, columns, band, with_grad)


def _fake_soft_dtw_embeddings(x, y, gamma, rows, columns, band, with_grad, backend):  # type: ignore[no-untyped-def]
    return _values_like(x), gradient_like(x, with_grad), gradient_like(y, with_grad)


def _setup_embeddings(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, y, gamma, rows, columns, band, with_grad, backend = inputs
    keep(ctx, (x, y, rows, columns, *output[1:]), (gamma, band, with_grad, backend))


def _backward_embeddings(
    ctx: Any, grad: Tensor | None, u: Tensor | None, v: Tensor | None
) -> tuple[Tensor | None, ...]:
    x, y, rows, columns, *gradients = ctx.saved_tensors
    gamma, band, with_grad, backend = ctx.options
    if not with_grad:
        given = soft_dtw_embeddings(x, y, gamma, rows, columns, band, True, backend)
        gradients = list(given[1:])
    first = [scaled(grad, gradient) for gradient in gradients]
    second: tuple[Tensor | None, ...] = (None, None)
    if with_grad and not (u is None and v is None):
        second = _embeddings_hvp(x, y, u, v, gamma, rows, columns, band, backend)
    both = (_sum(*terms) for terms in zip(first, second, strict=True))
    return (*both, None, None, None, None, None, None)


def _embeddings_hvp(
    x: Tensor,
    y: Tensor,
    u: Tensor | None,
    v: Tensor | None,
    gamma: float,
    rows: Tensor,
    columns: Tensor,
    band: int,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """Return the Hessian of soft-DTW of embeddings times directions u of x and v of y."""
    dtype = x.dtype
    u = torch.zeros_like(x) if u is None else u
    v = torch.zeros_like(y) if v is None else v
    x, u = (_torch.exact_rows(z, rows) for z in (x, u))
    y, v = (_torch.exact_rows(z, columns) for z in (y, v))
    D = cost_matrix(x, y)
    E = soft_dtw(D, gamma, rows, columns, band, True, backend)[1]
    origin = x[:, :1].detach()
    x, y = x - origin, y - origin
    # D_ij changes by 2 <x_i - y_j, u_i - v_j>.
    Z = 2 * ((x * u).sum(2)[:, :, None] + (y * v).sum(2)[:, None] - x @ v.mT - u @ y.mT)
    HZ = soft_dtw_hvp(D, Z, gamma, rows, columns, band, backend)
    # d of 2 sum_j E_ij (x_i - y_j), by the product rule
    second_x = 2 * (HZ.sum(2)[..., None] * x - HZ @ y + E.sum(2)[..., None] * u - E @ v)
    second_y = 2 * (HZ.sum(1)[..., None] * y - HZ.mT @ x + E.sum(1)[..., None] * v - E.mT @ u)
    return second_x.to(dtype), second_y.to(dtype)


soft_dtw_embeddings = Operator(
    _soft_dtw_embeddings, _fake_soft_dtw_embeddings, _setup_embeddings, _backward_embeddings
)


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
    return module(backend).contrastive_idm(
        x, rows, times, video_lengths, sigma, margin, variant, with_grad
    )


def _fake_contrastive_idm(x, *rest):  # type: ignore[no-untyped-def]
    with_grad = rest[-2]
    return _values_like(x), gradient_like(x, with_grad)


def _setup_idm(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, rows, times, video_lengths, *options = inputs
    keep(ctx, (x, rows, times, video_lengths, output[1]), tuple(options))


def _backward_idm(
    ctx: Any, grad: Tensor | None, direction: Tensor | None
) -> tuple[Tensor | None, ...]:
    x, rows, times, video_lengths, gradient = ctx.saved_tensors
    sigma, margin, variant, with_grad, backend = ctx.options
    source = rows, times, video_lengths
    if not with_grad:
        gradient = contrastive_idm(x, *source, sigma, margin, variant, True, backend)[1]
    second = None
    if direction is not None and with_grad:
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            leaf = x if x.requires_grad else x.detach().requires_grad_()
            values = _torch.contrastive_idm(leaf, *source, sigma, margin, variant)
            (again,) = torch.autograd.grad(values.sum(), leaf, create_graph=True)
            (second,) = torch.autograd.grad(again, leaf, direction, create_graph=differentiable)
    return _sum(scaled(grad, gradient), second), *[None] * 8


contrastive_idm = Operator(_contrastive_idm, _fake_contrastive_idm, _setup_idm, _backward_idm)
