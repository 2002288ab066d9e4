"""Claims about bands: which cells they mean, value and gradients, and bands that leave no path."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tacref.verify.band_cells import DEFINITIONS, FRACTIONS, OFFSET, inside
from tacref.verify.calls import call_torch, input_tensors, run_case, torch_options
from tacref.verify.cases import Case
from tacref.verify.draw import draw
from tacref.verify.findings import Finding
from tacref.verify.guard import SubjectError, guarded
from tacref.verify.judge import rows
from tacref.verify.problems import Problem
from tacref.verify.report import Row
from tacref.verify.snippets import call_lines, gradient_code, import_lines, snippet
from tacref.verify.subject import Subject

Shapes = Sequence[tuple[int, int, int]]


class _Asked(NamedTuple):
    """A problem with a band, the value of a function, and right values by their cells."""

    problem: Problem
    value: float | None
    rights: dict[bytes, float]


# n, m, width: definitions agree at n = m up to a width of one, and differ beyond.
_SQUARE: Shapes = ((6, 6, 2), (5, 5, 3), (7, 7, 1))
_NOT_SQUARE: Shapes = ((7, 9, 3), (9, 7, 3), (4, 8, 2), (8, 4, 2), (6, 7, 1))
_WIDTH_OF_0: Shapes = ((4, 4, 0),)
_WITHOUT_PATH: Shapes = (
    (5, 2, 1),
    (2, 5, 1),
    (2, 9, 1),
    (9, 2, 1),
    (3, 9, 2),
    (1, 8, 2),
    (8, 1, 2),
)
# A value tells which cells are meant, even if it is rounded to float32.
_SHARE_TO_RECOGNIZE = 1e-4
_DRAWS_OF_DTW = 6  # a least cost says little about cells it does not pass


def cells_of_the_band(subject: Subject, seed: int) -> Iterator[Row]:
    """Tell which cells a band means, by its values at n = m and at n != m."""
    claim = "cells of the band"
    if not _is_offered(subject):
        return
    subject.band_cells = None
    answers = [_ask(subject, seed, _SQUARE), _ask(subject, seed, _NOT_SQUARE)]
    fractions = []
    names = [name for name in DEFINITIONS if _explained(name, answers[0])]
    if not names:
        fractions = [_ask(subject, seed, shapes, True) for shapes in (_SQUARE, _NOT_SQUARE)]
        names = [name for name in FRACTIONS if _explained(name, fractions[0])]
    if names:
        counts = {name: _explained(name, (fractions or answers)[1]) for name in names}
        # Some leave a path at shapes where others leave none, and say nothing.
        best = max(names, key=counts.__getitem__)
        subject.band_cells = best
        if counts[best]:
            note = best
            if not fractions and _is_ignored(_ask(subject, seed, _WIDTH_OF_0)):
                subject.band_of_0 = False
                note += "; 0: no band"
            yield Row(claim, "pass", note=note)
            return
        note = f"at n = m {best}; at n != m no definition that is known"
        yield _fails(subject, claim, note, _case(subject, seed, *_NOT_SQUARE[0]))
    elif all(value is None for _, value, _ in answers[0]):
        yield Row(claim, "refused", note=_refusal(subject, seed))
    else:
        note = "at n = m no definition that is known"
        if _is_ignored(answers[0]):
            note = "every cell, as if there were no band"
        yield _fails(subject, claim, note, _case(subject, seed, *_SQUARE[0]))


def band(subject: Subject, seed: int) -> Iterator[Row]:
    """Compare a Sakoe-Chiba band with the oracle; if it is not |i - j| <= band, at n = m."""
    if not _is_offered(subject):
        yield Row("band", "not offered", note="takes no band")
        return
    definition = subject.band_cells
    if definition is None:  # its row says so
        return
    note = ""
    sizes: Shapes = (
        (1, 1, 0),
        (3, 3, 1),
        (4, 3, 1),
        (3, 4, 9),
        (4, 4, 0),
        (6, 6, 2),
        (9, 6, 3),
        (40, 38, 5),
        (90, 100, 31),
    )
    if definition != OFFSET:
        note = f"at n = m, of {definition.partition(':')[0]}"
        sizes = ((1, 1, 1), (3, 3, 2), (6, 6, 2), (9, 9, 3), (9, 9, 12), (40, 40, 5), (90, 90, 31))
    cases = []
    for n, m, width in sizes:
        if width or subject.band_of_0:
            options: dict[str, Any] = {}
            if n > 30 and "gamma" in subject.spec.options:
                options["gamma"] = 1.0
            problem = _problem(subject, (seed, n, m), n, m, width, **options)
            cases.append(Case((problem,), note))
    yield from rows(subject, "band", cases, note, by_part=True)


def band_without_a_path(subject: Subject, seed: int) -> Iterator[Row]:
    """Require +inf, with a gradient that is finite, or an error, where no path is inside a band."""
    claim = "band without a path"
    if not _is_offered(subject) or subject.band_cells is None:
        return
    cases = []
    for n, m, width in _WITHOUT_PATH:
        case = Case((_problem(subject, (seed, n, m), n, m, width),))
        if not case.problems[0].has_path:
            cases.append(case)
    if not cases:
        yield Row(claim, "pass", note="a band of this kind leaves a path at any lengths")
        return
    outcomes = [_without_path(subject, case) for case in cases]
    wrong: dict[str, list[Case]] = {}
    for case, (status, text) in zip(cases, outcomes, strict=True):
        if status == "FAIL":
            wrong.setdefault(text, []).append(case)
    if wrong:
        note = "; ".join(
            f"{text} ({', '.join('{} x {}'.format(*each.problems[0].shape) for each in those)})"
            for text, those in wrong.items()
        )
        shown = _snippet_without_path(subject, next(iter(wrong.values()))[0])
        yield Row(claim, "FAIL", note=note, snippet=shown)
        return
    status, text = next((each for each in outcomes if each[0] == "pass"), outcomes[0])
    yield Row(claim, "refused" if status == "refused" else "pass", note=text)


def _is_offered(subject: Subject) -> bool:
    return subject.spec.kind.takes_band and subject.has_parameters("band")


def banded_options(subject: Subject, n: int, m: int, width: int) -> dict[str, Any]:
    """Return the options that ask for a band of this width."""
    definition = subject.band_cells or OFFSET
    if definition in FRACTIONS:
        length = FRACTIONS[definition][0](n, m)
        # Half a cell more, lest the fraction be rounded down to a narrower band.
        return {"band": min(1.0, (width + 0.5) / length), "cells": definition}
    return {"band": width} | ({} if definition == OFFSET else {"cells": definition})


def _problem(
    subject: Subject, seed: Sequence[int], n: int, m: int, width: int, **options: Any
) -> Problem:
    return draw(subject.spec, seed, n, m, **banded_options(subject, n, m, width), **options)


def _case(subject: Subject, seed: int, n: int, m: int, band: float, number: int = 0) -> Case:
    # With a large gamma, every cell has its share in the value.
    options: dict[str, Any] = {"gamma": 1.0} if "gamma" in subject.spec.options else {}
    return Case((draw(subject.spec, (seed, n, m, number), n, m, band=band, **options),))


def _ask(subject: Subject, seed: int, shapes: Shapes, fraction: bool = False) -> list[_Asked]:
    """Return problems with a band, and the values of a function; None if it raises."""
    answers: list[_Asked] = []
    for n, m, width in shapes:
        for number in range(1 if subject.spec.kind.has_gradients else _DRAWS_OF_DTW):
            passed = (width + 0.5) / min(n, m) if fraction else width
            case = _case(subject, seed, n, m, passed, number)
            try:
                (value,) = run_case(subject, case).values
            except (SubjectError, ValueError):
                answers.append(_Asked(case.problems[0], None, {}))
            else:
                answers.append(_Asked(case.problems[0], float(value), {}))
    return answers


def _explained(definition: str, answers: list[_Asked]) -> int:
    """Return how many of these values a definition gives; 0 if it contradicts one."""
    count = 0
    for problem, value, rights in answers:
        asked = replace(problem, options=problem.options | {"cells": definition})
        if value is None or not asked.has_path:
            continue
        n, m = problem.shape
        # Most definitions agree at n = m; a divergence is also of each sequence with itself.
        shapes = ((n, m), (n, n), (m, m))
        masks = (inside(definition, *each, problem.options["band"]) for each in shapes)
        key = b"".join(mask.tobytes() for mask in masks)
        if key not in rights:
            rights[key] = asked.answer[0]
        if not _is_close(value, rights[key]):
            return 0
        count += 1
    return count


def _is_ignored(answers: list[_Asked]) -> bool:
    """Tell whether these are the values without a band."""
    return all(
        value is not None
        and _is_close(value, replace(problem, options=problem.options | {"band": None}).answer[0])
        for problem, value, _ in answers
    )


def _is_close(value: float, right: float) -> bool:
    return bool(abs(value - right) <= _SHARE_TO_RECOGNIZE * max(1.0, abs(right)))


def _refusal(subject: Subject, seed: int) -> str:
    try:
        run_case(subject, _case(subject, seed, *_SQUARE[0]))
    except SubjectError as error:
        return str(error)[:120]
    return "refuses some bands"


def _fails(subject: Subject, claim: str, note: str, case: Case) -> Row:
    right = f"{case.problems[0].answer[0]!r}, if it is {OFFSET}"
    return Row(claim, "FAIL", note=note, snippet=snippet(subject, Finding(case, None), right))


def _without_path(subject: Subject, case: Case) -> tuple[str, str]:
    """Return the outcome of a call whose band leaves no path."""
    if subject.framework != "torch":
        try:
            outcome = run_case(subject, case)
        except SubjectError as error:
            return "refused", str(error)[:120]
        (value,) = outcome.values
        found = [each for each in outcome.gradients if each is not None]
        return _judged(float(value), found or None, float(value))
    changed: set[str] = set()
    leaves = input_tensors(case)
    try:
        with guarded(changed):
            returned = call_torch(subject, leaves, torch_options(case))
            value = float(returned.detach().sum())
    except SubjectError as error:
        return "refused", str(error)[:120]
    gradients: list[np.ndarray] | None = None
    if subject.gradients and returned.requires_grad:
        try:
            with guarded(changed):
                import torch

                taken = torch.autograd.grad(returned.sum(), leaves, materialize_grads=True)
                gradients = [each.cpu().numpy() for each in taken]
        except SubjectError:  # an error is a valid answer to the question for a gradient
            gradients = None
    return _judged(value, gradients, float(returned.detach().sum()))


def _judged(value: float, gradients: list[np.ndarray] | None, later: float) -> tuple[str, str]:
    for number, when in ((value, ""), (later, " after the backward pass")):
        if number == -np.inf:
            return "FAIL", f"-inf{when}, the best loss there is"
        if np.isnan(number):
            return "FAIL", f"NaN{when}"
        if np.isfinite(number):
            return "FAIL", f"a finite number{when}, such as {number:.3g}"
    if gradients is None:
        return "pass", "+inf"
    if not all(np.isfinite(each).all() for each in gradients):
        return "FAIL", "+inf, with a gradient of NaN"
    zero = all((each == 0).all() for each in gradients)
    return "pass", f"+inf, with a gradient {'of 0' if zero else 'that is not 0'}"


def _snippet_without_path(subject: Subject, case: Case) -> str:
    lines = [*import_lines(subject, case), *call_lines(subject, case)]
    if subject.framework != "torch":
        shown = "result"
    elif subject.gradients:
        lines += ["print(value)", gradient_code(subject, case)]
        shown = ", ".join(["value", *(f"gradient_{name}" for name in case.spec.names)])
    else:
        shown = "value"
    return "\n".join(
        [*lines, f"print({shown})", "# right: +inf and a finite gradient, or an error"]
    )
