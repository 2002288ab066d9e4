"""Claims about one item: value and gradients, the gradient from above, options, dead terms."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tacref.verify.calls import run_case
from tacref.verify.cases import Case
from tacref.verify.draw import draw
from tacref.verify.findings import Finding, compare
from tacref.verify.guard import SubjectError
from tacref.verify.judge import row, rows, rows_by_part
from tacref.verify.kinds import Term
from tacref.verify.problems import Problem
from tacref.verify.report import Row
from tacref.verify.snippets import snippet
from tacref.verify.spec import Spec
from tacref.verify.subject import Subject

_SHARE_OF_ROUNDING = 1e-3
# Small shapes first, so that the first failure is small.
SHAPES = ((1, 1), (1, 3), (3, 1), (2, 2), (3, 4), (6, 5), (12, 9))


def draw_upstream(seed: int, B: int) -> tuple[float, ...]:
    """Draw gradients from above: of both signs, none of them 1, 0 or equal to its neighbor."""
    rng = np.random.default_rng([seed, B, 7])
    sizes = rng.permutation(np.linspace(0.3, 2.5, max(B, 4)))[:B]
    signs = np.where((np.arange(B) + rng.integers(2)) % 2 == 0, 1.0, -1.0)
    return tuple(float(each) for each in (signs * sizes).round(3) + 0.0005)


def value_and_gradients(subject: Subject, seed: int) -> Iterator[Row]:
    """Value and each gradient, at small shapes and several gammas, to 50 digits."""
    spec = subject.spec
    problems = [
        draw(spec, (seed, n, m), n, m, **setting)
        for n, m in SHAPES
        for setting in spec.kind.settings
    ]
    if spec.inputs == "embeddings":
        problems += [draw(spec, (seed, 3, d), 3, 4, d=d) for d in (1, 17)]
    cases = [Case((problem,)) for problem in problems if problem.has_path]
    findings = [each for case in cases for each in compare(subject, case)]
    yield from rows_by_part(subject, "", findings)
    of_gradients = [each for each in findings if each.part is not None]
    # A function without any gradient fails here, not in every row.
    if of_gradients and all(each.message for each in of_gradients):
        subject.differentiable = False
    subject.coarse = any(each.fails for each in findings) and all(map(_is_near, findings))


def _is_near(finding: Finding) -> bool:
    """Whether a result is right but for rounding to float32."""
    size = max(finding.largest, max(each.scale for each in finding.case.problems))
    return finding.error <= _SHARE_OF_ROUNDING * size


def upstream_gradient(subject: Subject, seed: int) -> Iterator[Row]:
    """Multiply the gradient of each item by its own gradient from above."""
    claim = "upstream gradient"
    if subject.framework == "numpy":
        if subject.spec.gradients:
            yield Row(claim, "not offered", note="a NumPy function returns its gradients")
        return
    if not subject.gradients:
        return
    problems = [draw(subject.spec, (seed, n, m), n, m) for n, m in ((1, 1), (2, 2), (6, 5))]
    problems += [draw(subject.spec, (seed, item, 6), 6, 5) for item in range(4)]
    single = [
        Case((problem,), f"a gradient from above of {above}", (above,))
        for problem in problems[:3]
        for above in (2.0, -1.0, draw_upstream(seed, 1)[0])
    ]
    several = []
    if subject.reduction != "neither":
        each = draw_upstream(seed, 4)
        several = [
            Case(tuple(problems[3:]), "gradients from above that differ", each),
            Case(tuple(problems[3:]), "a gradient from above of 0", (0.0, *each[1:])),
        ]
    # The gradient at 1 has its own row.
    wrong = {f.part for p in problems[1:3] for f in compare(subject, Case((p,))) if f.fails}
    findings = [each for case in (*single, *several) for each in compare(subject, case)]
    findings = [each for each in findings if each.part is not None and each.part not in wrong]
    if findings:
        outcome = row(subject, claim, findings)
    else:
        outcome = _row_of_doubled_gradient(subject, claim, problems[2])
    yield outcome
    subject.uses_upstream = outcome.status != "FAIL"


def _row_of_doubled_gradient(subject: Subject, claim: str, problem: Problem) -> Row:
    """Check gradients that are wrong at 1 against themselves: 2 from above must double them."""
    at_1, at_2 = Case((problem,)), Case((problem,), upstream=(2.0,))
    for part in range(len(subject.gradients)):
        one, two = (_gradient(subject, case, part) for case in (at_1, at_2))
        if one is None or two is None:
            continue  # it raised, which another row says
        error, allowed = float(np.abs(two - 2 * one).max()), 1e-2 * float(np.abs(one).max())
        if not error <= allowed:
            shown = snippet(subject, Finding(at_2, part), f"{(2 * one[None]).tolist()}, as at 1")
            note = "2 from above does not double the gradient"
            return Row(claim, "FAIL", error, allowed, note, shown)
    return Row(claim, "pass", note="2 from above doubles the gradient, which is wrong at 1")


def options(subject: Subject, seed: int) -> Iterator[Row]:
    """Try several values of each option, with the others at their defaults and not."""
    for name in subject.spec.options:
        cases = []
        for value in subject.spec.numbers[name].tried:
            option: dict[str, Any] = {name: value}
            problem = draw(subject.spec, (seed, 6, 5), 6, 5, **option)
            cases.append(Case((problem,), f"{name} {value}"))
        for outcome in rows(subject, f"option {name}", cases):
            if outcome.status == "FAIL":
                subject.wrong_options.add(name)
            yield outcome
    if len(subject.spec.options) > 1:
        combined = []
        for name in subject.spec.options:
            wrong = name in subject.wrong_options
            for value in () if wrong else subject.spec.numbers[name].tried:
                combination = subject.other_options() | {name: value}
                label = ", ".join(f"{key} {number}" for key, number in combination.items())
                problem = draw(subject.spec, (seed, 5, 6), 5, 6, **combination)
                combined.append(Case((problem,), label))
        if combined:
            yield from rows(subject, "options together", combined)


def dead_terms(subject: Subject, seed: int) -> Iterator[Row]:
    """Check that no term of the loss has a gradient that is always zero."""
    if not subject.spec.gradients:
        return
    claim = "no dead term"
    if not subject.differentiable:
        yield Row(claim, "FAIL", note="it has no gradient at all")
        return
    dead: list[tuple[str, Finding]] = []
    for term, part, problem, without in _terms(subject.spec, seed):
        gradient, rest = _gradient(subject, Case((problem,)), part), None
        if without is not None:
            rest = _gradient(subject, Case((without,)), part)
        if gradient is None or (without is not None and rest is None):
            continue  # it raised, which another row says
        moved = float(np.abs(gradient - (0.0 if rest is None else rest)).max())
        if moved == 0.0:
            each = next(f for f in compare(subject, Case((problem,))) if f.part == part)
            dead.append((term, each))
    if not dead:
        yield Row(claim, "pass")
        return
    note = "zero gradient: " + ", ".join(term for term, _ in dead)
    yield Row(claim, "FAIL", note=note, snippet=snippet(subject, dead[0][1]))


def _gradient(subject: Subject, case: Case, part: int) -> np.ndarray | None:
    try:
        outcome = run_case(subject, case)
    except SubjectError:
        return None
    if outcome.no_gradient:
        return None
    gradient = outcome.gradients[part]
    return np.zeros_like(case.problems[0].inputs[part]) if gradient is None else gradient[0]


def _terms(spec: Spec, seed: int) -> Iterator[tuple[str, int, Problem, Problem | None]]:
    """Yield each term: its name, argument, a problem that it affects, and one without the term."""
    terms = spec.kind.terms() if spec.inputs == "embeddings" else _term_of_costs()
    for term in terms:
        problem = draw(spec, (seed,), *term.shape, **term.options)
        without = None
        if term.without is not None:
            without = draw(spec, (seed,), *term.shape, **term.without)
        yield term.name, term.argument, problem, without


def _term_of_costs() -> Iterator[Term]:
    yield Term("alignment to D", 0, (3, 2), {})
