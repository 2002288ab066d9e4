"""What traced, compiled and transformed calls are given is checked: no call leaves its tensors."""

import subprocess
import sys

import pytest
import torch
from torch import func
from torch._dynamo import compiled_autograd
from torch.fx.experimental.proxy_tensor import make_fx

from tacref import losses

F64 = {"dtype": torch.float64}
X, Y, D = torch.rand(2, 5, 3, **F64), torch.rand(2, 4, 3, **F64), torch.rand(2, 5, 9, **F64)
TIMES = torch.arange(5).expand(2, 5)


def embeddings(x, y):
    return losses.SoftDTWLoss(reduction="none")(x, y)


def official(x, times, video_lengths):
    return losses.contrastive_idm(
        x, variant="official", times=times, video_lengths=video_lengths, backend="cpu"
    )


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("x", "y"),
    [((2, 5, 3), (2, 30, 20000)), ((400, 5, 3), (1, 4, 3)), ((2, 5, 300), (2, 4, 3))],
)
def test_a_trace_is_given_other_shapes(x, y):
    x, y = torch.zeros(x, **F64), torch.ones(y, **F64)
    with pytest.raises(ValueError, match="y must have shape"):
        make_fx(embeddings)(X, Y)(x, y)
    traced = torch.jit.trace(embeddings, (X, Y), check_trace=False)
    with pytest.raises(RuntimeError, match="ValueError: y must have shape"):
        traced(x, y)


@pytest.mark.parametrize(
    ("times", "video_lengths", "message"),
    [
        (torch.zeros(1, 2, dtype=torch.int64), [9, 9], r"times must have shape \(2, 5\)"),
        (TIMES, [9], r"video_lengths must have shape \(2,\), got \(1,\)"),
        (TIMES, [0, 9], "video_lengths must be >= 1, got"),
    ],
)
def test_a_trace_is_given_other_times(times, video_lengths, message):
    traced = make_fx(official)(X, TIMES, torch.tensor([9, 9]))
    with pytest.raises(ValueError, match=message):
        traced(X, times, torch.tensor(video_lengths))


@pytest.mark.parametrize("sizes", [(1, 5), (2, 1), (2, 7), (4, 5)])
@pytest.mark.parametrize("name", ["idm", "soft_dtw", "tcc", "scl"])
def test_a_trace_of_tensor_operations_is_for_one_size(name, sizes):
    call = {
        "idm": lambda x: losses.contrastive_idm(x, sigma=1, backend="torch"),
        "soft_dtw": lambda x: losses.soft_dtw(x, backend="torch"),
        "tcc": lambda x: losses.tcc_loss(x, x),
        "scl": lambda x: losses.sequence_contrastive_loss(x, x),
    }[name]
    traced = make_fx(call)(X)
    torch.testing.assert_close(traced(2 * X), call(2 * X))
    with pytest.raises(ValueError, match=r"traced for tensors of shape \(2, 5, 3\), got"):
        traced(torch.rand(*sizes, 3, **F64))


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, b: losses.soft_dtw(D + x.sum(), lengths_x=TENSOR, backend=b), "lengths_x must"),
        (lambda x, b: losses.contrastive_idm(x, lengths=TENSOR, backend=b), "lengths must be from"),
        (lambda x, b: losses.tcc_loss(x, Y, lengths_x=TENSOR), "lengths_x must be from 1 to 5"),
        (lambda x, b: losses.sequence_contrastive_loss(x, Y, lengths_x=TENSOR), "lengths_x must"),
        (
            lambda x, b: losses.soft_dtw(
                D + x.sum(), band=4, band_shape="offset", lengths_x=[2, 5], backend=b
            ),
            "band must be >= .* at most 7",
        ),
        (
            lambda x, b: losses.contrastive_idm(
                x, variant="official", times=TIMES + 9, video_lengths=[9, 99], backend=b
            ),
            "times must be >= 0 and < video_lengths, got 9",
        ),
        (
            lambda x, b: losses.sequence_contrastive_loss(x, Y, times_x=TIMES / 0.0),
            "times_x must be finite",
        ),
    ],
)
def test_values_are_checked_under_transforms(call, message, backend):
    for transform in (func.grad, lambda f: lambda x: func.vjp(f, x), func.jacrev):
        with pytest.raises(ValueError, match=message):
            transform(lambda x: call(x, backend).sum())(X)


TENSOR = torch.tensor([0, 5])


def test_a_first_call_in_inference_mode_leaves_the_checks_on():
    program = """
import torch
from tacref import losses
D = torch.rand(2, 5, 9)
with torch.inference_mode():
    losses.soft_dtw(D)
try:
    losses.soft_dtw(D, lengths_x=torch.tensor([0, 5]), backend="torch")
except ValueError as error:
    assert "lengths_x must be from 1 to 5" in str(error)
else:
    raise AssertionError("not refused")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # of func.jvp itself
@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_tangents_in_the_padding_do_not_count(backend):
    x, v = torch.ones(1, 3, 2, **F64), torch.ones(1, 3, 2, **F64)
    x[0, 2] = v[0, 2] = torch.nan
    y = torch.zeros(1, 2, 2, **F64)
    for call in (
        lambda x: losses.SoftDTWLoss(backend=backend)(x, y, lengths_x=[2]),
        lambda x: losses.contrastive_idm(x, lengths=[2], backend=backend).sum(),
        lambda x: losses.soft_dtw(x, lengths_x=[2], backend=backend).sum(),
    ):
        _, slope = func.jvp(call, (x,), (v,))
        (gradient,) = torch.autograd.grad(call(leaf := x.clone().requires_grad_()), leaf)
        torch.testing.assert_close(slope, gradient[:, :2].sum())


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch looks at them
def test_compiled_autograd():
    leaf = X.clone().requires_grad_()
    value = losses.lav_loss(leaf, Y).loss.sum()
    with compiled_autograd._enable(torch.compile(backend="eager")):
        value.backward()
    again = X.clone().requires_grad_()
    losses.lav_loss(again, Y).loss.sum().backward()
    torch.testing.assert_close(leaf.grad, again.grad)


@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_whole_numbers_and_lengths_of_one_side_in_compiled_calls(backend):
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda x, y, gamma, n: (
            losses.lav_loss(x, y, gamma=gamma, sigma=gamma, lengths_x=n, backend=backend).loss
        ),
        backend="eager",
        fullgraph=True,
        dynamic=True,
    )
    n = torch.tensor([4, 5])
    for gamma in (1, 2, 3):
        right = losses.lav_loss(X, Y, gamma=gamma, sigma=gamma, lengths_x=n).loss
        torch.testing.assert_close(compiled(X, Y, gamma, n), right)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_refuses_a_traced_gamma():
    with pytest.raises(ValueError, match=r"gamma must be a number, .* or traced"):
        torch.jit.trace(losses.soft_dtw, (D, torch.tensor(0.5)), check_trace=False)


def test_times_in_a_list_are_of_float64():
    times = [[0.1 * k for k in range(5)]] * 2
    found = losses.sequence_contrastive_loss(X, Y, times_x=times)
    right = losses.sequence_contrastive_loss(X, Y, times_x=torch.tensor(times, **F64))
    torch.testing.assert_close(found, right, rtol=0, atol=0)


def test_lengths_of_any_integer_type_whatever_the_default_device():
    right = losses.soft_dtw(D, lengths_x=[3, 5])
    for kind in (torch.uint8, torch.uint16, torch.int32):
        torch.testing.assert_close(
            losses.soft_dtw(D, lengths_x=torch.tensor([3, 5], dtype=kind)), right
        )
    with torch.device("meta"):
        torch.testing.assert_close(losses.soft_dtw(D, lengths_x=[3, 5]), right)
