"""What holds for every loss of embeddings, whatever it computes and by whichever backend."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from tacref import losses
from tacref.variants import VARIANTS
from tests.losses.loss_inputs import leaves


@dataclass
class Loss:
    """A loss as a function of embeddings, one or two of them, that returns `(B,)`."""

    function: Callable
    options: dict
    inputs: int = 2
    backends: tuple = ("cpu", "torch")
    terms: int = 1  # whose gradients are rounded before they are added

    def __call__(self, *embeddings, backend, lengths=(None, None)):
        options = self.options if backend is None else self.options | {"backend": backend}
        if self.inputs == 1:
            return self.function(*embeddings, lengths=lengths[0], **options)
        return self.function(*embeddings, lengths_x=lengths[0], lengths_y=lengths[1], **options)


def soft_dtw(x, y, gamma, backend, **lengths):
    return losses.SoftDTWLoss(gamma=gamma, reduction="none", backend=backend)(x, y, **lengths)


def lav(x, y, **options):
    return losses.lav_loss(x, y, **options).loss


IDM = {"sigma": 1, "margin": 3.0}
LOSSES = {
    "soft-DTW": Loss(soft_dtw, {"gamma": 0.5}),
    "divergence": Loss(losses.soft_dtw_divergence, {"gamma": 1.0}, terms=3),
    **{
        f"IDM {variant}": Loss(losses.contrastive_idm, IDM | {"variant": variant}, inputs=1)
        for variant in VARIANTS
    },
    **{
        f"LAV {variant}": Loss(lav, IDM | {"gamma": 0.5, "variant": variant}, terms=3)
        for variant in VARIANTS
    },
    "TCC": Loss(losses.tcc_loss, {"temperature": 2.0}, backends=(None,)),
    "sequence contrastive": Loss(
        losses.sequence_contrastive_loss, {"temperature": 1.0}, backends=(None,)
    ),
}
each_loss = pytest.mark.parametrize(
    ("loss", "backend"),
    [
        pytest.param(loss, backend, id=f"{name}-{backend}")
        for name, loss in LOSSES.items()
        for backend in loss.backends
    ],
)


def embeddings(loss, *, n=5, m=4, d=3, B=2):
    return leaves((B, n, d), (B, m, d))[: loss.inputs]


def value_and_gradients(loss, inputs, **options):
    inputs = [z.detach().requires_grad_() for z in inputs]
    values = loss(*inputs, **options)
    return [values.detach(), *torch.autograd.grad(values.sum(), inputs)]


@each_loss
def test_gradcheck(loss, backend):
    inputs = [z.requires_grad_() for z in embeddings(loss)]
    lengths = [5, 3], [4, 2]
    for options in ({}, {"lengths": lengths}):
        assert gradcheck(lambda *z, o=options: loss(*z, backend=backend, **o), inputs)
    assert gradgradcheck(lambda *z: loss(*z, backend=backend, lengths=lengths), inputs)


@each_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_rounded_once(loss, backend, dtype):
    inputs = [torch.nn.functional.normalize(z, dim=2) for z in embeddings(loss, n=20, m=18, d=8)]
    inputs = [z.to(dtype) for z in inputs]
    with torch.autocast("cpu"):
        values, *gradients = value_and_gradients(loss, inputs, backend=backend)
    exact = value_and_gradients(loss, [z.double() for z in inputs], backend=backend)
    right, *right_gradients = (z.to(dtype) for z in exact)
    single = dtype == torch.float32
    # Kernels of its own, for embeddings (docs/losses.md): values within 1e-7, gradients 1e-6.
    own_kernels = single and backend == "cpu"
    torch.testing.assert_close(values, right, rtol=2e-7 if own_kernels else 0, atol=0)
    share = 1e-6 if own_kernels else 4 * 2**-24 if single and loss.terms > 1 else 0
    for gradient, expected in zip(gradients, right_gradients, strict=True):
        atol = share * expected.abs().max().item()
        torch.testing.assert_close(gradient, expected, rtol=0, atol=atol)


@each_loss
def test_an_item_is_as_it_is_alone(loss, backend):
    """And so is one whose neighbor has a NaN, in a valid row or beyond them."""
    inputs, lengths = embeddings(loss, B=3), ([5, 4, 3], [2, 4, 4])
    for z, valid in zip(inputs, lengths, strict=False):
        z[0, 1, 0] = math.nan
        for item, length in enumerate(valid):
            z[item, length:] = math.nan
    whole = value_and_gradients(loss, inputs, backend=backend, lengths=lengths)
    assert whole[0].isnan().tolist() == [True, False, False]
    for item in (1, 2):
        alone = [
            z[item : item + 1, : valid[item]] for z, valid in zip(inputs, lengths, strict=False)
        ]
        value, *gradients = value_and_gradients(loss, alone, backend=backend)
        torch.testing.assert_close(whole[0][item], value[0], rtol=1e-13, atol=1e-13)
        for gradient, right, valid in zip(whole[1:], gradients, lengths, strict=False):
            found = gradient[item, : valid[item]]
            torch.testing.assert_close(found, right[0], rtol=1e-12, atol=1e-13)
            assert not gradient[item, valid[item] :].any()


@each_loss
def test_inputs_of_any_layout_are_left_alone(loss, backend):
    inputs = embeddings(loss)
    right = value_and_gradients(loss, inputs, backend=backend)
    for layout in (
        lambda z: z.transpose(0, 1).contiguous().transpose(0, 1),
        lambda z: z.mT.contiguous().mT,
        lambda z: torch.stack((z, -z), dim=3)[..., 0],
    ):
        strided = [layout(z) for z in inputs]
        found = value_and_gradients(loss, strided, backend=backend)
        torch.testing.assert_close(found, right, rtol=1e-13, atol=1e-13)
        for z, before in zip(strided, inputs, strict=True):
            assert torch.equal(z, before)


@each_loss
def test_nothing_is_recorded_without_gradients(loss, backend):
    inputs = [z.requires_grad_() for z in embeddings(loss)]
    right = loss(*inputs, backend=backend).detach()
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            values = loss(*inputs, backend=backend)
        assert not values.requires_grad
        torch.testing.assert_close(values, right, rtol=0, atol=0)


def test_a_wrong_gradient_is_found():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return 1.01 * grad

    (x,) = (z.requires_grad_() for z in leaves((2, 5, 3)))
    loss = LOSSES["IDM paper"]
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        gradcheck(lambda x: loss(Wrong.apply(x), backend="cpu"), x)
