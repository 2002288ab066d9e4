"""Costs in torch: exact zeros, digits kept far from the origin, derivatives."""

import numpy as np
import torch
from torch.autograd import gradcheck, gradgradcheck

from tacref import reference
from tacref.losses import cost_matrix, costs


def embeddings(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_values_are_the_reference_s():
    x, y = embeddings(2, 4, 3), embeddings(2, 5, 3, seed=1)
    D = cost_matrix(x, y)
    for b in range(2):
        # Sums of three squares in another order.
        np.testing.assert_allclose(D[b], reference.cost_matrix(x[b], y[b]), rtol=1e-14)
    assert cost_matrix(x.half(), y.half()).dtype == torch.float64


def test_equal_rows_cost_exactly_nothing_and_have_no_gradient():
    x = embeddings(1, 1, 16).expand(1, 6, 16).clone().requires_grad_()
    y = x.detach()[:, :4].clone().requires_grad_()
    D = cost_matrix(x, y)
    assert not D.any()
    (D * embeddings(1, 6, 4)).sum().backward()
    assert not x.grad.any()
    assert not y.grad.any()


def test_digits_are_kept_far_from_the_origin():
    x, y, G = embeddings(1, 4, 3), embeddings(1, 5, 3, seed=1), embeddings(1, 4, 5, seed=2)
    # Representable without rounding after the shift.
    x, y = (torch.round(z * 2**20) / 2**20 for z in (x, y))
    results = []
    for shift in (0.0, 2.0**30):
        leaves = [(z + shift).requires_grad_() for z in (x, y)]
        D = cost_matrix(*leaves)
        results.append((D.detach(), *torch.autograd.grad(D, leaves, G)))
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    x, y = embeddings(2, 7, 3), embeddings(2, 5, 3, seed=1)
    whole = cost_matrix(x, y)
    for block in (1, 2 * 5 * 3 * 3):  # one row at a time, three rows at a time
        monkeypatch.setattr(costs, "MAX_BLOCK_NUMBERS", block)
        torch.testing.assert_close(cost_matrix(x, y), whole, rtol=0, atol=0)


def test_gradcheck():
    x = embeddings(2, 3, 2).requires_grad_()
    y = embeddings(2, 4, 2, seed=1).requires_grad_()
    assert gradcheck(cost_matrix, (x, y))
    assert gradgradcheck(cost_matrix, (x, y))
    assert gradcheck(lambda x: cost_matrix(x, x), x)
