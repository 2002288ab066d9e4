"""Report cards: right losses pass, planted faults are named, and the oracle is right itself."""

import json
import sys

import numpy as np
import pytest
import torch

from tacref.commands import main
from tacref.losses import contrastive_idm, lav_loss, soft_dtw
from tacref.reference import dtw, soft_dtw_value_and_grad
from tacref.verify import assert_loss_correct, check


def failed(report):
    return {row.claim for row in report.rows if row.status == "FAIL"}


def row_of(report, claim):
    return next(row for row in report.rows if row.claim == claim)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, grad):
        return 1.001 * grad


class Frozen(torch.autograd.Function):
    """Soft-DTW whose gradient is taken for a constant, as the published copies have it."""

    @staticmethod
    def forward(ctx, D, gamma):
        with torch.enable_grad():
            leaf = D.detach().requires_grad_()
            values = soft_dtw(leaf, gamma)
            (E,) = torch.autograd.grad(values.sum(), leaf)
        ctx.save_for_backward(E)
        return values.detach()

    @staticmethod
    def backward(ctx, grad):
        (E,) = ctx.saved_tensors
        return grad[:, None, None] * E, None


def swapped_weights(D, *, gamma):
    return soft_dtw(D.flip(1), gamma)


def scaled_gradient(D, *, gamma):
    return Scaled.apply(soft_dtw(D, gamma))


def rounded_inside(D, *, gamma):
    return soft_dtw(D.float(), gamma).double()


def constant_gradient(D, *, gamma):
    return Frozen.apply(D, gamma)


def leaking_padding(D, *, gamma, lengths_x=None, lengths_y=None):
    return soft_dtw(torch.nan_to_num(D), gamma)


def mixed_items(D, *, gamma):
    return soft_dtw(D, gamma).mean().expand(len(D))


def explicit_exponentials(D, *, gamma):
    """Without subtracting the least first."""
    B, n, m = D.shape
    R = {(-1, -1): torch.zeros(B, dtype=D.dtype)}
    for i in range(n):
        for j in range(m):
            before = [R[c] for c in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if c in R]
            total = sum(torch.exp(-r / gamma) for r in before)
            R[i, j] = D[:, i, j] - gamma * torch.log(total)
    return R[n - 1, m - 1]


@pytest.mark.parametrize(
    ("fault", "claims"),
    [
        (swapped_weights, {"value", "gradient to D"}),
        (scaled_gradient, {"gradient to D", "float32 inputs"}),
        (rounded_inside, {"value", "gradient to D", "long sequences: value"}),
        (constant_gradient, {"second order"}),
        (leaking_padding, {"lengths and padding"}),
        (mixed_items, {"items of a batch"}),
    ],
)
def test_planted_faults_in_soft_dtw(fault, claims):
    report = check(fault, "soft_dtw")
    assert claims <= failed(report)
    assert not report.passed
    with pytest.raises(AssertionError, match="FAILED"):
        assert_loss_correct(fault, "soft_dtw")


def test_overflowing_exponentials():
    report = check(explicit_exponentials, "soft_dtw", seed=1)
    assert {"small gamma: value", "large cost: gradient to D"} <= failed(report)
    assert row_of(report, "value").status == "pass" or "value" in failed(report)
    assert "finite" in row_of(report, "large cost: value").note


def one_off_window(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma + 1, margin=margin)


def dead_regularizer(x, *, sigma, margin):
    return contrastive_idm(x.detach(), sigma=sigma, margin=margin) + 0 * x.sum()


def dead_near_frames(x, *, sigma, margin):
    near = contrastive_idm(x, sigma=1e9, margin=margin)
    frozen = contrastive_idm(x.detach(), sigma=1e9, margin=margin)
    within = contrastive_idm(x, sigma=sigma, margin=margin)
    return within - near + frozen if sigma >= x.shape[1] else within


@pytest.mark.parametrize(
    ("fault", "claim"),
    [
        (one_off_window, "value"),
        (dead_regularizer, "no dead term"),
        (dead_near_frames, "no dead term"),
    ],
)
def test_planted_faults_in_contrastive_idm(fault, claim):
    assert claim in failed(check(fault, "contrastive_idm"))


def ignores_y(x, y, *, gamma, alpha, sigma, margin):
    options = {"gamma": gamma, "alpha": alpha, "sigma": sigma, "margin": margin}
    return lav_loss(x, y.detach(), **options).loss + 0 * y.sum((1, 2))


def test_a_gradient_that_ignores_one_input():
    report = check(ignores_y, "lav")
    assert {"gradient to y", "no dead term"} <= failed(report)
    assert "gradient to x" not in failed(report)
    assert "to y" in row_of(report, "no dead term").note


def test_the_variants_are_told_apart():
    def printed(x, *, sigma, margin):
        return contrastive_idm(x, sigma=sigma, margin=margin, variant="printed")

    assert check(printed, "contrastive_idm", variant="printed").passed
    assert "value" in failed(check(printed, "contrastive_idm", variant="paper"))


def test_hard_dtw_and_its_faults():
    assert check(dtw, "dtw", framework="numpy").passed
    wrong = check(lambda D: dtw(D) + 1e-6, "dtw", framework="numpy")
    assert "value" in failed(wrong)

    def of_a_batch(D):
        return torch.tensor([dtw(each) for each in D.detach().numpy()], dtype=torch.float64)

    assert check(of_a_batch, "dtw").passed


def test_bands():
    def banded(D, *, gamma, band=None):
        return soft_dtw_value_and_grad(D, gamma=gamma, band=band)

    def too_wide(D, *, gamma, band=None):
        return soft_dtw_value_and_grad(D, gamma=gamma, band=None if band is None else band + 1)

    assert check(banded, "soft_dtw", framework="numpy").passed
    report = check(too_wide, "soft_dtw", framework="numpy")
    assert failed(report) == {"band: value", "band: gradient to D"}


def test_a_snippet_shows_the_failure(monkeypatch, capsys):
    report = check(scaled_gradient, "soft_dtw", name="faults:scaled_gradient")
    snippet = row_of(report, "gradient to D").snippet
    assert snippet.count("[[[") == 1
    module = type(torch)("faults")
    module.scaled_gradient = scaled_gradient
    monkeypatch.setitem(sys.modules, "faults", module)
    exec(snippet, {})
    assert "1.001" in capsys.readouterr().out
    assert snippet.endswith("# right: [[1.0]]")


@pytest.mark.parametrize(
    "fault", [swapped_weights, rounded_inside, constant_gradient, leaking_padding]
)
def test_every_failing_row_has_a_snippet_that_runs(fault, monkeypatch, capsys):
    module = type(torch)("faults")
    module.loss = fault
    monkeypatch.setitem(sys.modules, "faults", module)
    report = check(fault, "soft_dtw", name="faults:loss")
    rows = [row for row in report.rows if row.status == "FAIL"]
    assert rows
    for row in rows:
        exec(row.snippet, {})
        assert capsys.readouterr().out
        assert "# right: " in row.snippet


def divided_window(x, *, sigma, margin, times=None, video_lengths=None):
    """Near and far decided in float32 on times divided by the length, as in the authors' code."""
    if times is None:
        return contrastive_idm(x, sigma=sigma, margin=margin, variant="official")
    steps = times.float() / video_lengths[:, None]
    far = (steps[:, :, None] - steps[:, None]).abs() > (sigma / video_lengths).float()
    exact = (times[:, :, None] - times[:, None]).abs() > sigma
    assert (far != exact).any()  # rounding decides
    D = (x[:, :, None] - x[:, None]).square().sum(-1)
    weights = (steps[:, :, None] - steps[:, None]).double().square() + 1
    return torch.where(far, weights * torch.relu(margin - D), D).sum((1, 2))


def test_a_window_decided_in_floating_point():
    report = check(divided_window, "contrastive_idm", variant="official")
    assert failed(report) == {"source frame times"}
    assert row_of(check(offers_no_times, "contrastive_idm", variant="official"),
                  "source frame times").status == "not offered"  # fmt: skip


def offers_no_times(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=margin, variant="official")


def test_numpy_functions():
    assert check(soft_dtw_value_and_grad, "soft_dtw", framework="numpy").passed

    def in_place(D, *, gamma):
        D *= 1.0
        D += 1.0
        return soft_dtw_value_and_grad(D - 1.0, gamma=gamma)

    report = check(in_place, "soft_dtw", framework="numpy")
    assert "inputs left unchanged" in failed(report)

    def no_gradient(D, *, gamma):
        return soft_dtw_value_and_grad(D, gamma=gamma)[0]

    assert "no dead term" in failed(check(no_gradient, "soft_dtw", framework="numpy"))


def test_a_function_that_raises_fails_with_its_message():
    def broken(D, *, gamma):
        raise RuntimeError("no such kernel")

    report = check(broken, "soft_dtw")
    assert "RuntimeError: no such kernel" in row_of(report, "value").note


def test_command_on_a_function(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(
        "from tacref.losses import soft_dtw\n\n\n"
        "def right(D, *, gamma, lengths_x=None, lengths_y=None):\n"
        "    return soft_dtw(D, gamma, lengths_x=lengths_x, lengths_y=lengths_y)\n\n\n"
        "def wrong(D, *, gamma):\n"
        "    return 1.01 * soft_dtw(D, gamma)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "mine:right", "--as", "soft_dtw"]) == 0
    assert "passed" in capsys.readouterr().out
    arguments = ["verify", "mine:wrong", "--as", "soft_dtw", "--html", "card.html", "--json"]
    assert main(arguments) == 1
    card = json.loads(capsys.readouterr().out)
    assert not card["passed"]
    assert card["reports"][0]["rows"][0]["status"] == "FAIL"
    page = (tmp_path / "card.html").read_text()
    assert "mine:wrong" in page
    assert "http" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine:loss"], "--as must say"),
        (["--as", "lav"], "needs a function"),
        (["nothing", "--as", "lav"], "module:name, got 'nothing'"),
        (["no_such_module:f", "--as", "lav"], "cannot be imported"),
        (["math:pi", "--as", "lav"], "is a float, not a function"),
        (["math:sqrt", "--as", "new"], "invalid choice"),
        (["--seed=-1"], "--seed must be >= 0, got -1"),
        (["--html", "/"], "/: output file is a folder"),
    ],
)
def test_bad_arguments(arguments, message, capsys):
    assert main(["verify", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_markup_in_a_name_is_text(tmp_path):
    from tacref.verify.report import Report, Row, to_html

    row = Row("value", "FAIL", note="<script>", snippet="<b>")
    page = to_html([Report("<img onerror=x>", "soft_dtw", (row,))])
    assert "<img" not in page
    assert "<script" not in page
    assert "<b>" not in page


def test_inputs_are_told_by_the_parameters():
    from tacref.verify.subject import takes

    assert takes(lambda D, gamma: 0) == takes(lambda D, *, gamma, band=None: 0) == "costs"
    assert takes(lambda x, y, *, gamma: 0) == takes(lambda x, y, gamma=1.0: 0) == "embeddings"
    assert takes(soft_dtw) == "costs"
    assert takes(max) == "costs"  # of which Python knows no parameters


def test_other_parameters(capsys):
    assert main(["verify", "tacref.losses:soft_dtw", "--as", "lav"]) == 2
    line = capsys.readouterr().err
    assert line.startswith(
        "tacref verify: tacref.losses:soft_dtw: must take (x, y, gamma=, alpha=, sigma=, margin=) "
        "to be checked as lav of embeddings, takes (D, gamma, *, "
    )
    assert line.count("\n") == 1
    with pytest.raises(ValueError, match=r"must take \(x, y\) to be checked as dtw of embeddings"):
        check(lambda x, *, gamma: 0, "dtw", inputs="embeddings")


def test_unknown_options():
    with pytest.raises(ValueError, match="loss must be one of"):
        check(soft_dtw, "ctc")
    with pytest.raises(ValueError, match="variant must be one of"):
        check(soft_dtw, "lav", variant="new")
    with pytest.raises(ValueError, match="framework must be torch or numpy, got 'jax'"):
        check(soft_dtw, "soft_dtw", framework="jax")
    with pytest.raises(ValueError, match="inputs must be costs or embeddings, got 'pixels'"):
        check(soft_dtw, "soft_dtw", inputs="pixels")


def test_drawn_inputs_keep_away_from_kinks():
    from tacref.verify.problems import CLEARANCE, Spec, draw

    for seed in range(20):
        problem = draw(Spec("contrastive_idm"), (seed,), 12, 12)
        (x,) = problem.inputs
        squared = ((x[:, None] - x) ** 2).sum(-1)[~np.eye(len(x), dtype=bool)]
        assert np.abs(squared - 2.0).min() >= CLEARANCE
        assert np.abs(np.sqrt(squared) - 2.0).min() >= CLEARANCE
