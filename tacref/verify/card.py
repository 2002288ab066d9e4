"""Check a function: run every claim and make the card."""

from collections.abc import Callable, Iterator
from typing import Any, cast

from tacref.terminal import progress_bar
from tacref.verify.calls_jax import check_jax
from tacref.verify.claims import CLAIMS, CLAIMS_OF
from tacref.verify.claims.batches import find_reduction
from tacref.verify.findings import Finding
from tacref.verify.guard import ReturnedError, without_logs
from tacref.verify.probe import check_device, check_framework, first_case, persistent_error
from tacref.verify.report import Report, Row
from tacref.verify.snippets import call_lines, import_lines
from tacref.verify.snippets_jax import jax_snippet
from tacref.verify.spec import Inputs, Loss, Spec
from tacref.verify.subject import FRAMEWORKS, Framework, Subject, guess_inputs


def check(
    fn: Callable[..., Any],
    loss: Loss,
    *,
    inputs: Inputs | None = None,
    variant: str | None = None,
    framework: Framework | None = None,
    steps: str = "any",
    dtype: str = "float64",
    device: str = "cpu",
    name: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Report:
    """Check a loss against right answers, claim by claim.

    Parameters
    ----------
    fn : callable
        The loss. With torch: `fn(D, gamma=...)` with D `(B, n, m)`, or `fn(x, y, gamma=...)` with
        `(B, n, d)` and `(B, m, d)`; `fn(x, sigma=..., margin=...)` for Contrastive-IDM;
        `fn(x, y, gamma=..., alpha=..., sigma=..., margin=...)` for LAV. It returns `(B,)`, or the
        sum or the mean over the batch. `lengths_x`, `lengths_y` (`lengths`), `band`, `band_shape`
        and `steps` are tried if it has parameters of these names. With NumPy it takes the arrays of
        one item and returns `(value, gradient, ...)`. docs/verify.md has the other losses.
    loss : str
        The loss that it claims to compute: "dtw", "soft_dtw", "contrastive_idm", "lav",
        "divergence", "tcc", "sequence_contrastive", "dtw_path" or "barycenter".
    inputs : {"costs", "embeddings"}, optional
        What (soft-)DTW takes. By default embeddings if the function has two parameters in addition
        to the options, else costs. The other losses take embeddings.
    variant : str, optional
        Variant of a loss that has several, by default the first: "paper", "official", "printed" or
        "laser" of Contrastive-IDM and LAV, "regression_mse_var" or "regression_mse" of TCC, "soft"
        or "dba" of a barycenter.
    framework : {"torch", "numpy", "jax"}, optional
        What the function computes with; by default torch, for paths and barycenters NumPy. With
        JAX it takes the arrays of one item and returns the value.
    steps : {"any", "slope", "asymmetric"}
        Steps of a path.
    dtype : {"float64", "float32"}
        Of the inputs. Of float32, as many digits as its rounding leaves must be right.
    device : str
        Where tensors are: "cpu" or "cuda".
    name : str, optional
        Its name on the card. By default its module and name.
    seed : int
        Seed of the inputs, >= 0.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    Report
        `report.passed`, and a row per claim; `print(report)` shows it. `report.error` says why the
        function could not be checked: it raised in every call.

    Raises
    ------
    ValueError
        If an argument is not valid, `fn` does not take what the loss does, it works only with the
        other framework, or JAX or the device is not there.
    """
    if not callable(fn):
        raise ValueError(f"fn must be a function, got {type(fn).__name__}")
    if framework not in (None, *FRAMEWORKS):
        raise ValueError(f"framework must be {' or '.join(FRAMEWORKS)}, got {framework!r}")
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")
    spec = Spec(loss, inputs or guess_inputs(fn), variant or "", steps, dtype, device)
    framework = framework or cast("Framework", spec.kind.framework)
    if framework not in spec.kind.frameworks:
        allowed = " or ".join(spec.kind.frameworks)
        raise ValueError(f"framework must be {allowed} for {loss}, got {framework!r}")
    if framework == "jax":
        check_jax()
    check_device(device, framework)
    subject = Subject(fn, spec, name or _qualified_name(fn), framework)
    subject.check_parameters()
    equation = f"{loss}, {spec.kind.equation}, of {spec.inputs}"
    if spec.kind.variants:
        equation += f", variant {spec.variant}"
    if steps != "any":
        equation += f", steps {steps}"
    if (dtype, device) != ("float64", "cpu"):
        equation += f", {dtype} on {device}"
    error = persistent_error(subject, seed)
    if error is None:
        with without_logs():  # once, not in every call
            rows = tuple(claim_rows(subject, seed, progress=progress))
        return Report(subject.name, equation, rows)
    check_framework(subject, seed, error)
    case = first_case(subject, seed)
    shown = jax_snippet(subject, Finding(case, None)) if framework == "jax" else ""
    if not shown:
        result = "value" if framework == "torch" else "result"
        lines = [*import_lines(subject, case), *call_lines(subject, case), f"print({result})"]
        shown = "\n".join([*lines, f"# right: {case.problems[0].answer[0]!r}"])
    row = Row("value", "FAIL", note=f"in every call: {error}", snippet=shown)
    # A function that returns the wrong kind of object was checked, and is wrong.
    message = "" if isinstance(error, ReturnedError) else f"{subject.name}: always {error}"
    return Report(subject.name, equation, (row,), message)


def claim_rows(subject: Subject, seed: int, *, progress: bool = False) -> Iterator[Row]:
    """Yield the rows of the card, claim by claim."""
    find_reduction(subject, seed)
    claims = CLAIMS_OF.get(subject.spec.loss, CLAIMS)
    for claim in progress_bar(claims, "verify", len(claims), "claims", enabled=progress):
        yield from claim(subject, seed)


def assert_loss_correct(fn: Callable[..., Any], loss: Loss, **options: Any) -> None:
    """Raise an AssertionError with the card if a claim fails; for tests.

    Parameters
    ----------
    fn, loss, **options
        As for `check`.

    Raises
    ------
    AssertionError
        If a claim fails, or the function raises in every call.
    ValueError
        If an option is not valid.
    """
    __tracebackhide__ = True  # pytest shows the line of the test, and the card
    report = check(fn, loss, **options)
    if not report.passed:
        raise AssertionError(f"\n{report}")


def _qualified_name(fn: Callable[..., Any]) -> str:
    module = getattr(fn, "__module__", None)
    name = getattr(fn, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        return f"{module}:{name}"
    return f"<{type(fn).__name__}>"
