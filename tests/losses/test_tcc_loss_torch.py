"""Cycle-consistency and the divergence in torch against the reference, and by gradcheck."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from tacref import reference
from tacref.losses import SoftDTWDivergenceLoss, TCCLoss, soft_dtw_divergence, tcc_loss
from tests.losses.loss_inputs import leaves, ragged

EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)
FORMS = ["regression_mse_var", "regression_mse"]


@st.composite
def batches(draw):
    """Ragged embeddings of pairs, NaN beyond their lengths, with frame numbers."""
    B, n, m, d = (draw(st.integers(1, top)) for top in (3, 6, 6, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    arguments = {}
    for name, count in (("x", n), ("y", m)):
        arguments[name], arguments[f"lengths_{name}"] = ragged(rng, B, count, d)
        times = np.sort(rng.integers(0, 60, (B, count)), axis=1)
        arguments[f"times_{name}"] = torch.from_numpy(times)
        arguments[f"video_lengths_{name}"] = (times.max(1) + 5).tolist()
    return arguments


def items(batch, with_times):
    """Each pair of a batch as arguments of the reference."""
    for b in range(len(batch["x"])):
        pair, source = [], {}
        for name in "xy":
            count = batch[f"lengths_{name}"][b]
            pair.append(batch[name][b, :count].detach().numpy())
            if with_times:
                source[f"times_{name}"] = batch[f"times_{name}"][b, :count].numpy()
                source[f"video_length_{name}"] = int(batch[f"video_lengths_{name}"][b])
        yield pair, source


def assert_gradients(batch, b, grad_x, grad_y):
    for name, expected in (("x", grad_x), ("y", grad_y)):
        actual = batch[name].grad[b].numpy()
        count = len(expected)
        # Small variances magnify rounding: relative to the largest slope.
        np.testing.assert_allclose(
            actual[:count], expected, rtol=0, atol=1e-8 * (1e-3 + np.abs(expected).max())
        )
        assert not actual[count:].any()


@EXAMPLES
@given(batches(), st.sampled_from(FORMS), st.sampled_from([0.3, 1.0, 10.0]), st.booleans())
def test_tcc_is_the_reference_s(batch, form, temperature, with_times):
    options = {"temperature": temperature, "form": form}
    given_batch = {key: value for key, value in batch.items() if with_times or "times" not in key}
    if not with_times:
        given_batch = {k: v for k, v in given_batch.items() if "video" not in k}
    values = tcc_loss(**given_batch, **options)
    values.sum().backward()
    for b, (pair, source) in enumerate(items(batch, with_times)):
        value, grad_x, grad_y = reference.tcc_loss_value_and_grad(*pair, **source, **options)
        np.testing.assert_allclose(values[b].item(), value, rtol=1e-8, atol=1e-12)
        assert_gradients(batch, b, grad_x, grad_y)


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@EXAMPLES
@given(batch=batches(), gamma=st.sampled_from([0.1, 1.0, 10.0]))
def test_divergence_is_the_reference_s(backend, batch, gamma):
    lengths = {key: value for key, value in batch.items() if key.startswith("lengths")}
    values = soft_dtw_divergence(batch["x"], batch["y"], gamma=gamma, backend=backend, **lengths)
    values.sum().backward()
    for b, (pair, _) in enumerate(items(batch, False)):
        value, grad_x, grad_y = reference.soft_dtw_divergence_value_and_grad(*pair, gamma=gamma)
        np.testing.assert_allclose(values[b].item(), value, rtol=1e-11, atol=1e-11)
        assert_gradients(batch, b, grad_x, grad_y)


@pytest.mark.parametrize("form", FORMS)
def test_tcc_gradcheck(form):
    x, y = (leaf.requires_grad_() for leaf in leaves((2, 5, 3), (2, 4, 3)))

    def function(x, y):
        return tcc_loss(x, y, temperature=2.0, form=form, lengths_x=[5, 3])

    assert gradcheck(function, (x, y))
    assert gradgradcheck(function, (x, y))


def test_a_scaled_gradient_would_be_caught():
    x, y = leaves((1, 4, 2), (1, 3, 2))
    _, grad_x, _ = reference.tcc_loss_value_and_grad(x[0], y[0], temperature=1.0)
    batch = {"x": x.clone().requires_grad_()}
    batch["x"].grad = 1.001 * torch.from_numpy(grad_x)[None]
    with pytest.raises(AssertionError, match="Not equal"):
        assert_gradients(batch | {"y": batch["x"]}, 0, grad_x, grad_x)


def test_equal_videos_have_no_divergence_and_no_slope():
    (x,) = leaves((2, 6, 3))
    x, y = x.clone().requires_grad_(), x.clone().requires_grad_()
    values = soft_dtw_divergence(x, y, gamma=0.1)
    values.sum().backward()
    assert (values == 0).all()
    # The two kernels sum in another order.
    for gradient in (x.grad, y.grad):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)


def test_modules_are_the_functions():
    x, y = leaves((3, 5, 2), (3, 4, 2))
    tcc = TCCLoss(temperature=0.7, form="regression_mse", reduction="sum")
    expected = tcc_loss(x, y, temperature=0.7, form="regression_mse").sum()
    torch.testing.assert_close(tcc(x, y), expected, rtol=0, atol=0)
    assert repr(tcc) == "TCCLoss(temperature=0.7, form='regression_mse', reduction='sum')"
    divergence = SoftDTWDivergenceLoss(gamma=0.3, band=2)
    expected = soft_dtw_divergence(x, y, gamma=0.3, band=2).mean()
    torch.testing.assert_close(divergence(x, y), expected, rtol=0, atol=0)
    assert "gamma=0.3, reduction='mean', steps='any', band=2" in repr(divergence)


def test_errors():
    x, y = leaves((1, 3, 2), (1, 3, 2))
    with pytest.raises(ValueError, match="temperature must be finite and > 0, got 0"):
        tcc_loss(x, y, temperature=0)
    with pytest.raises(ValueError, match=r"form must be one of .*, got 'huber'"):
        TCCLoss(form="huber")
    with pytest.raises(ValueError, match="lengths_y must be from 1 to 3, got"):
        tcc_loss(x, y, lengths_y=[4])
    with pytest.raises(ValueError, match="video_lengths_x must be given with times_x"):
        tcc_loss(x, y, times_x=torch.zeros((1, 3), dtype=torch.int64))
    with pytest.raises(TypeError, match=r"y must be a torch\.Tensor, got list"):
        soft_dtw_divergence(x, [[1.0]])
    with pytest.raises(ValueError, match="same B and d"):
        soft_dtw_divergence(x, y[..., :1])
