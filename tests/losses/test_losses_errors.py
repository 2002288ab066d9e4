"""Bad arguments of the losses: one line that names the argument and shows the value."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import func

from tacref import losses
from tacref.losses import operators

D = torch.zeros(2, 3, 4)
X, Y = torch.zeros(2, 3, 5), torch.zeros(2, 4, 5)
WHOLE = torch.tensor([3, 3])
TIMES = torch.tensor([[0, 4, 8], [1, 2, 3]])
WANTS_GRADIENT, ONE = torch.tensor(0.1, requires_grad=True), torch.tensor(1.0)
MASKED = np.ma.masked_array([3, 2], mask=[False, True])


def soft_dtw(**options):
    return losses.soft_dtw(D, **options)


def idm(**options):
    return losses.contrastive_idm(X, **options)


def lav(**options):
    return losses.lav_loss(X, Y, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.soft_dtw(D[0]), r"D must have shape \(B, n, m\).* got \(3, 4\)"),
        (lambda: losses.soft_dtw(D[:, :0]), r"D must have .* not empty, got \(2, 0, 4\)"),
        (lambda: losses.soft_dtw(D.long()), "D must be .*floating-point.* got torch.int64"),
        (lambda: losses.expected_alignment(D[0]), r"D must have .* got \(3, 4\)"),
        (lambda: soft_dtw(gamma=0), r"gamma must be finite and > 0, got 0"),
        (lambda: soft_dtw(gamma=float("nan")), "gamma must be .* got nan"),
        (lambda: soft_dtw(lengths_x=[3, 4]), r"lengths_x must be from 1 to 3, got \[3, 4\]"),
        (lambda: soft_dtw(lengths_y=[0, 4]), r"lengths_y must be from 1 to 4, got \[0, 4\]"),
        (lambda: soft_dtw(lengths_y=[4]), r"lengths_y must have shape \(2,\), got \(1,\)"),
        (lambda: soft_dtw(lengths_x=[1.0, 2.0]), "lengths_x must be whole .* got torch.float64"),
        (lambda: soft_dtw(backend="triton"), "backend 'triton' (cannot be used here|needs)"),
        (lambda: losses.expected_alignment(D, backend="triton"), "backend 'triton' "),
        (lambda: idm(backend="triton"), "backend 'triton' "),
        (lambda: soft_dtw(band=-1), "band must be a whole number >= 0 or None, got -1"),
        (lambda: soft_dtw(band=0), r"band must be >= 1 for n = 3 and m = 4, .* got 0"),
        (lambda: soft_dtw(band=0, band_shape="offset"), r"band must be >= \|n - m\| = 1 .* got 0"),
        (
            lambda: soft_dtw(band=1, band_shape="offset", lengths_x=[3, 2], lengths_y=[4, 4]),
            r"band must be >= \|n - m\| of each item, at most 2, .* got 1",
        ),
        (lambda: lav(band=0, band_shape="offset"), r"band must be >= \|n - m\| = 1"),
        (lambda: soft_dtw(band_shape="round"), "band_shape must be one of .* got 'round'"),
        (
            lambda: soft_dtw(band=1.2, band_shape="itakura", lengths_x=[3, 3]),
            "band must be a slope >= .* for n = 3 and m = 4",
        ),
        (lambda: soft_dtw(steps="fast"), "steps must be one of any, .* got 'fast'"),
        (lambda: soft_dtw(steps=[(1, 1, 1)]), "steps 1,1,1 reach at most .* 3 columns"),
        (
            lambda: soft_dtw(steps="slope", backend="cpu"),
            "steps other than 'any' need backend='torch', got backend='cpu'",
        ),
        (
            lambda: losses.SoftDTWLoss(steps="slope", backend="triton"),
            "steps other than 'any' need backend='torch', got backend='triton'",
        ),
        (lambda: losses.SoftDTWLoss(band=1.5), r"band must be .* got 1\.5"),
        (lambda: losses.LAVLoss(band=-2), "band must be .* got -2"),
        (lambda: losses.ContrastiveIDMLoss(backend="gpu"), "backend must be one of .* got 'gpu'"),
        (lambda: soft_dtw(backend="gpu"), "backend must be one of cpu, triton, torch, got 'gpu'"),
        (lambda: losses.soft_dtw(D.to("meta"), backend="cpu"), "'cpu' needs .* got meta"),
        (
            lambda: losses.cost_matrix(X, Y[:1]),
            r"x and y must have the same B and d, got \(2, 3, 5\) and \(1, 4, 5\)",
        ),
        (lambda: losses.cost_matrix(X, Y[..., :3]), r"got \(2, 3, 5\) and \(2, 4, 3\)"),
        (lambda: losses.cost_matrix(X, Y.double()), "one dtype .* torch.float32 .* torch.float64"),
        (lambda: losses.lav_loss(X, Y.to("meta")), "one dtype and device, .* cpu .* meta"),
        (lambda: losses.cost_matrix(X, Y[0]), r"y must have shape \(B, m, d\).* got \(4, 5\)"),
        (lambda: losses.contrastive_idm(X[0]), r"x must have shape \(B, n, d\).* got \(3, 5\)"),
        (lambda: idm(sigma=-1), "sigma must be finite and >= 0, got -1"),
        (lambda: idm(margin=0.0), r"margin must be finite and > 0, got 0\.0"),
        (lambda: idm(variant="copy"), "variant must be one of paper, .* got 'copy'"),
        (lambda: idm(lengths=[3, 9]), r"lengths must be from 1 to 3, got \[3, 9\]"),
        (lambda: idm(times=TIMES), "video_lengths must be given with times, got None"),
        (lambda: idm(times=TIMES[:1], video_lengths=[9, 9]), r"times must have shape \(2, 3\)"),
        (lambda: idm(times=TIMES / 2, video_lengths=[9, 9]), "times must be whole numbers"),
        (
            lambda: idm(times=TIMES, video_lengths=[8, 9]),
            r"times must be >= 0 and < video_lengths, got 8 at \(0, 2\) of a video of 8 frames",
        ),
        (lambda: idm(times=-TIMES, video_lengths=[8, 9]), r"times must be >= 0 .* got -4 at"),
        (lambda: idm(video_lengths=[9]), r"video_lengths must have shape \(2,\), got \(1,\)"),
        (lambda: lav(alpha=-0.5), "alpha must be finite and >= 0, got -0.5"),
        (lambda: lav(gamma=-1.0), "gamma must be finite and > 0, got -1.0"),
        (lambda: lav(sigma=-1), "sigma must be finite and >= 0, got -1"),
        (lambda: lav(margin=-1), "margin must be finite and > 0, got -1"),
        (lambda: lav(variant="copy"), "variant must be one of"),
        (lambda: lav(lengths_y=[5, 1]), r"lengths_y must be from 1 to 4, got \[5, 1\]"),
        (lambda: lav(times_x=TIMES), "video_lengths_x must be given with times_x, got None"),
        (
            lambda: lav(video_lengths_y=[4, 3]),
            "video_lengths_y must be at least .* times_y are not passed, got 3 for the 4 rows of "
            "item 1",
        ),
        (
            lambda: idm(video_lengths=[1, 1], lengths=[1, 2]),
            "video_lengths must be at least .* times are not .* got 1 for the 2 rows of item 1",
        ),
        (lambda: losses.SoftDTWLoss(gamma=0.0), r"gamma must be .* got 0\.0"),
        (lambda: losses.SoftDTWLoss(reduction="max"), "reduction must be one of .* got 'max'"),
        (lambda: losses.SoftDTWLoss(backend="gpu"), "backend must be one of .* got 'gpu'"),
        (lambda: losses.SoftDTWLoss(backend=["cpu"]), r"backend must be one of .* got \['cpu'\]"),
        (lambda: idm(variant=["paper"]), r"variant must be one of .* got \['paper'\]"),
        (lambda: losses.ContrastiveIDMLoss(margin=-2.0), r"margin must be .* got -2\.0"),
        (lambda: losses.ContrastiveIDMLoss(sigma=-2.0), r"sigma must be .* got -2\.0"),
        (lambda: losses.ContrastiveIDMLoss(variant="x"), "variant must be one of .* got 'x'"),
        (lambda: losses.LAVLoss(alpha=float("inf")), "alpha must be .* got inf"),
        (lambda: losses.LAVLoss(backend="gpu"), "backend must be one of .* got 'gpu'"),
        (lambda: soft_dtw(gamma="0.1"), "gamma must be a number, got '0.1'"),
        (lambda: soft_dtw(gamma=True), "gamma must be a number, got True"),
        (lambda: soft_dtw(gamma=10**400), "gamma must be a number, got 1000"),
        (lambda: soft_dtw(gamma=np.array([0.1])), r"gamma must be a number, got array\(\[0.1\]\)"),
        (lambda: lav(alpha=1 + 0j), r"alpha must be a number, got \(1\+0j\)"),
        (lambda: soft_dtw(gamma=WANTS_GRADIENT), "gamma must be a number, .* pass it detached"),
        (lambda: lav(alpha=torch.nn.Parameter(torch.tensor(0.5))), "alpha must .* detached"),
        (lambda: losses.TCCLoss(temperature=WANTS_GRADIENT), "temperature must .* detached"),
        (lambda: idm(margin=WANTS_GRADIENT), "margin must be .* pass it detached"),
        (lambda: func.jvp(lambda g: soft_dtw(gamma=g), (ONE,), (ONE,)), "gamma .* detached"),
        (lambda: func.grad(lambda g: soft_dtw(gamma=g).sum())(ONE), "gamma must .* detached"),
        (lambda: torch.vmap(lambda g: soft_dtw(gamma=g))(ONE[None]), "gamma must be a number"),
        (lambda: soft_dtw(band=3, lengths_x="ab"), "lengths_x must be numbers .* got 'ab'"),
        (lambda: soft_dtw(lengths_x="ab"), "lengths_x must be numbers .* got 'ab'"),
        (lambda: soft_dtw(lengths_x=[None, 1]), r"lengths_x must be numbers .* got \[None, 1\]"),
        (
            lambda: soft_dtw(lengths_x=[[1, 2], [3]]),
            r"lengths_x must be .* got \[\[1, 2\], \[3\]\]",
        ),
        (lambda: soft_dtw(lengths_x=MASKED), "lengths_x must not have masked entries, got 1 of 2"),
        (lambda: idm(times=np.ma.masked_less(TIMES.numpy(), 1), video_lengths=[9, 9]), "times .*"),
    ],
)
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # of func.jvp itself
def test_message(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [np.float32(0.1), np.array(0.1), Fraction(1, 10), torch.tensor(0.1)]
)
def test_numbers_of_any_kind(value):
    assert torch.equal(soft_dtw(gamma=value), soft_dtw(gamma=float(value)))


@pytest.mark.parametrize("lengths", [[4, 1], [1, 9], [0, 1]])
def test_a_compiled_call_does_not_leave_its_tensors(lengths):
    # Compiled code cannot check what lengths hold; the kernels, which write there, do.
    torch._dynamo.reset()
    call = torch.compile(
        lambda D, lengths: losses.soft_dtw(D, lengths_x=lengths), backend="eager", fullgraph=True
    )
    with pytest.raises(ValueError, match="lengths_x must be 2 numbers from 1 to 3, got"):
        call(D, torch.tensor(lengths))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda wrong: losses.soft_dtw(D, lengths_y=wrong), "lengths_y .* from 1 to 4, got"),
        (
            lambda wrong: losses.SoftDTWLoss()(X, Y, lengths_y=wrong),
            r"lengths_y must be 2 numbers from 1 to 4, got \[5, 1\]",
        ),
        (lambda wrong: losses.contrastive_idm(X, lengths=wrong), "lengths .* from 1 to 3, got"),
    ],
)
def test_a_compiled_call_names_the_lengths(call, message):
    torch._dynamo.reset()
    with pytest.raises(ValueError, match=message):
        torch.compile(call, backend="eager", fullgraph=True)(torch.tensor([5, 1]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: operators.soft_dtw(D, 0.1, WHOLE, WHOLE.float(), -1, True, "cpu"),
            "lengths_y must be whole numbers, int64, got torch.float32",
        ),
        (
            lambda: operators.soft_dtw_hvp(D, D, 0.1, WHOLE.int(), WHOLE, -1, "cpu"),
            "lengths_x must be whole numbers, int64, got torch.int32",
        ),
        (
            lambda: operators.soft_dtw_hvp(D, D[:, 1:], 0.1, WHOLE, WHOLE, -1, "cpu"),
            r"Z must have shape \(2, 3, 4\), got \(2, 2, 4\)",
        ),
        (
            lambda: operators.soft_dtw(D, 0.1, WHOLE, WHOLE[:1], -1, True, "cpu"),
            r"lengths_y must have shape \(2,\), got \(1,\)",
        ),
        (
            lambda: operators.soft_dtw_of_embeddings(
                X, Y.long(), 0.1, WHOLE, WHOLE, -1, True, "cpu"
            ),
            "y must be of torch.float32, float32 or float64, got torch.int64",
        ),
        (
            lambda: operators.soft_dtw(D.half(), 0.1, WHOLE, WHOLE, -1, True, "cpu"),
            "D must be .* float32 or float64, got torch.float16",
        ),
        (
            lambda: operators.contrastive_idm(
                X, WHOLE, TIMES.float(), WHOLE, 1.0, 2.0, "paper", True, "cpu"
            ),
            "times must be whole numbers, int64, got torch.float32",
        ),
    ],
)
def test_operators_check_shapes_and_dtypes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.soft_dtw(D.numpy()),
        lambda: losses.expected_alignment(D.numpy()),
        lambda: losses.cost_matrix(X, Y.numpy()),
        lambda: losses.contrastive_idm([[[0.0]]]),
    ],
)
def test_only_tensors(call):
    with pytest.raises(TypeError, match=r"must be a torch\.Tensor, got (ndarray|list)"):
        call()


def test_import_loads_numba_only_for_the_kernels():
    program = (
        "import sys, torch; import tacref.losses as losses;"
        "D = torch.rand(1, 3, 3);"
        "losses.soft_dtw(D, backend='torch'); assert 'numba' not in sys.modules;"
        "losses.soft_dtw(D); assert 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
