"""Claims about steps of a path and about paths themselves."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tacref.verify.calls import run_case
from tacref.verify.cases import Case
from tacref.verify.claims.values import SHAPES
from tacref.verify.draw import draw
from tacref.verify.guard import ReturnedError, SubjectError
from tacref.verify.judge import rows
from tacref.verify.path_oracle import STEPS
from tacref.verify.report import Row
from tacref.verify.subject import Subject


def path_and_value(subject: Subject, seed: int) -> Iterator[Row]:
    """Check that a path leads from end to end and is a cheapest one, and the value with it."""
    spec = subject.spec
    problems = [draw(spec, (seed, n, m), n, m) for n, m in SHAPES]
    if spec.inputs == "costs":
        # Many paths cost the same.
        for n, m in ((3, 3), (6, 5)):
            drawn = draw(spec, (seed, n, m, 1), n, m)
            problems += [drawn.with_inputs((np.ones((n, m)),)), drawn.rounded(0)]
    cases = [Case((each,)) for each in problems if each.has_path]
    yield from rows(subject, "path", cases)
    of_value = replace(subject, reader="value_with_path")
    try:
        run_case(of_value, cases[0])
    except ReturnedError:
        yield Row("value", "not offered", note="returns a path alone")
        return
    except SubjectError:
        return  # the row of the path says so
    yield from rows(of_value, "value", cases)


def other_steps(subject: Subject, seed: int) -> Iterator[Row]:
    """Pass `steps`, the names of docs/equations.md."""
    spec = subject.spec
    if not spec.kind.takes_steps or spec.steps != "any":
        return
    if not subject.has_parameters("steps"):
        yield Row("steps", "not offered", note="takes no steps")
        return
    cases = []
    for steps in STEPS:
        for n, m in ((1, 1), (2, 3), (4, 4), (6, 5), (12, 9), (7, 13)):
            problem = draw(spec, (seed, n, m), n, m, steps=steps)
            if problem.has_path:
                cases.append(Case((problem,), f"steps {steps}"))
    yield from _rows_unless_refused(subject, "steps", cases)


def band_shapes(subject: Subject, seed: int) -> Iterator[Row]:
    """Pass `band_shape`, the names of docs/equations.md."""
    spec = subject.spec
    if not (spec.kind.takes_band and subject.has_parameters("band", "band_shape")):
        return
    cases = []
    for n, m in ((1, 1), (3, 3), (4, 7), (9, 6), (12, 12)):
        widths: tuple[tuple[str, float], ...] = (
            ("diagonal", 1),
            ("diagonal", 3),
            ("itakura", 1.5),
            ("itakura", 2),
        )
        for shape, band in widths:
            options: dict[str, Any] = {"band": band, "band_shape": shape}
            problem = draw(spec, (seed, n, m), n, m, **options)
            if problem.has_path:
                cases.append(Case((problem,), f"band_shape {shape}"))
    yield from _rows_unless_refused(subject, "shapes of a band", cases)


def _rows_unless_refused(subject: Subject, claim: str, cases: list[Case]) -> Iterator[Row]:
    """Check the cases that the function takes; an option that it always refuses is not wrong."""
    refused: dict[str, str] = {}
    for label in dict.fromkeys(case.label for case in cases):
        largest = [case for case in cases if case.label == label][-1]
        try:
            run_case(subject, largest)
        except SubjectError as error:
            if isinstance(error.__cause__, ValueError | NotImplementedError):
                refused[label] = str(error.__cause__)
    taken = [case for case in cases if case.label not in refused]
    note = f"refuses {', '.join(refused)}" if refused else ""
    if all(case.label == "steps any" for case in taken):
        yield Row(claim, "refused", note=" ".join(next(iter(refused.values())).split())[:120])
    else:
        yield from rows(subject, claim, taken, note)
