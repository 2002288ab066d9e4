"""Losses as functions of one tensor, and what is right for them; for `transforms`."""

from functools import cached_property

import numpy as np
import torch

import tacref.losses as losses

SHAPE_X, SHAPE_Y = (2, 3, 2), (2, 2, 2)
LENGTHS_X, LENGTHS_Y = [3, 2], [1, 2]
IDM = {"sigma": 1, "margin": 3.0}


def drawn(shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


X, Y, D = drawn(SHAPE_X, 1), drawn(SHAPE_Y, 2), drawn((2, 3, 2), 3).square()


def _lav(term):
    def loss(x, y, lengths, backend):
        terms = losses.lav_loss(
            x, y, gamma=0.3, **IDM, lengths_x=lengths[0], lengths_y=lengths[1], backend=backend
        )
        return getattr(terms, term)

    return loss


def _pairs(function, **options):
    def loss(x, y, lengths, backend):
        chosen = {} if backend is None else {"backend": backend}
        return function(x, y, lengths_x=lengths[0], lengths_y=lengths[1], **options, **chosen)

    return loss


def _costs(function):
    def loss(x, y, lengths, backend):
        return function(x, 0.3, lengths_x=lengths[0], lengths_y=lengths[1], backend=backend)

    return loss


def _idm(variant):
    def loss(x, y, lengths, backend):
        return losses.contrastive_idm(
            x, **IDM, variant=variant, lengths=lengths[0], backend=backend
        )

    return loss


LOSSES = {
    "soft_dtw": _costs(losses.soft_dtw),
    "expected_alignment": _costs(losses.expected_alignment),
    "SoftDTWLoss": _pairs(
        lambda x, y, backend, **lengths: losses.SoftDTWLoss(
            gamma=0.3, reduction="none", backend=backend
        )(x, y, **lengths)
    ),
    "soft_dtw_divergence": _pairs(losses.soft_dtw_divergence, gamma=0.3),
    "contrastive_idm": _idm("paper"),
    'contrastive_idm, "laser"': _idm("laser"),
    "lav_loss: loss": _lav("loss"),
    "lav_loss: alignment": _lav("alignment"),
    "lav_loss: regularizer": _lav("regularizer"),
}
WITHOUT_BACKEND = {
    "tcc_loss": _pairs(losses.tcc_loss),
    "sequence_contrastive_loss": _pairs(losses.sequence_contrastive_loss, temperature=1.0),
    "cost_matrix": lambda x, y, lengths, backend: losses.cost_matrix(x, y),
}


class Cell:
    """A scalar function of one tensor, where it is taken, and its derivatives there."""

    def __init__(self, name, backend):
        loss = {**LOSSES, **WITHOUT_BACKEND}[name]
        self.a = D if name in ("soft_dtw", "expected_alignment") else X
        size = loss(self.a, Y, (LENGTHS_X, LENGTHS_Y), backend)
        weights = drawn(size.shape, 4)
        self.v, self.w = drawn(self.a.shape, 5), drawn(self.a.shape, 6)

        def scalar(a):
            # A loss of one item has another number of items: lengths are given as lists.
            return (weights.to(a) * loss(a, Y.to(a), (LENGTHS_X, LENGTHS_Y), backend)).sum()

        self.f = scalar
        # Tensor operations alone are torch's own to trace any further.
        self.compiler = "eager" if backend == "torch" else "aot_eager"

    def plain_gradient(self, a):
        leaf = a.clone().requires_grad_()
        return torch.autograd.grad(self.f(leaf), leaf)[0]

    @cached_property
    def first(self):
        """Gradient by differences of values."""
        slopes = []
        for k in range(self.a.numel()):
            step = torch.zeros(self.a.numel(), dtype=torch.float64)
            step[k] = 1e-5
            step = step.view_as(self.a)
            slopes.append((self.f(self.a + step) - self.f(self.a - step)) / 2e-5)
        return torch.stack(slopes).view_as(self.a)

    @cached_property
    def second(self):
        """Hessian times v, by differences of gradients."""
        step = 1e-5
        difference = self.plain_gradient(self.a + step * self.v) - self.plain_gradient(
            self.a - step * self.v
        )
        return difference / (2 * step)
