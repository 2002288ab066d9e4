"""The torch losses against 50 digits, over the whole range of gamma and costs."""

import numpy as np
import oracles
import pytest
import torch
from numpy.testing import assert_allclose

from tacref.losses import soft_dtw

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
        # Rounding R, which may be (n + m) times larger than a cost, gives a softmin weight a
        # relative error of eps R / gamma; where that is not small, the paths are told apart.
        condition = 1 + (n + m) * (scale + gamma) / gamma
        assert_allclose(value, right, rtol=1e-12, atol=1e-12 * gamma)
        assert_allclose(found, E, rtol=0, atol=min(2.0, 1e-14 * condition * (n + m)))
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
