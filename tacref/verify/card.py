"""Check a function: run every claim, write the card."""

from collections.abc import Callable, Iterator
from typing import Any

from tacref.verify.claims import CLAIMS
from tacref.verify.claims.batches import find_reduction
from tacref.verify.guard import ReturnedError
from tacref.verify.probe import always_fails, check_framework, first_case
from tacref.verify.report import Report, Row
from tacref.verify.snippets import head, steps
from tacref.verify.spec import Inputs, Loss, Spec
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
        `fn(x, y, gamma=..., alpha=..., sigma=..., margin=...)` for LAV. It returns `(B,)`, or the
        sum or the mean over the batch. `lengths_x`, `lengths_y` (`lengths`) and `band` are tried
        if it has parameters of these names. With NumPy: arrays of one item, and
        `(value, gradient, ...)` is returned.
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
        Of the inputs, >= 0.

    Returns
    -------
    Report
        `report.passed`, and a row a claim; `print(report)` shows it. `report.error` says why a
        function could not be checked: it raised at every call.

    Raises
    ------
    ValueError
        If `loss`, `inputs`, `variant`, `framework` or `seed` is not valid, `fn` does not take what
        the loss does, or it works with the other framework alone.
    """
    if not callable(fn):
        raise ValueError(f"fn must be a function, got {type(fn).__name__}")
    if framework not in ("torch", "numpy"):
        raise ValueError(f"framework must be torch or numpy, got {framework!r}")
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")
    spec = Spec(loss, inputs or takes(fn), variant)
    subject = Subject(fn, spec, name or _own_name(fn), framework)
    subject.check_parameters()
    equation = f"{loss}, {_EQUATIONS[loss]}, of {spec.inputs}"
    if loss in ("contrastive_idm", "lav"):
        equation += f", variant {variant}"
    error = always_fails(subject, seed)
    if error is None:
        return Report(subject.name, equation, tuple(claim_rows(subject, seed)))
    check_framework(subject, seed, error)
    case = first_case(subject, seed)
    result = "value" if framework == "torch" else "result"
    lines = [*head(subject, case), *steps(subject, case), f"print({result})"]
    shown = "\n".join([*lines, f"# right: {case.problems[0].answer[0]!r}"])
    row = Row("value", "FAIL", note=f"at every call: {error}", snippet=shown)
    # What returns something of the wrong kind was checked, and is wrong.
    told = "" if isinstance(error, ReturnedError) else f"{subject.name}: always {error}"
    return Report(subject.name, equation, (row,), told)


def claim_rows(subject: Subject, seed: int) -> Iterator[Row]:
    """Yield the rows of the card, one claim after the other."""
    find_reduction(subject, seed)
    for claim in CLAIMS:
        yield from claim(subject, seed)


def assert_loss_correct(fn: Callable[..., Any], loss: Loss, **options: Any) -> None:
    """Raise an AssertionError with the card, if a claim fails; for tests.

    Parameters
    ----------
    fn, loss, **options
        As for `check`.

    Raises
    ------
    AssertionError
        If a claim fails, or the function raises at every call.
    ValueError
        If an option is not valid.
    """
    report = check(fn, loss, **options)
    if not report.passed:
        raise AssertionError(f"\n{report}")


def _own_name(fn: Callable[..., Any]) -> str:
    module = getattr(fn, "__module__", None)
    name = getattr(fn, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        return f"{module}:{name}"
    return f"<{type(fn).__name__}>"
