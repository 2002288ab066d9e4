"""Report cards: right losses pass, a fault is told once and by its name, snippets show it."""

import sys
import time
from functools import partial

import numpy as np
import pytest
import torch

from tacref.losses import (
    SequenceContrastiveLoss,
    SoftDTWDivergenceLoss,
    SoftDTWLoss,
    TCCLoss,
    contrastive_idm,
    soft_dtw,
)
from tacref.reference import dtw, soft_dtw_value_and_grad
from tacref.verify import assert_loss_correct, check
from tacref.verify.claims.batches import find_reduction
from tacref.verify.spec import Spec
from tacref.verify.subject import Subject
from tests.verify import plain, plain_pairs
from tests.verify.faults import aligned, batched, numeric, pairs, regularized


def failed(report):
    return [row.claim for row in report.rows if row.status == "FAIL"]


def row_of(report, claim):
    return next(row for row in report.rows if row.claim == claim)


def of_mean(x, y, *, gamma):
    return SoftDTWLoss(gamma=gamma, reduction="mean")(x, y)


def of_sum(D, *, gamma):
    return soft_dtw(D, gamma).sum()


def of_a_batch(D):
    return torch.tensor([dtw(each) for each in D.numpy(force=True)], dtype=torch.float64)


def of_mean_tcc(x, y, *, temperature):
    return TCCLoss(temperature=temperature, form="regression_mse", reduction="mean")(x, y)


def of_sum_divergence(x, y, *, gamma):
    return SoftDTWDivergenceLoss(gamma=gamma, reduction="sum")(x, y)


def of_mean_contrast(x, y, *, sigma, temperature):
    loss = SequenceContrastiveLoss(sigma=sigma, temperature=temperature, reduction="mean")
    return loss(x, y)


def path_by_slope(D):
    return plain_pairs.path_of(D, moves=((1, 1), (1, 2), (2, 1)))[::-1]


def soft_dtw_by_slope(D, *, gamma):
    return soft_dtw(D, gamma, steps="slope")


# Those of others, and tacref's as others may use them; its own cards are in test_own.py.
RIGHT = [
    (plain.soft_dtw, {"loss": "soft_dtw"}),
    (
        partial(plain.contrastive_idm, variant="laser"),
        {"loss": "contrastive_idm", "variant": "laser"},
    ),
    (partial(plain.lav, variant="official"), {"loss": "lav", "variant": "official"}),
    (of_mean, {"loss": "soft_dtw"}),
    (of_sum, {"loss": "soft_dtw"}),
    (of_a_batch, {"loss": "dtw"}),
    (dtw, {"loss": "dtw", "framework": "numpy"}),
    (plain_pairs.divergence, {"loss": "divergence"}),
    (plain_pairs.tcc, {"loss": "tcc"}),
    (of_mean_tcc, {"loss": "tcc", "variant": "regression_mse"}),
    (plain_pairs.sequence_contrastive, {"loss": "sequence_contrastive"}),
    (of_sum_divergence, {"loss": "divergence"}),
    (of_mean_contrast, {"loss": "sequence_contrastive"}),
    (plain_pairs.path_of, {"loss": "dtw_path"}),
    (partial(plain_pairs.path_of, ties_up=True), {"loss": "dtw_path"}),
    (path_by_slope, {"loss": "dtw_path", "steps": "slope"}),
    (soft_dtw_by_slope, {"loss": "soft_dtw", "steps": "slope"}),
    (plain_pairs.barycenter, {"loss": "barycenter"}),
]


@pytest.mark.parametrize(("fn", "options"), RIGHT)
def test_a_right_loss_passes(fn, options, monkeypatch):
    monkeypatch.setattr("tacref.verify.claims.extremes.MAX_SECONDS_PER_CALL", 0.3)
    assert_loss_correct(fn, **options)


@pytest.mark.parametrize(("fn", "reduction"), [(of_mean, "mean"), (of_sum, "sum")])
def test_one_number_is_told_to_be_the_sum_or_the_mean(fn, reduction, monkeypatch):
    monkeypatch.setattr("tacref.verify.claims.extremes.MAX_SECONDS_PER_CALL", 0.1)
    assert row_of(check(fn, "soft_dtw"), "sum or mean").note == f"the {reduction} over the items"


@pytest.mark.parametrize(
    ("fn", "spec", "reduction"),
    [
        (of_mean_tcc, Spec("tcc", variant="regression_mse"), "mean"),
        (of_sum_divergence, Spec("divergence"), "sum"),
        (of_mean_contrast, Spec("sequence_contrastive"), "mean"),
        (plain_pairs.divergence, Spec("divergence"), "none"),
        (pairs.root_mean_square, Spec("divergence"), "neither"),
    ],
)
def test_the_reduction_is_found_for_every_kind(fn, spec, reduction):
    for seed in range(20):
        subject = Subject(fn, spec, "a function")
        find_reduction(subject, seed)
        assert subject.reduction == reduction


@pytest.mark.parametrize(
    ("fault", "loss", "claims"),
    [
        (aligned.ignores_upstream, "soft_dtw", ["upstream gradient"]),
        (batched.first_item_only, "soft_dtw", ["sum or mean"]),
        (regularized.margin_fixed, "contrastive_idm", ["option margin"]),
        (regularized.lav_margin_fixed, "lav", ["option margin"]),
        (numeric.constant_gradient, "soft_dtw", ["second order"]),
        (numeric.strides_ignored, "soft_dtw", ["memory layout"]),
        (aligned.no_gradient, "soft_dtw", ["gradient to D", "no dead term"]),
    ],
)
def test_a_fault_is_told_once(fault, loss, claims, monkeypatch):
    monkeypatch.setattr("tacref.verify.claims.extremes.MAX_SECONDS_PER_CALL", 0.1)
    assert failed(check(fault, loss)) == claims


def test_dead_terms_are_named(monkeypatch):
    def dead_near_frames(x, *, sigma, margin):
        near = contrastive_idm(x, sigma=1e9, margin=margin)
        frozen = contrastive_idm(x.detach(), sigma=1e9, margin=margin)
        within = contrastive_idm(x, sigma=sigma, margin=margin)
        return within - near + frozen if sigma >= x.shape[1] else within

    report = check(dead_near_frames, "contrastive_idm")
    assert row_of(report, "no dead term").note == "zero gradient: near frames"
    with pytest.raises(AssertionError, match="FAILED"):
        assert_loss_correct(dead_near_frames, "contrastive_idm")


def test_what_is_not_offered_is_no_failure():
    report = check(lambda x, *, sigma, margin: contrastive_idm(x, sigma=sigma, margin=margin,
                   variant="official"), "contrastive_idm", variant="official")  # fmt: skip
    assert row_of(report, "source frame times").status == "not offered"
    assert row_of(report, "band").status == "not offered"
    assert report.verdict == "passed"


def ignores_upstream_in_float32(D, *, gamma):
    return aligned.ignores_upstream(D.float(), gamma=gamma).double()


def test_an_ignored_gradient_from_above_is_told_of_wrong_gradients_too(monkeypatch, capsys):
    monkeypatch.setattr("tacref.verify.claims.extremes.MAX_SECONDS_PER_CALL", 0.1)
    name = "tests.verify.test_cards:ignores_upstream_in_float32"
    row = row_of(check(ignores_upstream_in_float32, "soft_dtw", name=name), "upstream gradient")
    assert row.note == "2 from above does not double the gradient"
    exec(row.snippet, {})
    assert "[[[1.0, " in capsys.readouterr().out
    assert "# right: [[[2.0, " in row.snippet
    report = check(numeric.rounded_inside, "soft_dtw")
    assert row_of(report, "upstream gradient").status == "pass"
    assert row_of(report, "value").note == "as if rounded to float32"


def test_a_slow_first_call_is_measured_again(monkeypatch):
    from tacref.verify.claims import extremes
    from tacref.verify.spec import Spec
    from tacref.verify.subject import Subject

    compiled = []

    def compiles(D, *, gamma):
        if D.shape[1] > 32 and not compiled:
            time.sleep(0.3)
            compiled.append(True)
        return soft_dtw(D, gamma)

    monkeypatch.setattr(extremes, "MAX_SECONDS_PER_CALL", 0.5)
    subject = Subject(compiles, Spec("soft_dtw"), "a function")
    assert [row.note for row in extremes.long_sequences(subject, 0)] == ["", ""]

    def slow(D, *, gamma):
        time.sleep(0.01 * (D.numel() > 1000))
        return soft_dtw(D, gamma)

    monkeypatch.setattr(extremes, "MAX_SECONDS_PER_CALL", 0.1)
    subject = Subject(slow, Spec("soft_dtw"), "a function")
    (value, _) = extremes.long_sequences(subject, 0)
    assert value.note.startswith("too slow for ")
    assert value.status == "pass"


def test_every_digit_is_printed(capsys):
    report = check(
        aligned.gradient_off_by_1e_6,
        "soft_dtw",
        name="tests.verify.faults.aligned:gradient_off_by_1e_6",
    )
    snippet = row_of(report, "gradient to D").snippet
    exec(snippet, {})
    assert capsys.readouterr().out == "[[[1.000001]]]\n"
    assert snippet.endswith("# right: [[[1.0]]]")


def test_a_loss_that_always_raises_is_told_once():
    def broken(D, *, gamma):
        raise RuntimeError("no such kernel")

    report = check(broken, "soft_dtw")
    assert [row.note for row in report.rows] == [
        "in every call: raised RuntimeError: no such kernel"
    ]
    assert report.error.endswith("broken: always raised RuntimeError: no such kernel")
    assert report.verdict == "could not be checked"
    assert not report.passed
    with pytest.raises(AssertionError, match="no such kernel"):
        assert_loss_correct(broken, "soft_dtw")


def test_the_other_framework_is_recognized():
    with pytest.raises(ValueError, match=r"framework must be numpy for .*soft_dtw_value_and_grad"):
        check(soft_dtw_value_and_grad, "soft_dtw")
    with pytest.raises(ValueError, match=r"framework must be torch for .*, got numpy"):
        check(soft_dtw, "soft_dtw", framework="numpy")


def test_inputs_are_told_by_the_parameters():
    from tacref.verify.subject import guess_inputs

    assert (
        guess_inputs(lambda D, gamma: 0)
        == guess_inputs(lambda D, *, gamma, band=None: 0)
        == "costs"
    )
    assert (
        guess_inputs(lambda x, y, *, gamma: 0)
        == guess_inputs(lambda x, y, gamma=1.0: 0)
        == "embeddings"
    )
    assert guess_inputs(soft_dtw) == "costs"
    assert guess_inputs(max) == "costs"  # of which Python knows no parameters


def test_unknown_options():
    with pytest.raises(ValueError, match="loss must be one of"):
        check(soft_dtw, "ctc")
    with pytest.raises(ValueError, match="variant must be one of"):
        check(soft_dtw, "lav", variant="new")
    frameworks = "framework must be torch or numpy or jax, got 'tensorflow'"
    with pytest.raises(ValueError, match=frameworks):
        check(soft_dtw, "soft_dtw", framework="tensorflow")
    with pytest.raises(ValueError, match="framework must be numpy for dtw_path, got 'torch'"):
        check(plain_pairs.path_of, "dtw_path", framework="torch")
    with pytest.raises(ValueError, match="steps must be any for tcc, got 'slope'"):
        check(plain_pairs.tcc, "tcc", steps="slope")
    with pytest.raises(ValueError, match="steps must be one of any, slope, asymmetric, got 'all'"):
        check(soft_dtw, "soft_dtw", steps="all")
    with pytest.raises(ValueError, match="variant must be one of soft, dba, got 'paper'"):
        check(plain_pairs.barycenter, "barycenter", variant="paper")
    with pytest.raises(ValueError, match="inputs must be costs or embeddings, got 'pixels'"):
        check(soft_dtw, "soft_dtw", inputs="pixels")
    with pytest.raises(ValueError, match=r"must take \(x, y\) to be checked as dtw of embeddings"):
        check(lambda x, *, gamma: 0, "dtw", inputs="embeddings")
    with pytest.raises(ValueError, match="seed must be >= 0, got -1"):
        check(soft_dtw, "soft_dtw", seed=-1)
    with pytest.raises(ValueError, match="fn must be a function, got str"):
        check("soft_dtw", "soft_dtw")


def test_drawn_inputs_keep_away_from_kinks():
    from tacref.verify.draw import CLEARANCE, draw
    from tacref.verify.spec import Spec

    for seed in range(20):
        problem = draw(Spec("contrastive_idm"), (seed,), 12, 12)
        (x,) = problem.inputs
        squared = ((x[:, None] - x) ** 2).sum(-1)[~np.eye(len(x), dtype=bool)]
        assert np.abs(squared - 2.0).min() >= CLEARANCE
        assert np.abs(np.sqrt(squared) - 2.0).min() >= CLEARANCE
        assert draw(Spec("contrastive_idm"), (seed,), 12, 12) is problem


def test_the_card_needs_no_torch_for_numpy():
    code = "import sys, tacref.verify; assert 'torch' not in sys.modules"
    import subprocess

    subprocess.run([sys.executable, "-c", code], check=True)
