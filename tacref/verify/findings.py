"""How far a function's result is from the right one: a finding for each of its parts."""

from dataclasses import dataclass, replace

import numpy as np

from tacref.verify.calls import run_case
from tacref.verify.cases import Case
from tacref.verify.guard import SubjectError
from tacref.verify.subject import Subject


@dataclass(frozen=True)
class Finding:
    """How far one part of a result is from the right one.

    Parameters
    ----------
    case : Case
        The call.
    part : int, optional
        Number of the input to which the gradient belongs; None for the value.
    error, allowed : float
        Error and allowed error of the worst entry.
    index : tuple of int
        Index of the worst entry.
    largest : float
        Largest right entry.
    message : str
        What went wrong, if there are no numbers.
    """

    case: Case
    part: int | None
    error: float = np.inf
    allowed: float = 0.0
    index: tuple[int, ...] = ()
    largest: float = 0.0
    message: str = ""

    @property
    def ratio(self) -> float:
        """Error divided by the allowed error; infinite if the result is not finite."""
        if self.error == 0:
            return 0.0
        return self.error / self.allowed if self.allowed > 0 and np.isfinite(self.error) else np.inf

    @property
    def fails(self) -> bool:
        """Whether the error is larger than allowed."""
        return self.ratio > 1

    @property
    def note(self) -> str:
        """What a reader should know about a failure."""
        label = f"{self.case.label}: " if self.case.label else ""
        return label + (self.message or self._diagnosis())

    def _is_padding(self) -> bool:
        """Whether the worst entry of a gradient lies beyond its item."""
        item, *position = self.index
        shape = self.case.problems[item].inputs[self.part or 0].shape
        return any(at >= size for at, size in zip(position, shape, strict=True))

    def _diagnosis(self) -> str:
        if not np.isfinite(self.error):
            if self.part is None or not self.case.lengths:
                return "not a finite number"
            where = "the padding" if self._is_padding() else "a valid frame"
            return f"the gradient of {where} is not a finite number"
        if self.allowed == 0:
            return "a gradient in the padding is not 0" if self.case.lengths else "should be 0"
        if self.largest == 0:
            return "should be 0"
        share = self.error / self.largest
        if share == 1.0:
            return "as if 0"
        if 1e-9 < share < 1e-5 and self.case.dtype == "float64":
            return "as if rounded to float32"
        return f"off by {share:.2g} of its size"


def compare(subject: Subject, case: Case) -> list[Finding]:
    """Make the call, and compare the value and each gradient with the right ones."""
    if not (subject.uses_upstream and subject.framework != "numpy"):
        case = replace(case, upstream=None)
    parts: list[int | None] = [None]
    if case.compares_gradients():
        parts += (k for k in range(len(subject.gradients)) if case.requires_gradient(k))
    try:
        outcome = run_case(subject, case)
    except SubjectError as error:
        return [Finding(case, part, message=str(error)) for part in parts]
    findings = []
    for part in parts:
        if part is None:
            right, allowed = case.right_values(subject.reduction)
            returned: np.ndarray | None = outcome.values
            if outcome.values.shape != right.shape:
                shapes = f"returned {len(outcome.values)} values, expected {len(right)}"
                findings.append(Finding(case, None, message=shapes))
                continue
        elif outcome.no_gradient:
            findings.append(Finding(case, part, message=outcome.no_gradient))
            continue
        else:
            right, allowed = case.right_gradient(part, subject.reduction)
            returned = outcome.gradients[part]
        findings.append(_compare_part(case, part, returned, right, allowed))
    return findings


def _compare_part(
    case: Case,
    part: int | None,
    returned: np.ndarray | None,
    right: np.ndarray,
    allowed: np.ndarray,
) -> Finding:
    if returned is None:
        returned = np.zeros_like(right)
    if returned.shape != right.shape:
        shapes = f"a gradient of shape {returned.shape}, expected {right.shape}"
        return Finding(case, part, message=shapes)
    error = np.abs(returned - right)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0, 0.0, error / allowed)
    ratio[~np.isfinite(ratio)] = np.inf
    if np.isinf(ratio).any() and (right != 0).any():  # a wrong gradient of a frame comes first
        ratio = np.where(right == 0, np.minimum(ratio, np.finfo(float).max), ratio)
    index = tuple(int(k) for k in np.unravel_index(np.argmax(ratio), ratio.shape))
    largest = float(np.abs(right).max())
    return Finding(case, part, float(error[index]), float(allowed[index]), index, largest)
