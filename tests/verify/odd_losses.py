"""Functions that behave badly, for the command to survive."""

import os
import sys
import warnings

import numpy as np
import torch

from tacref.losses import soft_dtw
from tacref.reference import soft_dtw_value_and_grad


class Interruption(BaseException):
    """No Exception, and with a message of several lines."""

    def __str__(self):
        return "two\nlines"


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no message")


def right(D, *, gamma, lengths_x=None, lengths_y=None):
    return soft_dtw(D, gamma, lengths_x=lengths_x, lengths_y=lengths_y)


def wrong(D, *, gamma):
    return 1.01 * soft_dtw(D, gamma)


def exits(D, *, gamma):
    sys.exit(3)


def interrupts(D, *, gamma):
    raise Interruption


def mute(D, *, gamma):
    raise Mute


def stops(D, *, gamma):
    raise StopIteration


def of_arrays(D, *, gamma):
    return soft_dtw_value_and_grad(D, gamma=gamma)


def returns_none(D, *, gamma):
    return None


def returns_its_input(D, *, gamma):
    return D


def whole_numbers(D, *, gamma):
    return soft_dtw(D, gamma).long()


def complex_numbers(D, *, gamma):
    return soft_dtw(D, gamma).to(torch.complex128)


def half_precision(D, *, gamma):
    return soft_dtw(D, gamma).half()


def on_meta(D, *, gamma):
    return torch.empty(len(D), device="meta")


def exits_in_backward(D, *, gamma):
    values = soft_dtw(D, gamma)
    values.register_hook(lambda grad: sys.exit(1))
    return values


class _NeedsGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, D, gamma):
        ctx.E = torch.ones_like(D)
        return D.sum((1, 2))

    @staticmethod
    def backward(ctx, grad):
        return ctx.E.requires_grad_(), None


def gradient_that_requires_grad(D, *, gamma):
    return _NeedsGradient.apply(D, gamma)


def sets_everything(D, *, gamma):
    torch.set_default_dtype(torch.float16)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    np.seterr(all="ignore")
    os.chdir("/")
    return D.sum((1, 2))


def loud(D, *, gamma):
    print("print")
    os.write(1, b"write")
    warnings.warn("a warning", stacklevel=1)
    return soft_dtw(D, gamma)


def closes_the_output(D, *, gamma):
    sys.stdout.close()
    return soft_dtw(D, gamma)
