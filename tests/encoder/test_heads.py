"""The convolutional head against 3-D convolutions over whole stacks."""

import pytest
import torch
from torch.testing import assert_close

from tacref.encoder.heads import ConvHead, LinearHead


def straightforward(head, features, windows):
    """The head as the paper writes it: the stack of each window, convolved with its padding."""
    first, norm_1, _, second, norm_2, _ = head.convolutions
    stack = features[windows].transpose(1, 2)  # (N, C, K, h, w)
    for convolution, norm in ((first, norm_1), (second, norm_2)):
        stack = torch.nn.functional.conv3d(stack, convolution.weight, convolution.bias, padding=1)
        stack = torch.nn.functional.batch_norm(
            stack, norm.running_mean.clone(), norm.running_var.clone(), norm.weight, norm.bias,
            training=norm.training,
        ).relu()  # fmt: skip
    return head.layers(stack.amax((2, 3, 4)))


@pytest.fixture
def head():
    torch.manual_seed(0)
    head = ConvHead(6, 5, hidden=24).double()
    for layer in head.layers:
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    for norm in (head.convolutions[1], head.convolutions[4]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    return head


# Windows that share frames, and windows that do not: both ways to compute.
WINDOWS = {
    "whole video": [[max(0, i - 2), i] for i in range(7)],
    "one frame": [[0, 0]],
    "apart": [[0, 1], [2, 3], [4, 5]],
    "context of one": [[i] for i in range(7)],
    "context of four": [[max(0, i - 3), max(0, i - 2), max(0, i - 1), i] for i in range(7)],
}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("whole_video", [False, True])
def test_equals_3d_convolutions(head, name, training, whole_video):
    head.train(training)
    windows = torch.tensor(WINDOWS[name])
    features = torch.randn(7, 6, 4, 5, dtype=torch.float64, requires_grad=True)
    expected = straightforward(head, features, windows)
    parameters = [features, *head.parameters()]
    weights = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, parameters, weights)
    actual = head(features, windows, whole_video)
    assert_close(actual, expected, rtol=1e-11, atol=1e-11)
    for grad, other in zip(torch.autograd.grad(actual, parameters, weights), wanted, strict=True):
        assert_close(grad, other, rtol=1e-9, atol=1e-9)


def test_linear_head_centers_over_the_context():
    head = LinearHead(3, 2, 4, centered=True).eval()
    features, windows = torch.randn(5, 3), torch.tensor([[0, 1], [2, 4]])
    assert_close(
        head(features + torch.tensor([1.0, 2.0, 3.0]), windows, False),
        head(features, windows, False),
        rtol=1e-4,
        atol=1e-5,
    )
