"""How far what a function returned is from what is right: a finding for each part of a result."""

from dataclasses import dataclass, replace

import numpy as np

from tacref.verify.calls import run
from tacref.verify.cases import Case
from tacref.verify.guard import SubjectError
from tacref.verify.subject import Subject


@dataclass(frozen=True)
class Finding:
    """How far one part of a result is from what is right.

    Parameters
    ----------
    case : Case
        The call.
    part : int, optional
        Which input the gradient belongs to; None is the value.
    error, allowed : float
        At the worst entry.
    index : tuple of int
        The worst entry.
    largest : float
        The largest right entry.
    message : str
        What was raised, if there are no numbers.
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
        """Error over allowance; infinite where the result is not finite."""
        if self.error == 0:
            return 0.0
        return self.error / self.allowed if self.allowed > 0 and np.isfinite(self.error) else np.inf

    @property
    def fails(self) -> bool:
        """Whether it is further away than allowed."""
        return self.ratio > 1

    @property
    def note(self) -> str:
        """What a reader should know of a failure."""
        label = f"{self.case.label}: " if self.case.label else ""
        return label + (self.message or self._diagnosis())

    def _diagnosis(self) -> str:
        if not np.isfinite(self.error):
            return "not a finite number"
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
    """Make the call; compare the value, and each gradient that is asked for."""
    if not (subject.heeds_upstream and subject.framework == "torch"):
        case = replace(case, upstream=None)
    parts = [None, *(k for k in range(len(subject.gradients)) if case.wanted(k))]
    try:
        outcome = run(subject, case)
    except SubjectError as error:
        return [Finding(case, part, message=str(error)) for part in parts]
    found = []
    for part in parts:
        if part is None:
            right, allowed = case.right_values(subject.reduction)
            given: np.ndarray | None = outcome.values
            if outcome.values.shape != right.shape:
                shapes = f"returned {len(outcome.values)} values, expected {len(right)}"
                found.append(Finding(case, None, message=shapes))
                continue
        elif outcome.no_gradient:
            found.append(Finding(case, part, message=outcome.no_gradient))
            continue
        else:
            right, allowed = case.right_gradient(part, subject.reduction)
            given = outcome.gradients[part]
        found.append(_compare_part(case, part, given, right, allowed))
    return found


def _compare_part(
    case: Case, part: int | None, given: np.ndarray | None, right: np.ndarray, allowed: np.ndarray
) -> Finding:
    if given is None:
        given = np.zeros_like(right)
    if given.shape != right.shape:
        shapes = f"a gradient of shape {given.shape}, expected {right.shape}"
        return Finding(case, part, message=shapes)
    error = np.abs(given - right)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0, 0.0, error / allowed)
    ratio[~np.isfinite(ratio)] = np.inf
    index = tuple(int(k) for k in np.unravel_index(np.argmax(ratio), ratio.shape))
    largest = float(np.abs(right).max())
    return Finding(case, part, float(error[index]), float(allowed[index]), index, largest)
