"""The torch losses against 50 digits, over the whole range of gamma and costs."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from tacref.losses import SoftDTWLoss, contrastive_idm, expected_alignment, lav_loss, soft_dtw
from tests import oracles

BACKENDS = ("cpu", "torch")


def graded(D, gamma, backend, dtype=torch.float64):
    leaf = torch.tensor(D[None], dtype=dtype, requires_grad=True)
    value = soft_dtw(leaf, gamma, backend=backend)
    (E,) = torch.autograd.grad(value.sum(), leaf)
    return value.item(), E[0].double().numpy()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("gamma", [1e-6, 1e-3, 0.1, 10.0, 1e6])
@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e3, 1e12])
def test_float64(backend, gamma, scale):
    rng = np.random.default_rng(0)
    for n, m in ((1, 1), (5, 4), (13, 20)):
        D = scale * rng.uniform(0, 1, (n, m))
        right, E, _ = oracles.exact_soft_dtw(D, gamma)
        value, found = graded(D, gamma, backend)
        assert_allclose(value, right, rtol=1e-12, atol=1e-12 * gamma)
        # A few roundings a cell, however large R / gamma is.
        assert_allclose(found, E, rtol=0, atol=4e-15 * (n + m))
        assert np.isfinite(found).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_float32_inputs(backend):
    rng = np.random.default_rng(1)
    for n, m in ((1, 1), (5, 4), (40, 37)):
        D = rng.uniform(0, 1, (n, m)).astype(np.float32)
        right, E, _ = oracles.exact_soft_dtw(D, 0.1)
        value, found = graded(D, 0.1, backend, torch.float32)
        assert value == pytest.approx(right, rel=1e-6)
        assert_allclose(found, E, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("D", "gamma"),
    [
        ([[1e300]], 1e-8),
        ([[-1e300]], 1e-8),
        ([[1e299, 1e299]], 1e-8),
        ([[1.5e308]], 1.0),
        ([[1.0]], 1e-309),
        ([[0.0, 0.0], [0.0, 0.0]], 1e-310),
        ([[0.0]], 5e-324),
        ([[1.0, 2.0]], 1e307),
        ([[3.0, 1.0, 2.0]], 1e16),
        ([[1.0, 1.0], [1.0, 1.0]], 1e307),
        # Every path pays the first cost, next to which the others are less than a rounding.
        ([[1e17, 1.0, 2.0], [1.0, 1.5, 2.5], [0.5, 1.0, 0.0]], 1.0),
        ([[1e9, 1e9 + 1e-7], [1e9 + 2e-7, 1e9]], 1e-7),
    ],
)
def test_any_finite_costs_and_gamma(backend, D, gamma):
    D = np.array(D)
    right, E, _ = oracles.exact_soft_dtw(D, gamma)
    if backend == "torch" and gamma < 1e-300:
        with pytest.raises(ValueError, match=r"gamma must be at least 1e-300 for backend 'torch'"):
            graded(D, gamma, backend)
        return
    value, found = graded(D, gamma, backend)
    assert_allclose(value, float(right), rtol=1e-14, atol=0)
    # Costs of 5e-324 to 1e-310 have few digits.
    assert_allclose(found, E, rtol=0, atol=1e-14 if gamma > 1e-300 else 1e-12)
    leaf = torch.tensor(D[None])
    alignment = expected_alignment(leaf, gamma, backend=backend)[0]
    assert_allclose(alignment, E, rtol=0, atol=1e-14 if gamma > 1e-300 else 1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_embeddings_beyond_the_range_of_the_kernels(backend):
    x = torch.tensor([[[1e10], [1.0], [0.0]]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[[0.0], [1.5]]], dtype=torch.float64, requires_grad=True)
    value = SoftDTWLoss(gamma=0.1, backend=backend)(x, y)
    D = (x.detach()[0] - y.detach()[0, :, 0]).square().numpy()
    right, E, _ = oracles.exact_soft_dtw(D, 0.1)
    gradients = torch.autograd.grad(value, (x, y))
    differences = 2 * E * (x.detach()[0] - y.detach()[0, :, 0]).numpy()
    assert_allclose(value.item(), float(right), rtol=1e-14)
    # Products instead of differences have the roundings of the largest embedding.
    exactly = {"rtol": 1e-12, "atol": 0.0 if backend == "cpu" else 1e-5}
    assert_allclose(gradients[0][0, :, 0], differences.sum(1).astype(float), **exactly)
    assert_allclose(gradients[1][0, :, 0], -differences.sum(0).astype(float), **exactly)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "D",
    [
        [[np.inf]],
        [[1.0, np.inf], [np.inf, np.inf]],
        [[np.inf, 1.0], [1.0, 1.0]],
        [[1.0, 1.0], [1.0, np.inf]],
        [[1.0, np.inf, 1.0], [1.0, np.inf, 1.0]],
        [[1e308, 1e308]],  # a sum beyond float64
    ],
)
def test_no_path_has_no_gradient(backend, D):
    # Next to an item that has paths; and second derivatives, too.
    other = np.random.default_rng(0).uniform(0, 1, np.shape(D))
    leaf = torch.tensor(np.stack([D, other]), requires_grad=True)
    values = soft_dtw(leaf, 0.1, backend=backend)
    (E,) = torch.autograd.grad(values.sum(), leaf, create_graph=True)
    assert values[0].item() == np.inf
    assert (E[0] == 0).all()
    assert_allclose(E[1].detach(), oracles.exact_soft_dtw(other, 0.1)[1], rtol=0, atol=1e-14)
    assert torch.equal(expected_alignment(leaf.detach(), 0.1, backend=backend)[0], E[0].detach())
    if E.requires_grad:
        (second,) = torch.autograd.grad(E, leaf, torch.ones_like(E))
        assert (second[0] == 0).all()
        assert second[1].isfinite().all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_one_bad_frame_makes_its_item_nan(backend, bad, frames):
    x = torch.zeros(2, frames, 3, dtype=torch.float64)
    x[0, frames // 2, 1] = bad
    for variant in ("paper", "official", "printed", "laser"):
        values = contrastive_idm(x, sigma=1, variant=variant, backend=backend)
        assert values.isnan().tolist() == [True, False]
    terms = lav_loss(x, torch.zeros(2, 2, 3, dtype=torch.float64), backend=backend)
    assert terms.regularizer.isnan().tolist() == [True, False]
    assert terms.alignment.isfinite().tolist() == [False, True]
