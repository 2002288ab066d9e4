"""Normalization and ReLU as one operation in training are torch's two, which run anywhere else."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tacref.encoder import EncoderConfig, build_encoder, group_norm
from tacref.encoder.group_norm import group_norm_relu, takes_kernel

# (N, C, h, w) and groups: those of the encoder, and odd ones.
SHAPES = [
    ((3, 16, 32, 32), 8),
    ((3, 64, 4, 4), 8),
    ((2, 64, 1, 1), 8),
    ((1, 6, 5, 3), 3),
    ((2, 5, 4, 7), 1),
    ((2, 5, 3, 3), 5),
]
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def drawn(shape, groups, dtype=torch.float64):
    """Return x, a layer with any weights, and a gradient with respect to the result."""
    generator = torch.Generator().manual_seed(0)
    x, grad = (torch.randn(shape, generator=generator, dtype=dtype) for _ in range(2))
    norm = nn.GroupNorm(groups, shape[1], dtype=dtype)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(shape[1], generator=generator))
        norm.bias.copy_(torch.randn(shape[1], generator=generator))
    return 3 + 2 * x, norm, grad


def by_formula(x, norm, grad):
    """Return out and the gradients of x, weight and bias: the formula, differentiated by torch."""
    x = x.detach().clone().requires_grad_()
    weight, bias = (each.detach().clone().requires_grad_() for each in (norm.weight, norm.bias))
    groups = x.reshape(len(x), norm.num_groups, -1)
    mean, square = groups.mean(2, keepdim=True), groups.square().mean(2, keepdim=True)
    xhat = ((groups - mean) / (square - mean**2 + norm.eps).sqrt()).reshape(x.shape)
    out = (xhat * weight[:, None, None] + bias[:, None, None]).clamp(min=0)
    out.backward(grad)
    return out.detach(), x.grad, weight.grad, bias.grad


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_near_the_formula_in_float64(shape, groups, layout):
    x, norm, grad = drawn(shape, groups)
    expected = by_formula(x, norm, grad)
    single = norm.float()
    leaf = x.float().contiguous(memory_format=layout).requires_grad_()
    out = group_norm_relu(leaf, single)
    out.backward(grad.float().contiguous(memory_format=layout))
    assert out.is_contiguous(memory_format=torch.channels_last)
    results = (out.detach(), leaf.grad, single.weight.grad, single.bias.grad)
    for result, exact in zip(results, expected, strict=True):
        assert result.dtype == torch.float32
        assert result.shape == exact.shape
        # Sums of up to 3072 numbers, each rounded to 6e-8 of its size.
        scale = max(1.0, float(exact.abs().max()))
        torch.testing.assert_close(result.double(), exact, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_as_exact_as_torch(shape, groups):
    x, norm, grad = drawn(shape, groups)
    expected = by_formula(x, norm, grad)
    single = norm.float()
    errors = []
    for layer in (lambda y: functional.relu(single(y)), lambda y: group_norm_relu(y, single)):
        single.zero_grad()
        leaf = x.float().requires_grad_()
        out = layer(leaf)
        out.backward(grad.float())
        results = (out.detach(), leaf.grad, single.weight.grad, single.bias.grad)
        errors.append(
            [float((a.double() - b).abs().max()) for a, b in zip(results, expected, strict=True)]
        )
    for theirs, ours, exact in zip(*errors, expected, strict=True):
        assert ours <= 4 * theirs + 1e-6 * float(exact.abs().max())


def test_the_comparison_notices_a_gradient_that_is_off():
    x, norm, grad = drawn(*SHAPES[0])
    _, exact, _, _ = by_formula(x, norm, grad)
    assert float((1.0001 * exact - exact).abs().max()) > 1e-5


def test_gradients_are_slopes():
    x, norm, grad = drawn((2, 4, 3, 2), 2, torch.float32)
    leaf = x.clone().requires_grad_()
    (group_norm_relu(leaf, norm) * grad).sum().backward()
    step = 2.0**-6

    def total(moved):
        with torch.no_grad():
            return float((group_norm_relu(moved, norm).double() * grad.double()).sum())

    for index in np.ndindex(*x.shape):
        above, below = x.clone(), x.clone()
        above[index] += step
        below[index] -= step
        slope = (total(above) - total(below)) / (2 * step)
        # Rounded sums divided by 2^-5, and what a step of 2^-6 adds, kinks included.
        assert abs(slope - float(leaf.grad[index])) < 0.02


def test_nothing_is_changed_and_views_are_taken():
    x, norm, grad = drawn((2, 8, 4, 6), 4, torch.float32)
    wide = torch.zeros(2, 8, 4, 12)
    wide[..., ::2] = x
    kept = wide.clone()
    leaf = x.clone().requires_grad_()
    group_norm_relu(leaf, norm).backward(grad)
    view = wide[..., ::2].requires_grad_()
    group_norm_relu(view, norm).backward(grad[:1].expand_as(grad))
    assert torch.equal(wide, kept)
    other = x.clone().requires_grad_()
    group_norm_relu(other, norm).backward(grad[:1].repeat(2, 1, 1, 1))
    assert torch.equal(view.grad, other.grad)
    assert not torch.equal(leaf.grad, other.grad)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_shows(bad):
    x, norm, grad = drawn((2, 4, 3, 3), 2, torch.float32)
    x[1, 0, 0, 0] = bad
    leaf = x.requires_grad_()
    out = group_norm_relu(leaf, norm)
    out.backward(grad)
    reference = functional.relu(norm(x.detach()))
    assert torch.equal(out.isnan(), reference.isnan())
    assert out[1, :2].isnan().all()
    assert leaf.grad[1, :2].isnan().all()
    assert norm.weight.grad.isnan().any()
    assert not out[0].isnan().any()


def test_only_training_in_float32_on_a_cpu_takes_it():
    norm = nn.GroupNorm(2, 4)
    x = torch.zeros(1, 4, 2, 2)
    assert takes_kernel(x, norm)
    assert not takes_kernel(x.double(), norm)
    assert not takes_kernel(x.bfloat16(), norm)
    assert not takes_kernel(x.to("meta"), norm)
    assert not takes_kernel(x, nn.GroupNorm(2, 4).double())
    assert not takes_kernel(x, nn.GroupNorm(2, 4).eval())


@pytest.fixture
def backbone():
    return build_encoder(EncoderConfig.default("small", size=32)).backbone


def test_the_encoder_takes_it_in_training_alone(backbone, monkeypatch):
    calls = []
    apply = group_norm._GroupNormReLU.apply
    monkeypatch.setattr(group_norm._GroupNormReLU, "apply", lambda *a: calls.append(1) or apply(*a))
    x = torch.rand(2, 3, 32, 32)
    trained = backbone.train()(x)
    assert len(calls) == 4
    evaluated = backbone.eval()(x)
    assert len(calls) == 4
    # Rounding of four layers, whose vectors are of order 1.
    torch.testing.assert_close(trained, evaluated, rtol=0, atol=1e-5)
    torch.export.export(backbone.train(), (x,))
    torch.compile(backbone, backend="eager", fullgraph=True)(x)
    with torch.autocast("cpu", torch.bfloat16):
        backbone(x)
    assert len(calls) == 4


def test_names_of_weights_are_those_of_saved_encoders(backbone):
    assert sorted(backbone.state_dict()) == sorted(
        [f"blocks.{k}.{name}" for k in range(4) for name in ("0.weight", "1.weight", "1.bias")]
        + ["linear.weight", "linear.bias"]
    )
