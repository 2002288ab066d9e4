"""Another form of equation 7 is one entry of a table, for the reference and all backends."""

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from tacref import losses, reference
from tacref.variants import VARIANTS, Regularization, Variant

N, SIGMA, MARGIN, LENGTH = 9, 4, 0.9, 40
RNG = np.random.default_rng(0)
x, y = RNG.random((2, N, 3))
TIMES = np.sort(RNG.choice(LENGTH, (2, N), replace=False), axis=1)
PARTS = [name for name in Variant._fields if name != "defaults"]
FORMS = [
    dict(zip(PARTS, flags, strict=True))
    for flags in itertools.product([False, True], repeat=len(PARTS))
]


def written_out(x, times, variant):
    """Equation 7 in one line of NumPy for each part."""
    gaps = np.abs(np.subtract.outer(times, times) if variant.in_source_frames else
                  np.subtract.outer(np.arange(N), np.arange(N)))  # fmt: skip
    rising = (gaps / (LENGTH if variant.in_source_frames else 1)) ** 2 + 1
    D = np.square(x[:, None] - x[None]).sum(-1)
    D = np.sqrt(D) if variant.of_roots else D
    far = (rising if variant.far_weight_rises else 1 / rising) * np.maximum(0, MARGIN - D)
    near = (1 / rising if variant.near_weight_falls else 1) * D
    terms = np.where(gaps > SIGMA, far, near)
    return terms.mean() if variant.mean_over_pairs else terms.sum()


@pytest.mark.parametrize("parts", FORMS[::3])
def test_a_form_is_one_entry(monkeypatch, parts):
    form = Variant(Regularization(alpha=0.3, sigma=SIGMA, margin=MARGIN), **parts)
    monkeypatch.setitem(VARIANTS, "new", form)
    source = {"times": TIMES[0], "video_length": LENGTH}
    value, grad_x = reference.contrastive_idm_value_and_grad(x, variant="new", **source)
    assert value == pytest.approx(written_out(x, TIMES[0], form), rel=1e-13)
    lav = reference.lav_loss_value_and_grad(
        x, y, variant="new", times_x=TIMES[0], times_y=TIMES[1], video_length_x=LENGTH,
        video_length_y=LENGTH,
    )  # fmt: skip
    for backend in ("cpu", "torch"):
        leaf, other = (torch.tensor(z[None], requires_grad=True) for z in (x, y))
        options = {"variant": "new", "backend": backend}
        found = losses.contrastive_idm(
            leaf, times=torch.tensor(TIMES[:1]), video_lengths=[LENGTH], **options
        )
        (found_grad,) = torch.autograd.grad(found.sum(), leaf)
        assert found.item() == pytest.approx(value, rel=1e-13)
        assert_allclose(found_grad[0], grad_x, rtol=1e-11, atol=1e-12 * np.abs(grad_x).max())
        terms = losses.lav_loss(
            leaf, other, times_x=torch.tensor(TIMES[:1]), times_y=torch.tensor(TIMES[1:]),
            video_lengths_x=[LENGTH], video_lengths_y=[LENGTH], **options,
        )  # fmt: skip
        gradients = torch.autograd.grad(terms.loss.sum(), (leaf, other))
        assert terms.loss.item() == pytest.approx(lav[0], rel=1e-13)
        for found_grad, right in zip(gradients, lav[1:], strict=True):
            assert_allclose(found_grad[0], right, rtol=1e-11, atol=1e-12 * np.abs(right).max())
