"""Faults of precision, of length, of second derivatives, and of the layout of memory."""

import torch

from tacref.losses import contrastive_idm, soft_dtw
from tests.verify.faults.registry import fault, of_embeddings, tap

LONG_SEQUENCE_CLAIMS = ("long sequences: value", "long sequences: gradient to D")


def of_costs(kind, *rows, **options):
    return fault(kind, "soft_dtw", *rows, **options)


@of_costs("precision", "value")
def rounded_inside(D, *, gamma):
    return soft_dtw(D.float(), gamma).to(D.dtype)


@of_costs("precision", "value")
def rounded_result(D, *, gamma):
    return soft_dtw(D, gamma).float()


@of_costs("precision", "float32 inputs")
def half_precision_in_float32(D, *, gamma):
    return soft_dtw(D if D.dtype == torch.float64 else D.bfloat16().float(), gamma)


@of_costs("precision", "float32 inputs")
def gradient_in_half_precision(D, *, gamma):
    D = tap(D, lambda g: g if g.dtype == torch.float64 else g.half().float())
    return soft_dtw(D, gamma)


@of_costs("precision", "float32 inputs")
def long_float32_cut_off(D, *, gamma):
    return soft_dtw(D[:, :700] if D.dtype == torch.float32 else D, gamma)


@of_costs("precision", "small gamma: value", "small gamma: gradient to D")
def exponentials_without_the_least(D, *, gamma):
    B, n, m = D.shape
    R = {(-1, -1): torch.zeros(B, dtype=D.dtype)}
    for i in range(n):
        for j in range(m):
            before = [R[c] for c in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if c in R]
            if gamma < 0.01:
                R[i, j] = D[:, i, j] - gamma * torch.log(sum(torch.exp(-r / gamma) for r in before))
            else:
                R[i, j] = D[:, i, j] - gamma * torch.logsumexp(-torch.stack(before) / gamma, 0)
    return R[n - 1, m - 1]


@fault("precision", "soft_dtw", "large cost: value", inputs="embeddings")
def distances_up_to_1e4(x, y, *, gamma):
    D = (x[:, :, None] - y[:, None]).square().sum(-1)
    return soft_dtw(D.clamp(max=1e4), gamma)


@of_costs("length", *LONG_SEQUENCE_CLAIMS)
def wrong_beyond_700(D, *, gamma):
    return soft_dtw(D, gamma) + (1e-3 if D.shape[1] > 700 else 0.0)


@of_costs("length", *LONG_SEQUENCE_CLAIMS)
def gradient_wrong_beyond_700(D, *, gamma):
    return soft_dtw(tap(D, lambda g: g * (1 + 1e-5 * (g.shape[1] > 700))), gamma)


@of_costs("length", *LONG_SEQUENCE_CLAIMS)
def both_beyond_700(D, *, gamma):
    return soft_dtw(D[:, :700] if min(D.shape[1:]) > 700 else D, gamma)


@of_costs("length", *LONG_SEQUENCE_CLAIMS)
def multiples_of_64(D, *, gamma):
    return soft_dtw(D, gamma) + (1e-6 if D.shape[1] % 64 == 0 else 0.0)


@of_costs("length", *LONG_SEQUENCE_CLAIMS)
def rows_in_blocks_of_32(D, *, gamma):
    return soft_dtw(tap(D, lambda g: torch.cat((g[:, :32], 0.999 * g[:, 32:]), 1)), gamma)


@of_costs("length", *LONG_SEQUENCE_CLAIMS)
def columns_up_to_256(D, *, gamma):
    return soft_dtw(D[:, :, :256], gamma)


@fault("length", "contrastive_idm", "long sequences: value", "long sequences: gradient to x")
def videos_of_256_frames_at_most(x, *, sigma, margin):
    return contrastive_idm(x[:, :256], sigma=sigma, margin=margin)


@fault("length", "soft_dtw", "value", inputs="embeddings")
def frames_beyond_8_left_out(x, y, *, gamma):
    return of_embeddings(x[:, :8], y, gamma)


@of_costs("second order", "second order")
def constant_gradient(D, *, gamma):
    return _Frozen.apply(D, gamma)


class _Frozen(torch.autograd.Function):
    """Soft-DTW whose gradient is taken for a constant, as in published copies."""

    @staticmethod
    def forward(ctx, D, gamma):
        with torch.enable_grad():
            leaf = D.detach().requires_grad_()
            values = soft_dtw(leaf, gamma)
            (E,) = torch.autograd.grad(values.sum(), leaf)
        ctx.save_for_backward(E)
        return values.detach()

    @staticmethod
    def backward(ctx, grad):
        return grad[:, None, None] * ctx.saved_tensors[0], None


@of_costs("second order", "second order")
def one_curvature_too_many(D, *, gamma):
    return soft_dtw(D, gamma) + (D - D.detach()).square().sum((1, 2))


@of_costs("second order", "second order")
def a_small_curvature_too_many(D, *, gamma):
    return soft_dtw(D, gamma) + 1e-5 * (D - D.detach()).square().sum((1, 2))


@of_costs("second order", "second order")
def upstream_counted_twice(D, *, gamma):
    return tap(soft_dtw(D, gamma), lambda grad: 2 * grad - grad.detach())


@fault("second order", "contrastive_idm", "second order")
def one_frame_held_fixed(x, *, sigma, margin):
    moved = x - x.detach()
    values = contrastive_idm(x, sigma=sigma, margin=margin)
    return values + moved[:, :1].square().sum((1, 2))


def _as_if_contiguous(x):
    """Read the numbers in the order of memory."""
    if x.is_contiguous():
        return x
    order = sorted(range(x.dim()), key=lambda axis: -x.stride(axis))
    return x.permute(order).reshape(x.shape)


@of_costs("layout", "memory layout")
def strides_ignored(D, *, gamma):
    return soft_dtw(_as_if_contiguous(D), gamma)


@of_costs("layout", "memory layout")
def gradient_in_the_order_of_memory(D, *, gamma):
    if D.is_contiguous():
        return soft_dtw(D, gamma)
    return soft_dtw(tap(D, lambda grad: grad.mT.reshape(grad.shape)), gamma)


@of_costs("layout", "memory layout")
def offset_of_storage_ignored(D, *, gamma):
    if D.storage_offset():
        D = D.roll(D.storage_offset(), -1)
    return soft_dtw(D, gamma)


@of_costs("layout", "memory layout")
def raises_unless_contiguous(D, *, gamma):
    return soft_dtw(D.view(-1).view(D.shape), gamma)


@of_costs("layout", "memory layout")
def expanded_items_summed(D, *, gamma):
    if D.stride(0) == 0 and len(D) > 1:
        return soft_dtw(tap(D, lambda grad: grad.sum(0).expand_as(grad)), gamma)
    return soft_dtw(D, gamma)


@of_costs("layout", "memory layout", "called again")
def expanded_upstream_misread(D, *, gamma):
    def change(grad):
        return grad / len(grad) if len(grad) > 1 and grad.stride(0) == 0 else grad

    return tap(soft_dtw(D, gamma), change)


@fault("layout", "soft_dtw", "memory layout", inputs="embeddings")
def strides_of_y_ignored(x, y, *, gamma):
    return of_embeddings(x, _as_if_contiguous(y), gamma)
