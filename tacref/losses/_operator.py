"""An operator of torch that costs little to call: registered, and called past the registry."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op, register_autograd, register_fake, register_vmap


class Operator:
    """A function of tensors, known to `torch.compile`, `torch.export` and `vmap` as an operator.

    Where none of these watches, the function is called as it is, or as a `torch.autograd.Function`
    if something is to be differentiated: a call through the registry takes ten times as long.

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
        self._differentiable: Callable[..., Any] | None = None
        if backward is not None:
            register_autograd(name, backward, setup_context=setup)
            members = {"forward": function, "setup_context": setup, "backward": backward}
            self._differentiable = type(
                function.__name__,
                (torch.autograd.Function,),
                {key: staticmethod(value) for key, value in members.items() if value is not None},
            ).apply
        register_vmap(name, self._fold)

    def __call__(self, *args: Any) -> Any:
        """Compute, by the shortest road."""
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        if _watched(tensors):
            return self.registered(*args)
        if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
            return self.function(*args)
        # Without a derivative of its own, the registered one refuses to be differentiated.
        return (self._differentiable or self.registered)(*args)

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


def _watched(tensors: list[Tensor]) -> bool:
    """Whether a compiler, a transform of `torch.func` or a kind of tensor wants to see the call."""
    return (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack() > 0
        or any(type(tensor) not in (Tensor, torch.nn.Parameter) for tensor in tensors)
    )
