"""Objectives by name: each is what its parts say, and reads what it should."""

import pytest
import torch

from tacref.losses import (
    LOSSES,
    contrastive_idm,
    lav_loss,
    make_objective,
    soft_dtw_divergence,
    tcc_loss,
)
from tacref.variants import VARIANTS

TIMES = {
    "times_x": torch.tensor([[0, 9, 30, 31], [2, 3, 5, 8]]),
    "times_y": torch.tensor([[1, 2, 3], [0, 20, 39]]),
    "video_lengths_x": [40, 9],
    "video_lengths_y": [10, 40],
}


def pair(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn((2, n, 3), generator=generator, dtype=dtype) for n in (4, 3))
    return x.requires_grad_(), y.requires_grad_()


def expected_parts(name, x, y, variant):
    default = VARIANTS[variant].defaults
    parts = {}
    loss = torch.zeros((), dtype=torch.float64)
    if name == "divergence":
        loss = soft_dtw_divergence(x, y, gamma=0.2).mean()
        parts["divergence"] = loss
    if "lav" in name:
        terms = lav_loss(x, y, gamma=0.2, variant=variant, **default._asdict(), **TIMES)
        parts["alignment"], parts["regularizer"] = terms.alignment.mean(), terms.regularizer.mean()
        loss = loss + parts["alignment"] + default.alpha * parts["regularizer"]
    if "tcc" in name:
        parts["tcc"] = tcc_loss(x, y, temperature=0.5, **TIMES).mean()
        loss = loss + (0.3 if name == "lav+tcc" else 1.0) * parts["tcc"]
    return loss, parts


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_made_of_its_parts(name, variant):
    x, y = pair()
    objective = make_objective(name, gamma=0.2, variant=variant, tcc_weight=0.3, temperature=0.5)
    terms = objective(x, y, **TIMES)
    loss, parts = expected_parts(name, x, y, variant)
    torch.testing.assert_close(terms.loss, loss, rtol=1e-13, atol=1e-13)
    assert terms.parts.keys() == parts.keys()
    for key, part in terms.parts.items():
        assert not part.requires_grad
        torch.testing.assert_close(part, parts[key].detach(), rtol=1e-13, atol=1e-13)
    gradients = torch.autograd.grad(terms.loss, (x, y))
    for gradient, expected in zip(gradients, torch.autograd.grad(loss, (x, y)), strict=True):
        assert gradient.abs().max() > 0
        torch.testing.assert_close(gradient, expected, rtol=1e-11, atol=1e-11)
    assert not list(objective.parameters())


def test_what_is_given_replaces_the_variant_s_default():
    x, y = pair()
    options = {"alpha": 0.7, "sigma": 1.0, "margin": 3.0}
    terms = make_objective("lav", variant="laser", **options)(x, y)
    expected = lav_loss(x, y, variant="laser", **options).loss.mean()
    torch.testing.assert_close(terms.loss, expected, rtol=1e-13, atol=0)
    regularizer = sum(
        contrastive_idm(rows, variant="laser", sigma=1.0, margin=3.0).mean() for rows in (x, y)
    )
    torch.testing.assert_close(terms.parts["regularizer"], regularizer.detach())


@pytest.mark.parametrize("name", LOSSES)
def test_float32_comes_and_goes(name):
    x, y = pair(torch.float32)
    loss = make_objective(name)(x, y).loss
    assert loss.dtype == torch.float32
    loss.backward()
    assert x.grad.isfinite().all()
    assert x.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "lev"}, r"loss must be one of lav, divergence, tcc, lav\+tcc, got 'lev'"),
        ({"variant": "nature"}, "variant must be one of .*, got 'nature'"),
        ({"name": "tcc", "alpha": -1.0}, "alpha must be finite and >= 0, got -1"),
        ({"margin": 0.0}, "margin must be finite and > 0, got 0"),
        ({"temperature": 0.0}, "temperature must be finite and > 0, got 0"),
        ({"tcc_weight": -0.1}, "tcc_weight must be finite and >= 0, got -0.1"),
        ({"name": "divergence", "gamma": 0.0}, "gamma must be finite and > 0, got 0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        make_objective(**options)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"times_x": TIMES["times_y"]}, r"times_x must have shape \(2, 4\), got \(2, 3\)"),
        ({"times_y": TIMES["times_y"] / 2}, "times_y must be whole numbers, got torch.float32"),
        ({"video_lengths_x": None}, "video_lengths_x must be given with times_x, got None"),
        ({"video_lengths_y": [10, 39]}, "times_y must be .* < video_lengths_y, got 39 at"),
    ],
)
def test_times_are_checked_whether_or_not_they_are_read(name, changed, message):
    with pytest.raises(ValueError, match=message):
        make_objective(name)(*pair(), **TIMES | changed)
