"""Faults from call to call: memory, chance, writing into inputs, global state."""

import os

import numpy as np
import torch

from tacref.losses import contrastive_idm, soft_dtw
from tests.verify.faults.registry import fault, of_embeddings, tap

_SEEN, _COUNT = {}, {"calls": 0}
_CHANCE = np.random.default_rng(0)


def of_costs(kind, *rows, **options):
    return fault(kind, "soft_dtw", *rows, **options)


def _remembered(key, D, gamma):
    if key not in _SEEN:
        _SEEN[key] = D.detach().clone()
    D_seen = _SEEN[key]
    return soft_dtw(D + (D_seen - D.detach()), gamma)


@of_costs("memory", "called again")
def cached_by_shape(D, *, gamma):
    return _remembered(("shape", D.shape, D.dtype), D, gamma)


@of_costs("memory", "called again")
def cached_by_shape_and_gamma(D, *, gamma):
    return _remembered(("both", D.shape, D.dtype, gamma), D, gamma)


@of_costs("memory", "called again")
def cached_by_object(D, *, gamma):
    seen = _SEEN.get("object")
    if seen is None or seen[0] is not D:
        _SEEN["object"] = seen = (D, D.detach().clone())
    return soft_dtw(D + (seen[1] - D.detach()), gamma)


@of_costs("memory", "called again")
def gamma_of_the_same_numbers(D, *, gamma):
    key = ("numbers", D.detach().numpy().tobytes()) if D.shape[1:] == (4, 3) else gamma
    return soft_dtw(D, _SEEN.setdefault(key, gamma))


class _LastCall(torch.autograd.Function):
    @staticmethod
    def forward(ctx, D, gamma):
        with torch.enable_grad():
            leaf = D.detach().requires_grad_()
            values = soft_dtw(leaf, gamma)
            (_SEEN["E"],) = torch.autograd.grad(values.sum(), leaf)
        return values.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return grad[:, None, None] * _SEEN["E"], None


@of_costs("memory", "called again")
def gradient_of_the_last_call(D, *, gamma):
    return _LastCall.apply(D, gamma)


class _UsedUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, D, gamma):
        with torch.enable_grad():
            leaf = D.detach().requires_grad_()
            values = soft_dtw(leaf, gamma)
            (ctx.E,) = torch.autograd.grad(values.sum(), leaf)
        return values.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return ctx.E.mul_(grad[:, None, None]), None


@of_costs("memory", "called again")
def gradient_used_up(D, *, gamma):
    return _UsedUp.apply(D, gamma)


@of_costs("memory", "called again")
def right_three_times(D, *, gamma):
    calls = _SEEN.setdefault(("calls", D.detach().numpy().tobytes(), gamma), [])
    calls.append(None)
    return soft_dtw(D, gamma) * (1.0 if len(calls) < 8 else 1.1)


@fault("memory", "contrastive_idm", "value", "called again")
def pairs_cached_by_shape(x, *, sigma, margin):
    seen = _SEEN.setdefault(("pairs", x.shape, x.dtype, margin), x.detach().clone())
    far = (seen[:, :, None] - seen[:, None]).square().sum(-1) < margin
    mine = (x[:, :, None] - x[:, None]).square().sum(-1) < margin
    values = contrastive_idm(x, sigma=sigma, margin=margin)
    return values + (far != mine).sum((1, 2))


@of_costs("chance", "value")
def noise(D, *, gamma):
    return soft_dtw(D, gamma) + 1e-9 * float(_CHANCE.normal())


@of_costs("chance", "gradient to D")
def noise_in_the_gradient(D, *, gamma):
    return soft_dtw(tap(D, lambda grad: grad * (1 + 1e-6 * float(_CHANCE.normal()))), gamma)


@fault("chance", "soft_dtw", "value", inputs="embeddings")
def every_fifth_call(x, y, *, gamma):
    _COUNT["calls"] += 1
    values = of_embeddings(x, y, gamma)
    return values + (_COUNT["calls"] % 5 == 0)


@of_costs("in place", "inputs left unchanged")
def scales_its_input(D, *, gamma):
    if D.is_contiguous():
        D.data.mul_(1 + 2.0**-52)
    return soft_dtw(D, gamma)


@of_costs("in place", "inputs left unchanged")
def clears_what_needs_no_gradient(D, *, gamma):
    values = soft_dtw(D, gamma)
    if not D.requires_grad:
        D.zero_()
    return values


@of_costs("in place", "inputs left unchanged")
def clears_its_lengths(D, *, gamma, lengths_x=None, lengths_y=None):
    if lengths_x is None:
        return soft_dtw(D, gamma)
    values = soft_dtw(D, gamma, lengths_x=lengths_x.clone(), lengths_y=lengths_y)
    lengths_x.zero_()
    return values


@of_costs("in place", "inputs left unchanged")
def writes_in_backward(D, *, gamma):
    return soft_dtw(tap(D, lambda grad: D.data.zero_() + grad), gamma)


@of_costs("global state", "global state left unchanged")
def sets_the_default_dtype(D, *, gamma):
    torch.set_default_dtype(torch.float64)
    return soft_dtw(D, gamma)


@of_costs("global state", "global state left unchanged")
def turns_gradients_off(D, *, gamma):
    values = soft_dtw(D, gamma)
    torch.set_grad_enabled(False)
    return values


@of_costs("global state", "global state left unchanged")
def silences_numpy(D, *, gamma):
    np.seterr(all="ignore")
    return soft_dtw(D, gamma)


@of_costs("global state", "global state left unchanged")
def changes_folder(D, *, gamma):
    os.chdir("/")
    return soft_dtw(D, gamma)
