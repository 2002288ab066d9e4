"""Options at the ends of what a number can be: refused by name, or computed right."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from tacref import losses, reference
from tacref.commands import main
from tacref.losses import make_objective
from tacref.reference.costs import embedding_gradients

EXTREMES = [
    -math.inf, -1e-320, -0.0, 5e-324, 1e-320, 1e-300, 1e300, 1e308, 2**63, 10**400, math.inf,
    math.nan,
]  # fmt: skip
VARIANTS = ("paper", "official", "printed", "laser")
GENERATOR = torch.Generator().manual_seed(0)
X, Y = (torch.randn(1, n, 3, generator=GENERATOR, dtype=torch.float64) for n in (5, 4))
D = losses.cost_matrix(X, Y)
x, y = X[0].numpy(), Y[0].numpy()


def soft_dtw_value_and_grads(x, y, **options):
    value, E = reference.soft_dtw_value_and_grad(reference.cost_matrix(x, y), **options)
    return value, *embedding_gradients(x, y, E)


# A loss in torch, its inputs, what the reference says, and its options.
WITH_BACKENDS = {
    "soft_dtw": (losses.soft_dtw, (D,), reference.soft_dtw_value_and_grad, ["gamma"]),
    "SoftDTWLoss": (losses.SoftDTWLoss, (X, Y), soft_dtw_value_and_grads, ["gamma"]),
    "SoftDTWDivergenceLoss": (
        losses.SoftDTWDivergenceLoss, (X, Y), reference.soft_dtw_divergence_value_and_grad,
        ["gamma"],
    ),
    "ContrastiveIDMLoss": (
        losses.ContrastiveIDMLoss, (X,), reference.contrastive_idm_value_and_grad,
        ["sigma", "margin"],
    ),
    "LAVLoss": (
        losses.LAVLoss, (X, Y), reference.lav_loss_value_and_grad,
        ["gamma", "alpha", "sigma", "margin"],
    ),
}  # fmt: skip
WITHOUT = {
    "TCCLoss": (losses.TCCLoss, (X, Y), reference.tcc_loss_value_and_grad, ["temperature"]),
    "SequenceContrastiveLoss": (
        losses.SequenceContrastiveLoss, (X, Y),
        reference.sequence_contrastive_loss_value_and_grad, ["sigma", "temperature"],
    ),
}  # fmt: skip
CASES = [
    (name, option, {"variant": variant} | ({"sigma": 1} if option == "margin" else {}))
    for name, (*_, options) in (WITH_BACKENDS | WITHOUT).items()
    for option in options
    for variant in (VARIANTS if name in ("ContrastiveIDMLoss", "LAVLoss") else [None])
]


def answer(call, *names):
    """Return what a call computes, or "refused" where it refuses an argument by its name."""
    try:
        return call()
    except ValueError as raised:
        error = str(raised)
    assert error.startswith(tuple(f"{name} must " for name in names))
    assert "\n" not in error
    assert len(error) < 200
    return "refused"


def differentiated(loss, inputs, options):
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    if isinstance(loss, type):
        loss, options = loss(**options, reduction="none"), {}
    result = loss(*leaves, **options)
    values = getattr(result, "loss", result)
    gradients = torch.autograd.grad(values.sum(), leaves)
    return [values.item(), *(gradient[0].numpy() for gradient in gradients)]


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize(("name", "option", "others"), CASES)
def test_refused_or_right(name, option, others, value):
    loss, inputs, right, _ = (WITH_BACKENDS | WITHOUT)[name]
    options = {key: other for key, other in others.items() if other is not None} | {option: value}
    expected = answer(lambda: right(*(tensor[0].numpy() for tensor in inputs), **options), option)
    for backend in ("cpu", "torch") if name in WITH_BACKENDS else (None,):
        chosen = {} if backend is None else {"backend": backend}
        found = answer(lambda chosen=chosen: differentiated(loss, inputs, options | chosen), option)
        too_small = backend == "torch" and option == "gamma" and value < 1e-300
        if isinstance(expected, str) or too_small:
            assert isinstance(found, str)
            continue
        for one, other in zip(found, expected, strict=True):
            assert np.isfinite(other).all()
            # Rounding alone, at a few frames; numbers below 1e-300 have fewer digits.
            assert_allclose(one, other, rtol=1e-9, atol=1e-12 * np.abs(other).max() + 1e-300)


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize(
    ("option", "call"),
    [
        ("gamma", lambda **o: reference.softmin([0.0, 1.0, 2.0], **o)),
        ("gamma", lambda **o: reference.sharp_soft_dtw(D[0].numpy(), **o)),
        ("gamma", lambda **o: reference.soft_dtw_hvp(D[0].numpy(), np.ones((5, 4)) / 7, **o)),
        ("temperature", lambda **o: reference.soft_nearest_neighbors(x, y, **o)),
        ("temperature", lambda **o: reference.cycle_back(x, y, **o)),
    ],
)
def test_refused_or_finite(option, call, value):
    found = answer(lambda: call(**{option: value}), option, "Z")
    assert isinstance(found, str) or np.isfinite(found).all()


OBJECTIVE_OPTIONS = ("gamma", "alpha", "sigma", "margin", "tcc_weight", "temperature")


@pytest.mark.parametrize("value", [*EXTREMES, 1e9, 1e10, 1e20, 1e39])
@pytest.mark.parametrize("option", OBJECTIVE_OPTIONS)
@pytest.mark.parametrize("name", losses.LOSSES)
def test_an_objective_trains_in_float32_or_refuses(name, option, value):
    def gradients():
        objective = make_objective(name, **{option: value})
        leaves = [z.float().repeat(1, 8, 1).requires_grad_() for z in (X, Y)]
        loss = objective(*leaves).loss
        return loss, *torch.autograd.grad(loss, leaves)

    found = answer(gradients, option)
    if found != "refused":
        # As an optimizer needs them.
        assert all(each.square().sum().isfinite() for each in found)


WHOLE = [-1, 2**63, 2**64, 10**400, -(2**63), 1e308, 1e-320, math.inf, math.nan]
BY_NAME = {
    "band": [
        lambda value, **backend: losses.soft_dtw(D, band=value, **backend),
        lambda value, **backend: losses.SoftDTWLoss(band=value, **backend)(X, Y),
        lambda value, **backend: losses.LAVLoss(band=value, **backend)(X, Y),
        lambda value, **_: reference.dtw(D[0].numpy(), band=value),
        lambda value, **_: reference.soft_dtw_divergence(x, y, band=value),
    ],
    "lengths_x": [
        lambda value, **backend: losses.soft_dtw(D, lengths_x=[value], **backend),
        lambda value, **backend: losses.lav_loss(X, Y, lengths_x=[value], **backend),
        lambda value, **_: losses.tcc_loss(X, Y, lengths_x=[value]),
        lambda value, **_: losses.sequence_contrastive_loss(X, Y, lengths_x=[value]),
    ],
    "lengths": [lambda value, **backend: losses.contrastive_idm(X, lengths=[value], **backend)],
    "times": [
        lambda value, **backend: losses.contrastive_idm(
            X, times=[[0, 1, 2, 3, value]], video_lengths=[9], **backend
        ),
    ],
    "times_x": [
        lambda value, **_: losses.tcc_loss(
            X, Y, times_x=[[0, 1, 2, 3, value]], video_lengths_x=[9]
        ),
    ],
    "video_length_x": [lambda value, **_: reference.lav_loss(x, y, video_length_x=value)],
    "video_lengths_x": [lambda value, **_: losses.tcc_loss(X, Y, video_lengths_x=[value])],
}


@pytest.mark.parametrize("value", WHOLE)
@pytest.mark.parametrize(("name", "call"), [(n, call) for n in BY_NAME for call in BY_NAME[n]])
def test_whole_numbers_are_refused_by_name(name, call, value):
    # A band or a video longer than anything is as good as none.
    accepted = isinstance(value, int) and (
        (name == "band" and value > 0) or (name == "video_lengths_x" and 0 < value < 2**63)
    )
    for backend in ("cpu", "torch"):
        found = answer(lambda backend=backend: call(value, backend=backend), name)
        assert isinstance(found, str) != accepted


def test_lengths_in_messages_are_those_given():
    wrong = np.array([2**63], np.uint64)
    for lengths in (wrong, torch.from_numpy(wrong)):
        with pytest.raises(ValueError, match=f"lengths_x must .* got .*{2**63}"):
            losses.soft_dtw(D, lengths_x=lengths)
    unsigned = torch.tensor([3], dtype=torch.uint64)
    right = losses.soft_dtw(D, lengths_x=[3])
    assert torch.equal(losses.soft_dtw(D, lengths_x=unsigned), right)
    assert torch.equal(losses.soft_dtw(D, lengths_x=unsigned.numpy()), right)


@pytest.mark.parametrize("value", [1e60, -1e60, math.inf, math.nan])
def test_moments_beyond_any_window(value):
    times = [0, 1, 2, 3, value]
    with pytest.raises(ValueError, match=r"times_x must "):
        losses.sequence_contrastive_loss(X, Y, times_x=[times])
    with pytest.raises(ValueError, match=r"times_x must "):
        reference.sequence_contrastive_loss(x, y, times_x=times)


@pytest.mark.parametrize("video_length", [10**400, 2**1024, math.inf, math.nan, 2.0])
def test_lengths_of_videos_in_seconds(video_length):
    with pytest.raises(ValueError, match="video_length must be finite and > the last timestamp"):
        reference.contrastive_idm(
            reference.cost_matrix(x, x), times=np.arange(5.0), video_length=video_length
        )


@pytest.mark.parametrize("call", [losses.soft_dtw, losses.expected_alignment])
@pytest.mark.parametrize("second", [Y, Y.numpy(), Y.clone().requires_grad_()])
def test_two_embeddings_where_costs_are_taken(call, second):
    message = r"gamma must be a number, got a \w+ of shape \(1, 4, 3\): .* cost_matrix.* SoftDTW"
    with pytest.raises(ValueError, match=message):
        call(X, second)


@pytest.mark.parametrize(
    "name",
    [
        "soft_dtw",
        "soft_dtw_value_and_grad",
        "expected_alignment",
        "sharp_soft_dtw",
        "dtw",
        "dtw_path",
    ],
)
def test_two_embeddings_where_the_reference_takes_costs(name):
    message = rf"{name} takes one .* the costs, got 2; cost_matrix\(x, y\) computes"
    with pytest.raises(TypeError, match=message):
        getattr(reference, name)(x, y)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((f"--{name}", "1e308") for name in ("gamma", "alpha", "margin", "tcc-weight")),
        ("--alpha", str(2**63)),
        ("--temperature", "1e-320"),
        ("--view-weight", "1e308"),
        ("--view-sigma", "1e-320"),
    ],
)
def test_a_training_that_would_diverge_does_not_start(option, value, tmp_path, capsys):
    assert main(["train", option, value, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"tacref train: {option[2:].replace('-', '_')} must be at ")
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
