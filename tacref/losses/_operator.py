"""An operator of torch that costs little to call: registered, and called past the registry."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op, register_autograd, register_fake, register_vmap


class Operator:
    """A function of tensors, known to `torch.compile` and `torch.export` as an operator.

    Where nothing watches, the function is called as it is, or as a `torch.autograd.Function` if
    something is to be differentiated: a call through the registry takes ten times as long, and
    `torch.func` does not differentiate it.

    Parameters
    ----------
    function : callable
        Annotated, as `torch.library.custom_op` wants it; its name `_NAME` becomes `tacref::NAME`.
    fake : callable
        Makes outputs of the right shapes and dtypes without computing.
    setup, backward : callable, optional
        `setup_context` and `backward`, as `torch.library.register_autograd` wants them.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        fake: Callable[..., Any],
        setup: Callable[..., None] | None = None,
        backward: Callable[..., Any] | None = None,
    ) -> None:
        name = f"tacref::{function.__name__.strip('_')}"
        self.function = function
        self.registered = custom_op(name, function, mutates_args=())
        register_fake(name, fake)
        if backward is not None:
            register_autograd(name, backward, setup_context=setup)
        register_vmap(name, self._fold)
        # apply() looks it up at each call, which takes long unless it is kept.
        function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        members = {
            "forward": function,
            "setup_context": setup or _keep_nothing,
            "backward": backward or _refuse,
            "vmap": self._fold,
        }
        kind: Any = type(
            function.__name__,
            (torch.autograd.Function,),
            {key: staticmethod(member) for key, member in members.items()},
        )
        self._differentiable = kind.apply

    def __call__(self, *args: Any) -> Any:
        """Compute, by the shortest road."""
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        if torch.compiler.is_compiling():
            return self.registered(*args)
        if torch._C._are_functorch_transforms_active():
            return self._differentiable(*args)
        if torch._C._len_torch_dispatch_stack() > 0 or not all(map(_is_plain, tensors)):
            return self.registered(*args)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return self._differentiable(*args)
        return self.function(*args)

    def _fold(self, info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        """Compute under vmap: its dimension becomes part of the batch."""
        folded = []
        for arg, dim in zip(args, in_dims, strict=True):
            if not isinstance(arg, Tensor):
                folded.append(arg)
                continue
            whole = arg.expand(info.batch_size, *arg.shape) if dim is None else arg.movedim(dim, 0)
            folded.append(whole.flatten(0, 1))
        result = self(*folded)
        outputs = result if isinstance(result, tuple) else (result,)
        unfolded = tuple(
            out.unflatten(0, (info.batch_size, -1)) if out.numel() else out for out in outputs
        )
        dims = tuple(0 if out.numel() else None for out in outputs)
        return (unfolded, dims) if isinstance(result, tuple) else (unfolded[0], dims[0])


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor) in (Tensor, torch.nn.Parameter)


def _keep_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _refuse(ctx: Any, *grads: Any) -> Any:
    raise NotImplementedError("third derivatives: backend='torch' has them, the others do not")
