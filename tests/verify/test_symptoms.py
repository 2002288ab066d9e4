"""docs/is-my-loss-right.md: each thing that people see is there, and the row it names convicts."""

import re
from pathlib import Path

import pytest
import torch

from tacref.losses import contrastive_idm, soft_dtw
from tacref.verify.card import claim_rows
from tacref.verify.spec import Spec
from tacref.verify.subject import Subject, guess_inputs
from tests.verify.faults.alike import zero_times_nan
from tests.verify.faults.batched import minus_infinity_without_a_path
from tests.verify.faults.calls import cached_by_object
from tests.verify.faults.transformed import forward_mode_of_zero
from tests.verify.plain import squared_distances

DOCS = Path(__file__).resolve().parents[2] / "docs"
TABLE = re.findall(
    r"^\| (.*) \| .* \| .* \| (.*) \|$",
    (DOCS / "is-my-loss-right.md").read_text("utf-8").replace(r"\|", "/"),
    re.M,
)
ROWS = {symptom: rows.split(", ") for symptom, rows in TABLE[1:]}


def never_negative(D, *, gamma):
    return soft_dtw(D, gamma).abs()


def zero_for_equals(x, y, *, gamma):
    """0 where the two begin alike, as for a video with itself."""
    same = torch.isclose(x[:, 0], y[:, 0], atol=0.5).all(-1)
    return soft_dtw(squared_distances(x, y), gamma) * ~same


def overflows(D, *, gamma):
    B, n, m = D.shape
    R = [[torch.zeros(B, dtype=D.dtype)] + m * [torch.full((B,), torch.inf, dtype=D.dtype)]]
    for i in range(n):
        R.append([torch.full((B,), torch.inf, dtype=D.dtype)])
        for j in range(m):
            before = torch.stack((R[i][j], R[i][j + 1], R[i + 1][j]))
            soft_min = -gamma * torch.log(torch.exp(-before / gamma).sum(0))
            R[i + 1].append(D[:, i, j] + soft_min)
    return R[n][m]


def frozen(D, *, gamma):
    return soft_dtw(D.detach(), gamma).requires_grad_()


def pushes_nothing_apart(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=1e-9)


def of_one_input(x, y, *, gamma):
    return soft_dtw(squared_distances(x, y.detach()), gamma)


def band_too_wide(D, *, gamma, band=None):
    wider = None if band is None else band + 1
    return soft_dtw(D, gamma, band=wider, band_shape="offset")


def ignores_lengths(D, *, gamma, lengths_x=None, lengths_y=None):
    return soft_dtw(D.nan_to_num(), gamma)


def shares_a_scale(D, *, gamma):
    scale = D.detach().amax() / D.detach().amax((1, 2))
    return soft_dtw(D, gamma) * scale


def single_precision(D, *, gamma):
    return soft_dtw(D.float(), gamma).to(D.dtype)


class _Constant(torch.autograd.Function):
    @staticmethod
    def forward(ctx, D, gamma):
        with torch.enable_grad():
            leaf = D.detach().requires_grad_()
            value = soft_dtw(leaf, gamma)
            (ctx.E,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach()

    @staticmethod
    def backward(ctx, above):
        return above[:, None, None] * ctx.E, None


def constant_gradient(D, *, gamma):
    return _Constant.apply(D, gamma)


def half(x, y, *, gamma):
    return soft_dtw(0.5 * squared_distances(x, y), gamma)


SHOWN_BY = {
    "it is negative": never_negative,
    "it is not 0 for a video with itself": zero_for_equals,
    "NaN after an hour": overflows,
    "it does not converge": frozen,
    "it converges, and aligns nothing": pushes_nothing_apart,
    "a gradient for one input only": of_one_input,
    "inf, -inf or NaN with a band": minus_infinity_without_a_path,
    "with a band, another number than elsewhere": band_too_wide,
    "with padding, the value is right and the gradient NaN": zero_times_nan,
    "padding changes the loss": ignores_lengths,
    "it depends on the batch": shares_a_scale,
    "the same call, another number": cached_by_object,
    "the GPU differs from the CPU": single_precision,
    "a gradient penalty or Hessian is off": constant_gradient,
    "forward mode, `vmap` or `torch.compile` gives 0 or another number": forward_mode_of_zero,
    "another library says otherwise": half,
}


def test_every_symptom_has_a_loss_that_shows_it():
    assert list(ROWS) == list(SHOWN_BY)


@pytest.mark.parametrize("symptom", SHOWN_BY)
def test_the_named_row_convicts(symptom, monkeypatch):
    monkeypatch.setattr("tacref.verify.claims.extremes.MAX_SECONDS_PER_CALL", 0.05)
    monkeypatch.setattr("tacref.verify.shrink.MAX_SECONDS_TO_SIMPLIFY", 0.1)
    fn = SHOWN_BY[symptom]
    loss = "contrastive_idm" if fn is pushes_nothing_apart else "soft_dtw"
    inputs = "embeddings" if fn is pushes_nothing_apart else guess_inputs(fn)
    subject = Subject(fn, Spec(loss, inputs), fn.__name__, "torch")
    named = tuple(ROWS[symptom])
    failed = []
    for row in claim_rows(subject, 0):
        if row.status == "FAIL":
            failed.append(row.claim)
            if row.claim.partition(": ")[0] in named:
                return
    pytest.fail(f"{named} pass; {failed} fail")


def test_every_row_that_is_named_is_described():
    cells = re.findall(r"^\| ([^|]+) \|", (DOCS / "verify.md").read_text("utf-8"), re.M)
    described = {name for cell in cells for name in cell.split(", ")}
    described |= {f"option {name}" for name in ("gamma", "alpha", "sigma", "margin")}
    described |= {"gradient to x", "gradient to y"}  # "gradient to ..."
    assert {row for rows in ROWS.values() for row in rows} <= described


def test_it_is_one_screen():
    text = (DOCS / "is-my-loss-right.md").read_text("utf-8")
    assert len(text.splitlines()) <= 40
