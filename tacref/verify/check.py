"""Check a function: run every claim, write the card."""

from collections.abc import Callable
from typing import Any

from tacref.verify import claims
from tacref.verify.batches import batches, source_times
from tacref.verify.problems import Inputs, Loss, Spec
from tacref.verify.report import Report
from tacref.verify.subject import Framework, Subject, takes

_EQUATIONS = {
    "dtw": "equation 2",
    "soft_dtw": "equation 4",
    "contrastive_idm": "equation 7",
    "lav": "equation 8",
}


def check(
    fn: Callable[..., Any],
    loss: Loss,
    *,
    inputs: Inputs | None = None,
    variant: str = "paper",
    framework: Framework = "torch",
    name: str | None = None,
    seed: int = 0,
) -> Report:
    """Hold a loss against what is right, claim by claim.

    Parameters
    ----------
    fn : callable
        The loss. With torch: `fn(D, gamma=...)` with D `(B, n, m)`, or `fn(x, y, gamma=...)` with
        `(B, n, d)` and `(B, m, d)`; `fn(x, sigma=..., margin=...)` for Contrastive-IDM;
        `fn(x, y, gamma=..., alpha=..., sigma=..., margin=...)` for LAV. It returns `(B,)`, or one
        number for the batch. `lengths_x`, `lengths_y` (`lengths`) and `band` are tried if it has
        parameters of these names. With NumPy: arrays of one item, and `(value, gradient, ...)`
        is returned.
    loss : {"dtw", "soft_dtw", "contrastive_idm", "lav"}
        What it claims to compute.
    inputs : {"costs", "embeddings"}, optional
        What (soft-)DTW takes; by default embeddings if the function has two parameters besides
        the options, else costs. The others take embeddings.
    variant : {"paper", "official", "printed", "laser"}
        Of Contrastive-IDM.
    framework : {"torch", "numpy"}
        What the function works on.
    name : str, optional
        What to call it in the card; by default its module and name.
    seed : int
        Of the inputs.

    Returns
    -------
    Report
        `report.passed`, and a row a claim; `print(report)` shows it.

    Raises
    ------
    ValueError
        If `loss`, `inputs`, `variant` or `framework` is unknown, or `fn` does not take what the
        loss does.
    """
    if framework not in ("torch", "numpy"):
        raise ValueError(f"framework must be torch or numpy, got {framework!r}")
    spec = Spec(loss, inputs or takes(fn), variant)
    own_name = f"{getattr(fn, '__module__', '?')}:{getattr(fn, '__qualname__', type(fn).__name__)}"
    subject = Subject(fn, spec, name or own_name, framework)
    subject.check_parameters()
    rows = [
        *claims.value_and_gradients(subject, seed),
        *([claims.dead_terms(subject, seed)] if spec.gradients else []),
        claims.second_order(subject, seed),
        *claims.band(subject, seed),
        *batches(subject, seed),
        *source_times(subject, seed),
        *claims.laws(subject, seed),
        *claims.extremes(subject, seed),
        claims.single_precision(subject, seed),
        claims.inputs_unchanged(subject, seed),
    ]
    equation = f"{loss}, {_EQUATIONS[loss]}, of {spec.inputs}"
    if loss in ("contrastive_idm", "lav"):
        equation += f", variant {variant}"
    return Report(subject.name, equation, tuple(rows))


def assert_loss_correct(fn: Callable[..., Any], loss: Loss, **options: Any) -> None:
    """Raise an AssertionError with the card, if a claim fails; for tests.

    Parameters
    ----------
    fn, loss, **options
        As for `check`.

    Raises
    ------
    AssertionError
        If a claim fails.
    ValueError
        If an option is unknown.
    """
    report = check(fn, loss, **options)
    if not report.passed:
        raise AssertionError(f"\n{report}")
