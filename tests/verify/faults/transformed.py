"""Faults that only transformations show: forward mode, torch.func, vmap, torch.compile."""

import torch

from tacref.losses import soft_dtw
from tests.verify.faults.registry import fault


class _WithRules(torch.autograd.Function):
    """Soft-DTW with a right backward pass, and rules that are wrong."""

    generate_vmap_rule = False

    @staticmethod
    def forward(D, gamma):
        return soft_dtw(D, gamma)

    @staticmethod
    def setup_context(ctx, inputs, output):
        D, ctx.gamma = inputs
        ctx.save_for_backward(D)
        ctx.save_for_forward(D)

    @staticmethod
    def backward(ctx, grad):
        (D,) = ctx.saved_tensors
        with torch.enable_grad():
            E = torch.func.grad(lambda D: soft_dtw(D, ctx.gamma).sum())(D)
        return grad[:, None, None] * E, None

    @staticmethod
    def jvp(ctx, along, _):
        (D,) = ctx.saved_tensors
        return torch.zeros(len(D), dtype=D.dtype)

    @staticmethod
    def vmap(info, in_dims, D, gamma):
        return soft_dtw(D[0], gamma).expand(info.batch_size, -1), 0


@fault("transformations", "soft_dtw", "forward mode")
def forward_mode_of_zero(D, *, gamma):
    return _WithRules.apply(D, gamma)


@fault("transformations", "soft_dtw", "torch.func")
def constant_under_torch_func(D, *, gamma):
    if torch._C._functorch.is_gradtrackingtensor(D):
        return soft_dtw(D.detach(), gamma) + 0.0 * D.sum((1, 2))
    return soft_dtw(D, gamma)


class _FirstOfAll(_WithRules):
    @staticmethod
    def jvp(ctx, along, _):
        (D,) = ctx.saved_tensors
        return torch.func.jvp(lambda D: soft_dtw(D, ctx.gamma), (D,), (along,))[1]


@fault("transformations", "soft_dtw", "vmap")
def first_of_all_under_vmap(D, *, gamma):
    return _FirstOfAll.apply(D, gamma)


@fault("transformations", "soft_dtw", "torch.compile")
def another_gamma_when_compiled(D, *, gamma):
    return soft_dtw(D, 2 * gamma if torch.compiler.is_compiling() else gamma)


@fault("transformations", "soft_dtw", "torch.compile")
def no_gradient_when_compiled(D, *, gamma):
    if torch.compiler.is_compiling():
        return soft_dtw(D.detach(), gamma) + 0.0 * D.sum((1, 2))
    return soft_dtw(D, gamma)
