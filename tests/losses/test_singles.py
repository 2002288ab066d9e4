"""Embeddings of float32 on the CPU: how near the losses come to float64 on the same numbers."""

import numpy as np
import pytest
import torch

import tacref.reference as reference
from tacref.losses import ContrastiveIDMLoss, SoftDTWLoss
from tacref.reference.costs import embedding_gradients
from tacref.variants import VARIANTS


def unit(shape, seed):
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=2)


def value_and_gradients(loss, *embeddings, **options):
    leaves = [rows.clone().requires_grad_() for rows in embeddings]
    value = loss(*leaves, **options).sum()
    return value.item(), *torch.autograd.grad(value, leaves)


def error(found, right):
    """Return the largest error of an entry, over the largest entry."""
    largest = max(float(each.abs().max()) for each in right)
    pairs = zip(found, right, strict=True)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs) / largest


# Costs of unit vectors are at most 4: distances of float32 on the first lines, of float64 on the
# others.
@pytest.mark.parametrize(
    ("n", "m", "d", "gamma"),
    [
        *[(20, 20, 128, 0.1), (128, 100, 64, 0.1), (33, 31, 100, 1.0)],
        *[(20, 20, 128, 0.01), (300, 512, 64, 0.1), (30, 40, 5, 0.1), (150, 1100, 8, 0.5)],
    ],
)
def test_the_gradient_of_soft_dtw_by_the_reference(n, m, d, gamma):
    x, y = unit((2, n, d), 0), unit((2, m, d), 1)
    loss = SoftDTWLoss(gamma=gamma, reduction="none")
    _, *found = value_and_gradients(loss, x, y)
    right = []
    for rows, columns in zip(x.double().numpy(), y.double().numpy(), strict=True):
        D = reference.cost_matrix(rows, columns)
        E = reference.soft_dtw_value_and_grad(D, gamma=gamma)[1]
        right.append(embedding_gradients(rows, columns, E))
    expected = [torch.from_numpy(np.stack(side)) for side in zip(*right, strict=True)]
    assert error(found, expected) <= 1e-6


def test_what_one_item_needs_does_not_concern_another():
    x, y = unit((3, 30, 64), 2), unit((3, 25, 64), 3)
    x[1] *= 100.0  # costs far above gamma
    x[2, 5] = torch.nan
    loss = SoftDTWLoss(reduction="none")
    together = loss(x, y)
    for item in range(2):
        part = slice(item, item + 1)
        assert together[item] == loss(x[part], y[part])[0]
    assert together[2].isnan()


@pytest.mark.parametrize("scale", [1e-25, 1e17])
def test_squares_that_float32_does_not_hold(scale):
    x, y = unit((2, 12, 64), 4) * scale, unit((2, 9, 64), 5) * scale
    for loss, embeddings in (
        (SoftDTWLoss(gamma=0.1 * scale**2, reduction="none"), (x, y)),
        (ContrastiveIDMLoss(sigma=3, margin=2.0, reduction="none"), (x,)),
    ):
        _, *found = value_and_gradients(loss, *embeddings)
        _, *right = value_and_gradients(loss, *(rows.double() for rows in embeddings))
        assert error(found, right) <= 1e-6


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gradient_of_contrastive_idm_is_that_of_float64(variant):
    x = unit((4, 150, 32), 6)
    loss = ContrastiveIDMLoss(sigma=4, margin=1.4, variant=variant, reduction="none")
    value, found = value_and_gradients(loss, x)
    right_value, right = value_and_gradients(loss, x.double())
    assert value == pytest.approx(right_value, rel=1e-6)
    assert error([found], [right]) <= 1e-6


@pytest.mark.parametrize("step", [0, 1])
def test_a_distance_that_float32_cannot_tell_from_the_margin(step):
    # Rounded, the squared distance is 2 on both sides of the margin.
    x = unit((1, 3, 64), 7)
    distance = float(((x[0, 0].double() - x[0, 2].double()) ** 2).sum())
    margin = np.nextafter(distance, distance - 1 + 2 * step)
    loss = ContrastiveIDMLoss(sigma=1, margin=margin, reduction="none")
    _, found = value_and_gradients(loss, x)
    _, right = value_and_gradients(loss, x.double())
    assert error([found], [right]) <= 1e-6
