"""Bands of any shape on all backends, and steps on "torch", against the reference."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.autograd import gradcheck, gradgradcheck

from tacref import losses, reference
from tacref.bands import band_columns
from tacref.losses.bands import Band, forbid_outside

BANDS = [("diagonal", 1), ("diagonal", 3), ("offset", 5), ("itakura", 2.0), ("itakura", 3.3)]
STEPS = ["slope", "asymmetric", [(1, 1, 2.0), (1, 0, 1.0), (0, 1, 1.0)], [(1, 1, 1), (1, 2, 0.5)]]
LENGTHS = {"lengths_x": [7, 6, 4], "lengths_y": [9, 6, 7]}


def batch(dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    return torch.rand(3, 7, 9, dtype=dtype, generator=generator)


def items(D):
    for b, (n, m) in enumerate(zip(*LENGTHS.values(), strict=True)):
        yield b, D[b, :n, :m].numpy()


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (5, 1), (6, 6), (7, 12), (12, 7), (40, 31)])
@pytest.mark.parametrize("shape", ["diagonal", "offset", "itakura"])
def test_masks_are_those_of_the_reference(n, m, shape):
    for width in (12 if shape == "offset" else 2, 13, 50):
        first, stop = band_columns(n, m, width, shape)
        inside = (np.arange(m) >= first[:, None]) & (np.arange(m) < stop[:, None])
        # Padded: the band ends with the item.
        D, sizes = torch.zeros(1, n + 2, m + 3), (torch.tensor([n]), torch.tensor([m]))
        made = forbid_outside(D, Band(width, shape, False), *sizes)[0, :n, :m]
        np.testing.assert_array_equal(made.numpy() == 0, inside)


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize(("shape", "width"), BANDS)
def test_bands(shape, width, backend):
    D = batch().requires_grad_()
    options = {"band": width, "band_shape": shape}
    values = losses.soft_dtw(D, 0.2, **LENGTHS, **options, backend=backend)
    (E,) = torch.autograd.grad(values.sum(), D)
    again = losses.expected_alignment(D, 0.2, **LENGTHS, **options, backend=backend)
    assert_allclose(again.detach(), E, atol=1e-14)
    for b, item in items(D.detach()):
        value, expected = reference.soft_dtw_value_and_grad(item, gamma=0.2, **options)
        n, m = item.shape
        assert_allclose(values[b].item(), value, rtol=1e-13)
        assert_allclose(E[b, :n, :m], expected, atol=1e-13)
        assert not E[b, n:].any()
        assert not E[b, :, m:].any()


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize(("shape", "width"), BANDS)
def test_losses_of_embeddings(shape, width, backend):
    rng = np.random.default_rng(4)
    x, y = (torch.from_numpy(rng.normal(size=(3, n, 4))).requires_grad_() for n in (7, 9))
    options = {"band": width, "band_shape": shape}
    loss = losses.SoftDTWLoss(gamma=0.5, reduction="none", backend=backend, **options)
    values = loss(x, y, **LENGTHS)
    expected = [
        reference.soft_dtw(
            reference.cost_matrix(x[b, :n].detach().numpy(), y[b, :m].detach().numpy()),
            gamma=0.5,
            **options,
        )
        for b, (n, m) in enumerate(zip(*LENGTHS.values(), strict=True))
    ]
    assert_allclose(values.detach(), expected, rtol=1e-12)
    assert gradcheck(lambda x, y: loss(x, y, **LENGTHS), (x, y))
    terms = losses.LAVLoss(gamma=0.5, reduction="none", backend=backend, **options)
    torch.testing.assert_close(terms(x, y, **LENGTHS).alignment, values, rtol=1e-13, atol=0)
    divergence = losses.SoftDTWDivergenceLoss(
        gamma=0.5, reduction="none", backend=backend, **options
    )
    expected = [
        reference.soft_dtw_divergence(
            x[b, :n].detach().numpy(), y[b, :m].detach().numpy(), gamma=0.5, **options
        )
        for b, (n, m) in enumerate(zip(*LENGTHS.values(), strict=True))
    ]
    assert_allclose(divergence(x, y, **LENGTHS).detach(), expected, rtol=1e-11)


@pytest.mark.parametrize("options", [{}, {"band": 3}, {"band": 2.5, "band_shape": "itakura"}])
@pytest.mark.parametrize("steps", STEPS[:3])
def test_steps(steps, options):
    D = batch().requires_grad_()
    values = losses.soft_dtw(D, 0.2, **LENGTHS, steps=steps, **options)
    (E,) = torch.autograd.grad(values.sum(), D, create_graph=True)
    Z = torch.rand_like(D)
    (product,) = torch.autograd.grad((E * Z).sum(), D)
    again = losses.expected_alignment(D, 0.2, **LENGTHS, steps=steps, **options)
    assert_allclose(again.detach(), E.detach(), atol=1e-14)
    for b, item in items(D.detach()):
        n, m = item.shape
        direction = Z[b, :n, :m].numpy()
        kept = {"gamma": 0.2, "steps": steps, **options}
        value, expected = reference.soft_dtw_value_and_grad(item, **kept)
        assert_allclose(values[b].item(), value, rtol=1e-13)
        assert_allclose(E[b, :n, :m].detach(), expected, atol=1e-13)
        hvp = reference.soft_dtw_hvp(item, direction, **kept)
        assert_allclose(product[b, :n, :m], hvp, atol=1e-12)
        assert not E[b, n:].any()
        assert not E[b, :, m:].any()


@pytest.mark.parametrize("steps", STEPS)
def test_derivatives_of_steps(steps):
    D = batch()[:2, :5, :6].clone().requires_grad_()
    lengths = {"lengths_x": [4, 5], "lengths_y": [6, 6]}
    lengths = {"lengths_x": [5, 5], "lengths_y": [6, 6]} if len(steps) == 2 else lengths

    def loss(D):
        return losses.soft_dtw(D, 0.3, steps=steps, **lengths)

    assert gradcheck(loss, D)
    assert gradgradcheck(loss, D)


def test_embeddings_by_steps_and_their_gradients():
    rng = np.random.default_rng(6)
    x, y = (torch.from_numpy(rng.normal(size=(2, n, 3))).requires_grad_() for n in (5, 6))
    loss = losses.SoftDTWLoss(gamma=0.5, reduction="sum", steps="slope")
    D = losses.cost_matrix(x, y)
    expected = losses.soft_dtw(D, 0.5, steps="slope").sum()
    torch.testing.assert_close(loss(x, y), expected)
    assert gradcheck(loss, (x, y))
    assert loss(x.float(), y.float()).dtype == torch.float32


def test_where_no_path_is_free_there_is_no_gradient():
    D = torch.rand(2, 4, 4, requires_grad=True)
    forbidden = D.clone()
    forbidden[0, 1] = forbidden[0, 2] = torch.inf  # two rows, which no step of "slope" skips
    values = losses.soft_dtw(forbidden, 0.1, steps="slope")
    assert values[0] == torch.inf
    assert torch.isfinite(values[1])
    values[1].backward()
    assert torch.isfinite(D.grad).all()


def test_nan_beyond_the_lengths_has_no_influence():
    D = batch()
    whole = losses.soft_dtw(D, 0.2, **LENGTHS, steps="slope")
    for b, (n, m) in enumerate(zip(*LENGTHS.values(), strict=True)):
        D[b, n:] = D[b, :, m:] = torch.nan
    D.requires_grad_()
    values = losses.soft_dtw(D, 0.2, **LENGTHS, steps="slope")
    torch.testing.assert_close(values, whole, rtol=0, atol=0)
    values.sum().backward()
    assert torch.isfinite(D.grad).all()


@pytest.mark.parametrize(
    "options", [{"steps": "slope"}, {"band": 2}, {"band": 2.0, "band_shape": "itakura"}]
)
def test_compiled(options):
    rng = np.random.default_rng(7)
    x, y = (torch.from_numpy(rng.normal(size=(3, n, 4))) for n in (6, 8))
    lengths = {"lengths_x": torch.tensor([5, 6, 4]), "lengths_y": torch.tensor([8, 7, 6])}
    loss = losses.SoftDTWLoss(gamma=0.5, **options)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, y, **lengths), loss(x, y, **lengths))


def test_under_vmap():
    D = batch()
    options = {"steps": "slope", "band": 4}
    one = torch.func.vmap(lambda D: losses.soft_dtw(D[None], 0.2, **options)[0])(D)
    torch.testing.assert_close(one, losses.soft_dtw(D, 0.2, **options))
