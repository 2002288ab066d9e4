"""Hold what a function returned against what is right, and show the smallest failure."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tacref.verify.problems import Problem
from tacref.verify.report import Row
from tacref.verify.subject import Outcome, Subject, SubjectError

SECONDS_TO_SIMPLIFY = 3.0
MOST_NUMBERS = 64  # of an array written out in a snippet
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Deviation:
    """How far one result is from what is right."""

    error: float
    allowed: float

    @property
    def ratio(self) -> float:
        """Error over allowance; infinite where the result is not finite."""
        if self.error == 0:
            return 0.0
        return self.error / self.allowed if self.allowed > 0 and np.isfinite(self.error) else np.inf


def deviation(outcome: Outcome, problem: Problem, which: int | None) -> Deviation:
    """Compare the value (`which` None) or a gradient with the problem's answer."""
    value, gradients = problem.answer
    if which is None:
        error = abs(float(outcome.values[0]) - value)
        return Deviation(error, problem.value_tolerance(EPSILON))
    given = outcome.gradients[which]
    allowed = problem.gradient_tolerance(EPSILON)
    if given is None:
        return Deviation(float(np.abs(gradients[which]).max()), allowed)
    if given[0].shape != gradients[which].shape:
        return Deviation(np.inf, allowed)
    return Deviation(float(np.abs(given[0] - gradients[which]).max()), allowed)


def claim_row(
    claim: str, subject: Subject, problems: Iterable[Problem], which: int | None, note: str = ""
) -> Row:
    """Try problems, smallest first; the row tells the worst, and shows the first that fails."""
    worst, worst_problem, raised = Deviation(0.0, EPSILON), None, ""
    first: Problem | None = None
    for problem in problems:
        found, failure = _try(subject, problem, which)
        if first is None and (failure or found.ratio > 1):
            first = problem
        if worst_problem is None or found.ratio > worst.ratio:
            worst, worst_problem, raised = found, problem, failure
    if first is None or worst_problem is None:
        return Row(claim, "pass", worst.error, worst.allowed, note)
    told = raised or _diagnosis(worst, worst_problem, which)
    simple = _simplest(subject, first, which, time.monotonic() + SECONDS_TO_SIMPLIFY)
    shown = snippet(subject, simple, which)
    if raised:
        return Row(claim, "FAIL", note=told, snippet=shown)
    return Row(claim, "FAIL", worst.error, worst.allowed, told, shown)


def snippet(subject: Subject, problem: Problem, which: int | None, dtype: str = "float64") -> str:
    """Return code that shows what the function returns, and what is right."""
    value, gradients = problem.answer
    names = problem.spec.names
    right = value if which is None else gradients[which].tolist()
    lines = inputs_code(subject, problem.inputs, names, problem.origin, dtype)
    call = call_code(subject, names, problem.options)
    if subject.framework == "torch":
        lines += [f"value = {call}.sum()"]
        if which is not None:
            lines += ["value.backward()"]
        lines += ["print(value.item())" if which is None else f"print({names[which]}.grad)"]
    else:
        lines += [f"print({call})"]
    return "\n".join([*lines, f"# right: {_short(right)}"])


def inputs_code(
    subject: Subject,
    arrays: Sequence[np.ndarray],
    names: Sequence[str],
    origin: str = "",
    dtype: str = "float64",
) -> list[str]:
    """Return code that imports the function and makes its inputs, as a batch for torch."""
    module, colon, _ = subject.name.partition(":")
    lines = ["import numpy as np", *([f"import {module}"] if colon else [])]
    whole = subject.framework == "torch"
    if whole:
        lines.append("import torch")
    if origin and any(array.size > MOST_NUMBERS for array in arrays):
        lines += ["from tacref.verify.problems import Spec, draw", f"inputs = {origin}"]
        given = [f"inputs[{index}]{'[None]' if whole else ''}" for index in range(len(arrays))]
    else:
        given = [
            f"np.array({array[None].tolist() if whole and array.ndim == 2 else array.tolist()})"
            for array in arrays
        ]
        given = [text.replace("nan", "np.nan") for text in given]  # of padding
    for name, text in zip(names, given, strict=True):
        if whole:
            text = f"torch.tensor({text}, dtype=torch.{dtype}, requires_grad=True)"
        lines.append(f"{name} = {text}")
    return lines


def call_code(subject: Subject, names: Sequence[str], options: dict[str, Any]) -> str:
    """Return code that calls the function."""
    given = [*names, *(f"{name}={_literal(value)}" for name, value in options.items())]
    return f"{subject.name.replace(':', '.')}({', '.join(given)})"


def _literal(value: Any) -> str:
    return f"torch.tensor({value.tolist()})" if hasattr(value, "tolist") else repr(value)


def _short(right: Any) -> str:
    text = str(right)
    return text if len(text) < 2000 else f"{text[:200]} ..."


def _try(subject: Subject, problem: Problem, which: int | None) -> tuple[Deviation, str]:
    try:
        return deviation(subject.run(problem), problem, which), ""
    except SubjectError as error:
        return Deviation(np.inf, EPSILON), str(error)


def _fails(subject: Subject, problem: Problem, which: int | None) -> bool:
    found, failure = _try(subject, problem, which)
    return bool(failure) or found.ratio > 1


def _simplest(subject: Subject, problem: Problem, which: int | None, deadline: float) -> Problem:
    """Take away frames, then digits, as long as the function still fails and there is time."""
    for candidate in _smaller(problem):
        if time.monotonic() > deadline:
            return problem
        if _fails(subject, candidate, which):
            return _simplest(subject, candidate, which, deadline)
    rounded = (problem.rounded(digits) for digits in (1, 2, 3))
    return next((each for each in rounded if _fails(subject, each, which)), problem)


def _smaller(problem: Problem) -> Iterator[Problem]:
    """Give the problem with half of the frames, or one frame less, of either sequence."""
    inputs = problem.inputs
    for axis in (0, 1):
        whole = (
            inputs[0].shape[axis]
            if problem.spec.inputs == "costs"
            else (len(inputs[axis]) if axis < len(inputs) else 1)
        )
        for count in sorted({whole // 2, whole - 1}):
            if not 1 <= count < whole:
                continue
            if problem.spec.inputs == "costs":
                cut: tuple[np.ndarray, ...] = (
                    inputs[0][:count] if axis == 0 else inputs[0][:, :count],
                )
            else:
                cut = tuple(
                    array[:count] if index == axis else array for index, array in enumerate(inputs)
                )
            smaller = replace(problem, inputs=cut, origin="")
            if smaller.has_path:
                yield smaller


def _diagnosis(found: Deviation, problem: Problem, which: int | None) -> str:
    value, gradients = problem.answer
    right = abs(value) if which is None else float(np.abs(gradients[which]).max())
    if not np.isfinite(found.error):
        return "not a finite number, or of the wrong shape"
    if right == 0:
        return "should be 0"
    share = found.error / right
    if share == 1.0:
        return "as if 0"
    return "as if rounded to float32" if 1e-9 < share < 1e-5 else f"off by {share:.2g} of its size"
