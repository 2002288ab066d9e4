"""Sequence contrastive loss in torch against the reference, and by gradcheck."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tacref import reference
from tacref.losses import SequenceContrastiveLoss, sequence_contrastive_loss
from tests.losses.loss_inputs import leaves, ragged

EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def batches(draw):
    """Ragged embeddings of pairs of views, NaN beyond their lengths, with times."""
    B, n, m, d = (draw(st.integers(1, top)) for top in (3, 6, 6, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    arguments = {}
    for name, count in (("x", n), ("y", m)):
        rows, arguments[f"lengths_{name}"] = ragged(rng, B, count, d)
        times = torch.from_numpy(rng.uniform(0, 9, (B, count)))
        arguments[name] = rows
        arguments[f"times_{name}"] = torch.where(rows[..., 0].isnan(), math.nan, times)
    return arguments


@EXAMPLES
@given(batches(), st.sampled_from([0.5, math.sqrt(10)]), st.sampled_from([0.1, 1.0]), st.booleans())
def test_is_the_reference_s(batch, sigma, temperature, with_times):
    options = {"sigma": sigma, "temperature": temperature}
    given_batch = {key: value for key, value in batch.items() if with_times or "times" not in key}
    values = sequence_contrastive_loss(**given_batch, **options)
    values.sum().backward()
    for b in range(len(values)):
        counts = {name: batch[f"lengths_{name}"][b] for name in "xy"}
        x, y = (batch[name][b, : counts[name]].detach().numpy() for name in "xy")
        times = {
            key: value[b, : counts[key[-1]]].numpy()
            for key, value in given_batch.items()
            if key.startswith("times")
        }
        value, *gradients = reference.sequence_contrastive_loss_value_and_grad(
            x, y, **times, **options
        )
        np.testing.assert_allclose(values[b].item(), value, rtol=1e-11, atol=1e-13)
        for name, expected in zip("xy", gradients, strict=True):
            actual = batch[name].grad[b].numpy()
            np.testing.assert_allclose(actual[: counts[name]], expected, rtol=1e-10, atol=1e-12)
            assert not actual[counts[name] :].any()


def test_what_is_not_valid_does_not_reach_the_gradient():
    """Where a valid row lies so far away that all its weights but one are exactly 0."""
    x, y = (leaf.requires_grad_() for leaf in leaves((1, 3, 2), (1, 2, 2)))
    times_x, times_y = torch.tensor([[1e9, 2e9, 0.0]]), torch.tensor([[1e9, 2e9]])
    options = {"lengths_x": [2], "times_x": times_x, "times_y": times_y, "sigma": 1e-100}
    sequence_contrastive_loss(x, y, **options).sum().backward()
    _, grad_x, grad_y = reference.sequence_contrastive_loss_value_and_grad(
        x[0, :2].detach().numpy(), y[0].detach().numpy(), sigma=1e-100,
        times_x=times_x[0, :2].numpy(), times_y=times_y[0].numpy(),
    )  # fmt: skip
    np.testing.assert_allclose(x.grad[0, :2], grad_x, rtol=1e-12)
    np.testing.assert_allclose(y.grad[0], grad_y, rtol=1e-12)
    assert not x.grad[0, 2].any()


def test_module_is_the_function():
    x, y = leaves((3, 5, 2), (3, 4, 2))
    times = {"times_x": torch.arange(15.0).view(3, 5), "times_y": torch.arange(12).view(3, 4)}
    loss = SequenceContrastiveLoss(sigma=2.0, temperature=0.5, reduction="sum")
    expected = sequence_contrastive_loss(x, y, sigma=2.0, temperature=0.5, **times).sum()
    torch.testing.assert_close(loss(x, y, **times), expected, rtol=0, atol=0)
    wanted = "SequenceContrastiveLoss(sigma=2.0, temperature=0.5, reduction='sum')"
    assert repr(loss) == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0}, "sigma must be finite and > 0, got 0"),
        ({"temperature": math.nan}, "temperature must be finite and > 0, got nan"),
        ({"lengths_y": [4]}, "lengths_y must be from 1 to 3, got"),
        ({"times_x": torch.zeros(1, 2)}, r"times_x must have shape \(1, 3\), got \(1, 2\)"),
        ({"times_y": torch.zeros(1, 3, dtype=torch.bool)}, "times_y must be real numbers"),
        ({"times_y": torch.full((1, 3), math.inf)}, "times_y must be finite, .* got inf"),
    ],
)
def test_errors(options, message):
    x, y = leaves((1, 3, 2), (1, 3, 2))
    with pytest.raises(ValueError, match=message):
        sequence_contrastive_loss(x, y, **options)
    with pytest.raises(ValueError, match=r"reduction must be one of .* got 'max'"):
        SequenceContrastiveLoss(reduction="max")
    with pytest.raises(TypeError, match=r"y must be a torch\.Tensor, got list"):
        sequence_contrastive_loss(x, [[[1.0]]])
