"""Where the inputs are and of which type: `device` and `dtype`."""

import numpy as np
import pytest
import torch

from tacref.commands import main
from tacref.losses import soft_dtw
from tacref.verify import check
from tacref.verify.calls import input_tensors, torch_options
from tacref.verify.cases import Case
from tacref.verify.claims import extremes
from tacref.verify.draw import draw
from tacref.verify.spec import Spec
from tests.verify import plain, plain_pairs

CUDA = torch.cuda.is_available()


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch):
    monkeypatch.setattr(extremes, "MAX_FRAMES", 70)


def test_tensors_live_on_the_device():
    problem = draw(Spec("contrastive_idm", variant="official", device="meta"), (0,), 4, 4)
    problem.options.update(times=[0, 1, 2, 3], video_length=9)
    case = Case((problem,))
    assert {leaf.device.type for leaf in input_tensors(case)} == {"meta"}
    options = torch_options(case)
    assert options["times"].device.type == options["video_lengths"].device.type == "meta"


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_one_line(capsys):
    target = "tests.verify.odd_losses:right"
    for options in ([target, "--as", "soft_dtw"], []):
        assert main(["verify", *options, "--device", "cuda"]) == 2
        line = "tacref verify: device cuda is not available: torch finds no CUDA device\n"
        assert capsys.readouterr().err == line


@pytest.mark.skipif(not CUDA, reason="there is no CUDA device")
def test_a_right_loss_passes_on_cuda():
    on_device = []

    def loss(D, *, gamma):
        on_device.append(D.is_cuda)
        return soft_dtw(D, gamma)

    report = check(loss, "soft_dtw", device="cuda")
    assert report.passed, report
    assert all(on_device)


def test_names_of_devices():
    with pytest.raises(ValueError, match="device must be cpu or cuda, got 'tpu'"):
        check(soft_dtw, "soft_dtw", device="tpu")
    with pytest.raises(ValueError, match="device must be cpu for numpy, got 'cuda'"):
        check(plain_pairs.path_of, "dtw_path", device="cuda")
    with pytest.raises(ValueError, match="dtype must be float64 or float32, got 'float16'"):
        check(soft_dtw, "soft_dtw", dtype="float16")


@pytest.mark.parametrize(
    ("fn", "loss"),
    [
        (plain.soft_dtw, "soft_dtw"),
        (plain.contrastive_idm, "contrastive_idm"),
        (plain_pairs.divergence, "divergence"),
        (plain_pairs.tcc, "tcc"),
        (plain_pairs.sequence_contrastive, "sequence_contrastive"),
        (plain_pairs.path_of, "dtw_path"),
    ],
)
def test_a_right_loss_passes_in_float32(fn, loss, monkeypatch):
    """These compute in the type of their inputs."""
    seen = set()

    def recorded(*arguments, **options):
        seen.update(str(each.dtype).removeprefix("torch.") for each in arguments)
        return fn(*arguments, **options)

    recorded.__signature__ = __import__("inspect").signature(fn)
    report = check(recorded, loss, dtype="float32")
    assert report.passed, report
    assert seen == {"float32"}
    assert report.equation.endswith("float32 on cpu")


def test_what_float32_cannot_tell_is_not_offered():
    rows = {row.claim: row for row in check(plain.soft_dtw, "soft_dtw", dtype="float32").rows}
    assert rows["small gamma: gradient to D"].status in ("pass", "not offered")
    assert rows["value"].allowed > 1e-6


def half(D, *, gamma):
    return plain.soft_dtw(D.half().to(D.dtype), gamma=gamma)


def gradient_off(D, *, gamma):
    D = D + 0.02 * (D - D.detach())
    return plain.soft_dtw(D, gamma=gamma)


@pytest.mark.parametrize(("fn", "claim"), [(half, "value"), (gradient_off, "gradient to D")])
def test_a_wrong_loss_is_convicted_in_float32(fn, claim, capsys):
    name = f"tests.verify.test_where:{fn.__name__}"
    report = check(fn, "soft_dtw", dtype="float32", name=name)
    row = next(row for row in report.rows if row.status == "FAIL")
    assert row.claim == claim
    assert "dtype=torch.float32" in row.snippet
    exec(row.snippet, {})
    shown = eval(capsys.readouterr().out)
    assert not np.allclose(shown, eval(row.snippet.rpartition("# right: ")[2]), atol=1e-5)
