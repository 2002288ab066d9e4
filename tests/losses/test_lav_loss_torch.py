"""The LAV loss in torch: its terms against the reference, pair by pair."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from tacref import reference
from tacref.losses import LAVLoss, LAVTerms, contrastive_idm, lav_loss

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)
VARIANTS = ["paper", "official", "printed", "laser"]


def pair(B, n, m, d, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(B, n, d))), torch.from_numpy(
        rng.normal(size=(B, m, d))
    )


@st.composite
def problems(draw):
    B, n, m, d = (draw(st.integers(1, top)) for top in (3, 7, 7, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    scale = 10 ** draw(st.floats(-2, 1))
    sides = []
    for count in (n, m):
        times = np.sort(rng.integers(0, 60, (B, count)), axis=1)
        side = {
            "rows": scale * rng.normal(size=(B, count, d)),
            "lengths": rng.integers(1, count + 1, B),
            "times": times,
            "video_lengths": times.max(1) + rng.integers(1, 30, B),
        }
        sides.append(side)
    options = {
        "variant": draw(st.sampled_from(VARIANTS)),
        "gamma": 10 ** draw(st.floats(-3, 3)),
        "alpha": draw(st.sampled_from([0.0, 0.5, 3.0])),
        "sigma": draw(st.sampled_from([0, 1, 2.5, 10])),
        "margin": draw(st.sampled_from([0.1, 2.0])),
    }
    return *sides, options


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@EXAMPLES
@given(problem=problems(), with_times=st.booleans())
def test_values_and_gradients_are_the_reference_s(backend, problem, with_times):
    *sides, options = problem
    leaves, arguments = [], {}
    for name, side in zip("xy", sides, strict=True):
        padded = side["rows"].copy()
        for b, count in enumerate(side["lengths"]):
            padded[b, count:] = math.nan
        leaves.append(torch.from_numpy(padded).requires_grad_())
        arguments[f"lengths_{name}"] = side["lengths"].tolist()
        if with_times:
            arguments[f"times_{name}"] = torch.from_numpy(side["times"])
            arguments[f"video_lengths_{name}"] = torch.from_numpy(side["video_lengths"])
    terms = lav_loss(*leaves, **arguments, **options, backend=backend)
    torch.testing.assert_close(
        terms.loss, terms.alignment + options["alpha"] * terms.regularizer, rtol=1e-14, atol=0
    )
    terms.loss.sum().backward()
    for b in range(len(terms.loss)):
        n, m = (side["lengths"][b] for side in sides)
        x, y = (side["rows"][b, : side["lengths"][b]] for side in sides)
        source = {}
        for name, side in zip("xy", sides, strict=True):
            if with_times:
                source[f"times_{name}"] = side["times"][b, : side["lengths"][b]]
                source[f"video_length_{name}"] = side["video_lengths"][b]
        value, grad_x, grad_y = reference.lav_loss_value_and_grad(x, y, **source, **options)
        D = reference.cost_matrix(x, y)
        # Softmin weights magnify the rounding of sums of costs by 1 / gamma.
        rounding = 1e-13 * (1 + D.sum() + options["gamma"])
        np.testing.assert_allclose(terms.loss[b].item(), value, rtol=1e-12, atol=rounding)
        loose = 1e-9 * (1 + np.abs(grad_x).max()) + rounding / options["gamma"] * D.max()
        np.testing.assert_allclose(leaves[0].grad[b, :n], grad_x, rtol=0, atol=loose)
        np.testing.assert_allclose(leaves[1].grad[b, :m], grad_y, rtol=0, atol=loose)
        assert not leaves[0].grad[b, n:].any()
        assert not leaves[1].grad[b, m:].any()
        alignment = reference.soft_dtw(D, gamma=options["gamma"])
        frames = (n + m) / 2 if options["variant"] == "official" else 1
        np.testing.assert_allclose(
            terms.alignment[b].item(), alignment / frames, rtol=1e-12, atol=rounding
        )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_gradcheck(variant, backend):
    x, y = (z.requires_grad_() for z in pair(2, 3, 4, 2, seed=1))
    options = {"gamma": 0.5, "sigma": 1, "variant": variant, "backend": backend}
    ragged = {"lengths_x": [3, 2], "lengths_y": [2, 4]}
    assert gradcheck(lambda x, y: lav_loss(x, y, **options), (x, y))
    assert gradcheck(lambda x, y: lav_loss(x, y, **options, **ragged).loss, (x, y))
    assert gradgradcheck(lambda x, y: lav_loss(x, y, **options).loss, (x, y))


@pytest.mark.parametrize(
    ("variant", "alpha", "sigma", "margin"),
    [
        ("paper", 0.02, 8, 2.0),
        ("official", 0.5, 15, 2.0),
        ("printed", 4.0, 2, 2.0),
        ("laser", 1.0, 5, 2**0.5),
    ],
)
def test_defaults_suit_the_variant(variant, alpha, sigma, margin):
    x, y = (torch.nn.functional.normalize(z, dim=2) for z in pair(2, 20, 20, 8))
    written_out = lav_loss(
        x, y, gamma=0.1, alpha=alpha, sigma=sigma, margin=margin, variant=variant, backend="cpu"
    )
    assert isinstance(written_out, LAVTerms)
    loss = LAVLoss(variant=variant, reduction="none")
    for terms in (lav_loss(x, y, variant=variant), loss(x, y)):
        torch.testing.assert_close(terms, written_out, rtol=0, atol=0)
    options = {"sigma": sigma, "margin": margin, "variant": variant}
    idm = contrastive_idm(x, **options)
    torch.testing.assert_close(contrastive_idm(x, variant=variant), idm, rtol=0, atol=0)
    value, _, _ = reference.lav_loss_value_and_grad(x[0], y[0], variant=variant)
    assert value == pytest.approx(written_out.loss[0].item(), rel=1e-12)
    assert reference.lav_loss(x[0], y[0], alpha=alpha, **options) == value


def test_the_default_variant_is_the_paper_s():
    x, y = pair(2, 20, 20, 8)
    torch.testing.assert_close(lav_loss(x, y), lav_loss(x, y, variant="paper"), rtol=0, atol=0)
    torch.testing.assert_close(LAVLoss(reduction="none")(x, y), lav_loss(x, y), rtol=0, atol=0)
    torch.testing.assert_close(
        contrastive_idm(x), contrastive_idm(x, variant="paper"), rtol=0, atol=0
    )


def test_official_is_divided_by_the_mean_number_of_valid_frames():
    x, y = pair(1, 6, 4, 2)
    plain = reference.soft_dtw(reference.cost_matrix(x[0, :5], y[0, :3]), gamma=0.1)
    terms = lav_loss(x, y, variant="official", lengths_x=[5], lengths_y=[3])
    assert terms.alignment.item() == pytest.approx(plain / 4, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_rounded_once(dtype):
    x, y = (torch.nn.functional.normalize(z, dim=2).to(dtype) for z in pair(2, 20, 18, 8))
    results = []
    for kind in (dtype, torch.float64):
        leaves = [z.to(kind).requires_grad_() for z in (x, y)]
        terms = lav_loss(*leaves)
        results.append([*terms, *torch.autograd.grad(terms.loss.sum(), leaves)])
    right = [z.to(dtype) for z in results[1]]
    torch.testing.assert_close(results[0][:3], right[:3], rtol=0, atol=0)
    # In float32, gradients of three terms are rounded and added.
    largest = max(z.abs().max().item() for z in right[3:])
    atol = 4 * 2**-24 * largest if dtype == torch.float32 else 0
    torch.testing.assert_close(results[0][3:], right[3:], rtol=0, atol=atol)


def test_module_reduces_each_term():
    x, y = pair(3, 5, 4, 2)
    options = {"gamma": 0.2, "alpha": 2.0, "sigma": 1, "margin": 1.0, "variant": "official"}
    source = {
        "lengths_x": [5, 4, 1],
        "lengths_y": torch.tensor([4, 4, 2]),
        "times_x": torch.arange(0, 20, 4).expand(3, 5),
        "times_y": torch.arange(4).expand(3, 4),
        "video_lengths_x": [20, 30, 17],
        "video_lengths_y": [4, 5, 6],
    }
    each = lav_loss(x, y, **options, **source)
    for reduction in ("mean", "sum"):
        loss = LAVLoss(**options, reduction=reduction)
        terms = loss(x, y, **source)
        expected = LAVTerms(*(getattr(term, reduction)() for term in each))
        torch.testing.assert_close(terms, expected)
    assert repr(loss) == (
        "LAVLoss(gamma=0.2, alpha=2.0, sigma=1.0, margin=1.0, variant='official', "
        "reduction='sum', band=None, band_shape='diagonal', backend=None)"
    )


def test_descent_aligns_and_keeps_frames_apart():
    # Two walks along a line, one of them slower: their rows should come to match in order.
    torch.manual_seed(0)
    x, y = (torch.randn(1, count, 4, requires_grad=True) for count in (8, 12))
    loss = LAVLoss(sigma=2)
    optimizer = torch.optim.Adam([x, y], lr=0.05)
    first = None
    for _ in range(60):
        optimizer.zero_grad()
        terms = loss(*(torch.nn.functional.normalize(z, dim=2) for z in (x, y)))
        terms.loss.backward()
        optimizer.step()
        first = terms.loss.item() if first is None else first
    assert terms.loss.item() < 0.5 * first
