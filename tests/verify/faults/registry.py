"""The list of faults, and the tools to make them."""

from dataclasses import dataclass, field

import torch

from tacref.losses import soft_dtw
from tests.verify.plain import squared_distances


@dataclass(frozen=True)
class Fault:
    """A wrong loss."""

    fn: object
    kind: str
    loss: str
    rows: tuple
    options: dict = field(default_factory=dict)

    @property
    def name(self):
        return f"{self.fn.__module__}:{self.fn.__qualname__}"


FAULTS = []


def fault(kind, loss, *rows, **options):
    """Register a wrong loss; its first failing row must be one of `rows`."""

    def register(fn):
        FAULTS.append(Fault(fn, kind, loss, rows, options))
        return fn

    return register


def of_embeddings(x, y, gamma):
    """Return a right soft-DTW of embeddings."""
    return soft_dtw(squared_distances(x, y), gamma)


class _Tap(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, change):
        ctx.change = change
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return ctx.change(grad), None


def tap(x, change):
    """Return `x` unchanged, whose gradient is changed on its way back."""
    return _Tap.apply(x, change)
