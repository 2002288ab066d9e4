"""Contrastive-IDM in torch: every variant against the reference, kinks and windows by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from tacref import reference
from tacref.losses import ContrastiveIDMLoss, contrastive_idm

EXAMPLES = settings(max_examples=100, deadline=None, derandomize=True)
VARIANTS = ["paper", "official", "printed", "laser"]
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def embeddings(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def value_and_grad(x, **options):
    leaf = x.clone().requires_grad_()
    values = contrastive_idm(leaf, **options)
    values.sum().backward()
    return values.detach(), leaf.grad


def reference_value_and_grad(x, **options):
    """Of one item; the chain rule by broadcasting, x_i being in row i and in column i of D_X."""
    D_X = reference.cost_matrix(x, x)
    value, G = reference.contrastive_idm_of_distances_value_and_grad(D_X, **options)
    return value, 2 * ((G + G.T)[..., None] * (x[:, None] - x[None])).sum(1)


@st.composite
def problems(draw):
    B, n, d = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    if draw(st.booleans()):
        # Whole numbers: equal rows, and distances exactly at the margin.
        x = rng.integers(0, 3, (B, n, d)).astype(float)
        margin = draw(st.sampled_from([1.0, 2.0, 4.0]))
    else:
        x = rng.normal(size=(B, n, d)) * 10 ** draw(st.floats(-2, 2))
        margin = 10 ** draw(st.floats(-2, 2))
    times = video_lengths = None
    if draw(st.booleans()):
        times = np.sort(rng.integers(0, 100, (B, n)), axis=1)
        video_lengths = times.max(1) + rng.integers(1, 50, B)
    options = {
        "variant": draw(st.sampled_from(VARIANTS)),
        "sigma": draw(st.sampled_from([0, 0.5, 1, 2, 3.999, 10, 30, 1e300])),
        "margin": margin,
    }
    return x, rng.integers(1, n + 1, B), times, video_lengths, options


@EXAMPLES
@given(problem=problems(), garbage=st.sampled_from([0.0, 1e200, math.nan, math.inf]))
def test_values_and_gradients_are_the_reference_s(problem, garbage):
    x, lengths, times, video_lengths, options = problem
    padded = x.copy()
    given_times = None if times is None else torch.from_numpy(times.copy())
    for b, n in enumerate(lengths):
        padded[b, n:] = garbage
        if given_times is not None:
            given_times[b, n:] = -(2**62)
    values, grad = value_and_grad(
        torch.from_numpy(padded),
        lengths=torch.from_numpy(lengths),
        times=given_times,
        video_lengths=None if times is None else video_lengths.tolist(),
        **options,
    )
    for b, n in enumerate(lengths):
        value, expected = reference_value_and_grad(
            x[b, :n],
            times=None if times is None else times[b, :n],
            video_length=None if times is None else video_lengths[b],
            **options,
        )
        # Sums of positive terms in another order; the gradient's terms are signed.
        np.testing.assert_allclose(values[b].item(), value, rtol=1e-12, atol=1e-14)
        size = 1e-13 * max(1.0, float(np.abs(x).max())) * n * (n**2 + 1)
        if options["variant"] == "laser":
            size = 1e-12  # unit vectors times weights over n^2
        np.testing.assert_allclose(grad[b, :n].numpy(), expected, rtol=1e-9, atol=size)
        assert not grad[b, n:].any()


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        # D_X = [[0, 1, 9], [1, 0, 4], [9, 4, 0]], sigma 1, margin 10: only (0, 2), (2, 0) are far.
        ("paper", 2 * (5 * 1 + 1 / 2 + 4 / 2)),
        ("printed", 2 * (1 / 5 + 1 / 2 + 4 / 2)),
        # t = 0, 1/3, 2/3
        ("official", 2 * ((4 / 9 + 1) * 1 + 1 + 4)),
        # Distances 1, 2, 3; mean over the 9 pairs.
        ("laser", 2 * (5 * (10 - 3) + 1 / 2 + 2 / 2) / 9),
    ],
)
def test_table_worked_by_hand(variant, expected):
    x = torch.tensor([[[0.0], [1.0], [3.0]]], dtype=torch.float64)
    value = contrastive_idm(x, sigma=1, margin=10.0, variant=variant)
    # A few roundings of float64.
    assert value.item() == pytest.approx(expected, rel=1e-14)


def test_official_counts_source_frames_exactly():
    # 0.3 - 0.2 > 0.1 in floating point: rows 2 and 3 of 10 frames, sigma 1, are near all the same.
    x = torch.tensor([[[0.0], [1.0]]], dtype=torch.float64)
    options = {"variant": "official", "sigma": 1, "margin": 5.0, "video_lengths": [10]}
    near = contrastive_idm(x, times=torch.tensor([[2, 3]]), **options)
    far = contrastive_idm(x, times=torch.tensor([[2, 4]]), **options)
    assert near.tolist() == [2]
    assert far.item() == pytest.approx(2 * (0.2**2 + 1) * 4, rel=1e-14)
    # The other variants go by rows.
    paper = contrastive_idm(x, times=torch.tensor([[2, 9]]), **{**options, "variant": "paper"})
    assert paper.tolist() == [1]


def test_derivative_is_0_at_the_kink_and_1_below_it():
    for distance, slope in ((1.0, 0.0), (1.0 - 2**-40, -1.0)):
        x = torch.tensor([[[0.0], [distance]]], dtype=torch.float64)
        _, grad = value_and_grad(x, sigma=0, margin=1.0, variant="laser")
        # Two pairs, weight 2, over n^2 = 4; |x_0 - x_1| grows with x_1.
        torch.testing.assert_close(grad[0, :, 0], torch.tensor([-slope, slope]).double())
        x = torch.tensor([[[0.0], [distance]]], dtype=torch.float64)
        _, grad = value_and_grad(x, sigma=0, margin=1.0, variant="paper")
        torch.testing.assert_close(
            grad[0, :, 0], torch.tensor([-8 * slope, 8 * slope]).double(), rtol=1e-9, atol=0
        )


@each_variant
def test_equal_frames_have_no_gradient(variant):
    # Collapsed: the regularizer is at its largest, and does not know which way to push.
    x = torch.full((1, 5, 3), 0.1, dtype=torch.float64)
    value, grad = value_and_grad(x, sigma=1, margin=2.0, variant=variant)
    assert value.item() > 0
    assert not grad.any()


@each_variant
def test_one_frame_is_free(variant):
    value, grad = value_and_grad(embeddings(2, 1, 3), variant=variant)
    assert value.tolist() == [0, 0]
    assert not grad.any()


@each_variant
def test_gradcheck(variant):
    x = embeddings(2, 5, 3, seed=4).requires_grad_()
    options = {"sigma": 1.5, "margin": 3.0, "variant": variant}
    times = torch.tensor([[0, 1, 4, 9, 9], [3, 5, 6, 7, 8]])
    ragged = {"lengths": [5, 3], "times": times, "video_lengths": [12, 20]}
    assert gradcheck(lambda x: contrastive_idm(x, **options), x)
    assert gradcheck(lambda x: contrastive_idm(x, **options, **ragged), x)
    assert gradgradcheck(lambda x: contrastive_idm(x, **options), x)


def test_module():
    x = embeddings(3, 6, 2)
    options = {"sigma": 2.0, "margin": 1.5, "variant": "official"}
    source = {
        "lengths": [6, 2, 4],
        "times": torch.arange(0, 18, 3).expand(3, 6),
        "video_lengths": torch.tensor([18, 20, 30]),
    }
    values = contrastive_idm(x, **options, **source)
    for reduction, expected in (("none", values), ("mean", values.mean()), ("sum", values.sum())):
        loss = ContrastiveIDMLoss(**options, reduction=reduction)
        torch.testing.assert_close(loss(x, **source), expected)
    assert repr(loss) == (
        "ContrastiveIDMLoss(sigma=2.0, margin=1.5, variant='official', reduction='sum', "
        "backend=None)"
    )
