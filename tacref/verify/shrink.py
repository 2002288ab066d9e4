"""Making a failing case smaller, as long as it still fails."""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tacref.verify.cases import Case
from tacref.verify.draw import is_clear
from tacref.verify.findings import Finding, compare
from tacref.verify.problems import Problem
from tacref.verify.subject import Subject

MAX_SECONDS_TO_SIMPLIFY = 1.0
_DIGITS = (1, 2, 3)
_MIN_CLEARANCE = 1e-3  # of rounded inputs from the kinks


def simplify(subject: Subject, finding: Finding) -> Finding:
    """Remove items, then frames, then digits, while there is time."""
    if not finding.case.is_plain:  # the calls around it have the same shape
        return finding
    deadline = time.monotonic() + MAX_SECONDS_TO_SIMPLIFY
    smaller: Finding | None = finding
    while smaller is not None:
        finding, smaller = smaller, None
        for candidate in _smaller(finding.case):
            if time.monotonic() > deadline:
                return finding
            smaller = _failing(subject, candidate, finding.part)
            if smaller is not None:
                break
    for digits in _DIGITS:
        problems = tuple(problem.rounded(digits) for problem in finding.case.problems)
        if all(is_clear(each, _MIN_CLEARANCE) for each in problems):
            rounded = _failing(subject, replace(finding.case, problems=problems), finding.part)
            if rounded is not None:
                return rounded
    return finding


def _failing(subject: Subject, case: Case, part: int | None) -> Finding | None:
    failing = (each for each in compare(subject, case) if each.part == part and each.fails)
    return next(failing, None)


def _smaller(case: Case) -> Iterator[Case]:
    """Yield the case with fewer items, or its only item with fewer frames of either sequence."""
    B = len(case.problems)
    if B > 1:
        half = B // 2
        for items in (slice(half), slice(half, B), slice(B - 1), slice(1, B)):
            upstream = None if case.upstream is None else case.upstream[items]
            yield replace(case, problems=case.problems[items], upstream=upstream)
        return
    (problem,) = case.problems
    if "times" not in problem.options:
        yield from (replace(case, problems=(each,)) for each in _fewer_frames(problem))


def _fewer_frames(problem: Problem) -> Iterator[Problem]:
    for axis in (0,) if problem.spec.kind.single else (0, 1):
        length = problem.shape[axis]
        for count in sorted({length // 2, length - 1} - {0}):
            if problem.spec.inputs == "costs":
                D = problem.inputs[0]
                inputs: tuple[np.ndarray, ...] = (D[:count] if axis == 0 else D[:, :count],)
            else:
                inputs = tuple(
                    array[:count] if index == axis else array
                    for index, array in enumerate(problem.inputs)
                )
            smaller = problem.with_inputs(inputs)
            if smaller.has_path:
                yield smaller
