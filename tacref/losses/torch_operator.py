"""An operator of torch that every transform knows, and that costs little to call."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._functorch.autograd_function import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import Function, _SingleLevelFunction
from torch.library import Library, infer_schema, register_fake, register_vmap

# The operators live as long as this does.
_LIBRARY = Library("tacref", "FRAGMENT")


class Operator:
    """A function of tensors that torch's dispatcher knows as an operator, `torch.ops.tacref`.

    All derivatives go through the dispatcher's autograd kernel, one level of transforms at a time:
    so `torch.func`, forward mode, `vmap`, `torch.compile`, `torch.export` and `make_fx` see one
    operator with the same rules, nested as they may be. (`torch.library.register_autograd` has no
    rule for forward mode, whose tangents it drops, and does not work under `torch.func`.)

    A plain call, on plain tensors that no transform watches, goes past the dispatcher: that would
    take longer than the kernel at small shapes.

    Parameters
    ----------
    function : callable
        Annotated, as `torch.library.infer_schema` wants it; its name `_NAME` becomes
        `tacref::NAME`. Tensors come first, in batches; it computes, and differentiates nothing.
    fake : callable
        Makes outputs of the right shapes and dtypes without computing.
    setup, backward, jvp : callable
        `setup_context`, `backward` and `jvp`, as `torch.autograd.Function` wants them, made of
        operators and tensor operations, so that they are differentiable themselves.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        fake: Callable[..., Any],
        setup: Callable[..., None],
        backward: Callable[..., Any],
        jvp: Callable[..., Any],
    ) -> None:
        name = function.__name__.strip("_")
        self.function, self._fake = function, fake
        _LIBRARY.define(name + infer_schema(function, mutates_args=()))
        _LIBRARY.impl(name, function, "CompositeExplicitAutograd")
        register_fake(f"tacref::{name}", fake, lib=_LIBRARY)
        register_vmap(f"tacref::{name}", self._fold, lib=_LIBRARY)
        self.overload: Any = getattr(torch.ops.tacref, name).default
        # Its first argument is the dispatcher's key set, or None in a plain call.
        kind: Any = type(
            name,
            (_SingleLevelFunction,),
            {
                "forward": staticmethod(self._below_autograd),
                "setup_context": staticmethod(
                    lambda ctx, inputs, output: setup(ctx, inputs[1:], output)
                ),
                "backward": staticmethod(lambda ctx, *grads: (None, *backward(ctx, *grads))),
                "jvp": staticmethod(_nested(jvp)),
                "_compiled_autograd_key": staticmethod(Function._compiled_autograd_key),
            },
        )
        self._recorded = kind.apply
        _LIBRARY.impl(name, self._with_autograd, "Autograd", with_keyset=True)

    def __call__(self, *args: Any) -> Any:
        """Compute, by the shortest way."""
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        if torch.compiler.is_compiling() or not unwatched(tensors):
            return self.overload(*args)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return self._recorded(None, *args)
        return self.function(*args)

    def _with_autograd(self, keyset: Any, *args: Any) -> Any:
        with enable_single_level_autograd_function():
            return self._recorded(keyset, *args)

    def _below_autograd(self, keyset: Any, *args: Any) -> Any:
        if keyset is None:
            return self.function(*args)
        # The next level of transforms differentiates, whether or not this one does.
        with (
            torch.enable_grad(),
            forward_ad._set_fwd_grad_enabled(True),
            torch._C._AutoDispatchBelowAutograd(),
        ):
            return self.overload.redispatch(keyset & torch._C._after_autograd_keyset, *args)

    def _fold(self, info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        """Compute under vmap: its dimension becomes part of the batch."""
        size, folded = info.batch_size, []
        for arg, dim in zip(args, in_dims, strict=True):
            if not isinstance(arg, Tensor):
                folded.append(arg)
                continue
            whole = arg.expand(size, *arg.shape) if dim is None else arg.movedim(dim, 0)
            items = whole.shape[1]
            folded.append(whole.flatten(0, 1))
        # Of no items there is nothing to compute.
        result = self(*folded) if size else self._fake(*folded)
        outputs = result if isinstance(result, tuple) else (result,)
        # A gradient that was not asked for is empty.
        dims = tuple(None if size and not out.numel() else 0 for out in outputs)
        unfolded = tuple(
            out if dim is None else out.unflatten(0, (size, items))
            for out, dim in zip(outputs, dims, strict=True)
        )
        return (unfolded, dims) if isinstance(result, tuple) else (unfolded[0], dims[0])


def _nested(jvp: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule of forward mode that outer levels of forward mode differentiate."""

    def rule(ctx: Any, _: None, *tangents: Tensor | None) -> Any:
        # torch switches forward mode off within a rule, for all levels; this one must not count.
        with forward_ad._set_fwd_grad_enabled(True):
            return jvp(ctx, *tangents)

    return rule


def primals(ctx: Any) -> tuple[Tensor, ...]:
    """Return the tensors that were kept, without the tangents that a rule of forward mode has."""
    # At level 0, the one that torch has; within a compiled function, forward_ad does not know it.
    return tuple(torch._VF._unpack_dual(tensor, level=0)[0] for tensor in ctx.saved_tensors)


def traced() -> bool:
    """Whether a mode or a trace records operators, and their results at other inputs count."""
    # torch.compile gives its graph a guard on what it sees instead.
    return not torch.compiler.is_compiling() and (
        torch._C._len_torch_dispatch_stack() > 0 or torch._C._get_tracing_state() is not None
    )


def unwatched(tensors: Sequence[Tensor]) -> bool:
    """Whether no transform, mode or trace is to see a call with these tensors."""
    return (
        not torch._C._are_functorch_transforms_active()
        and not traced()
        and forward_ad._current_level < 0
        and all(map(is_plain, tensors))
    )


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor holds its numbers as they are, neither wrapped nor batched nor negated."""
    return type(tensor) in (Tensor, torch.nn.Parameter) and torch._C._dispatch_keys(
        tensor
    ).raw_repr() in _plain_keys(tensor.device)


@cache
def _plain_keys(device: torch.device) -> frozenset[int]:
    """Return the key sets of tensors that hold their numbers as they are.

    Others are lazily negated, batched, wrapped or without numbers (on "meta").
    """
    if device.type == "meta":
        return frozenset()
    with torch.inference_mode(False):
        usual = torch.empty(0, device=device)
    with torch.inference_mode():
        inference = torch.empty(0, device=device)
    return frozenset(torch._C._dispatch_keys(tensor).raw_repr() for tensor in (usual, inference))


def _of_size(tensor: Tensor, shape: list[int]) -> Tensor:
    """Return a copy of a tensor, which must have this shape."""
    if list(tensor.shape) != shape:
        raise ValueError(f"traced for tensors of shape {tuple(shape)}, got {tuple(tensor.shape)}")
    return tensor.clone()


# Differentiable, and nothing but its argument.
of_size = Operator(
    _of_size,
    fake=lambda tensor, shape: torch.empty_like(tensor),
    setup=lambda ctx, inputs, output: None,
    backward=lambda ctx, grad: (grad, None),
    jvp=lambda ctx, tangent, _: tangent.clone(),
)
