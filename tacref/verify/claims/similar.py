"""Claims about sequences that are alike: equal, ties, nearly equal, and far from the origin."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tacref.verify.calls import run_case
from tacref.verify.cases import Case
from tacref.verify.findings import Finding
from tacref.verify.guard import SubjectError
from tacref.verify.judge import as_exact_as, rows
from tacref.verify.problems import Problem
from tacref.verify.report import Row
from tacref.verify.snippets import snippet
from tacref.verify.spec import Spec
from tacref.verify.subject import Subject

# Distances from itself; the right values grow along them.
_AWAY = (0.0, 0.2, 0.4, 0.8)
# From 26 frames on, torch.cdist multiplies matrices: |x|^2 - 2 x y + |y|^2 loses all digits here.
_FRAMES_OF_CDIST = 25
_FAR = {"float64": (1e6, 0.01, 1e-3), "float32": (1e3, 0.1, 0.1)}  # origin, spread, gamma
_SHARE_ALLOWED_FAR = 0.03
_PAIRS_OF_NUMBERS = 24


def equal_sequences(subject: Subject, seed: int) -> Iterator[Row]:
    """Compare a sequence with itself, and sequences with ties: equal rows, all rows equal."""
    claim, spec = "equal sequences", subject.spec
    if not spec.kind.takes_band:
        return
    away = [_away(spec, seed, distance) for distance in _AWAY]
    cases = [Case((away[0],), "a sequence against itself")]
    cases += [Case((problem,), "moved away from itself") for problem in away[1:]]
    for n, m, pattern in (
        (1, 1, (0,)),
        (3, 3, (0, 1, 2)),
        (4, 6, (0, 0, 1, 1, 2, 2)),
        (5, 3, (0,) * 6),
    ):
        for gamma in (0.1, 1.0):
            x = _rows(seed, 3)
            problem = _pair(spec, x[list(pattern[:n])], x[list(pattern[:m])], gamma)
            label = "all rows equal" if set(pattern) == {0} else "equal rows"
            cases.append(Case((problem,), label))
    for row in rows(subject, claim, as_exact_as(subject, _with_path(cases))):
        if row.status == "FAIL":
            found = _told(subject, away)
            note = "; ".join(filter(None, (row.note, found)))
            row = Row(claim, "FAIL", row.error, row.allowed, note, row.snippet)
        yield row


def near_copies(subject: Subject, seed: int) -> Iterator[Row]:
    """Compare sequences that differ by rounding errors, or only in some rows."""
    claim, spec = "near copies", subject.spec
    if not spec.kind.takes_band:
        return
    cases = []
    for n in (1, 5):
        for difference in (1e-9, 1e-12, 1e-15):
            x = _rows(seed, n)
            y = x + difference * np.random.default_rng([seed, n, 12]).normal(size=x.shape)
            label = f"a copy with differences near {difference:g}"
            cases.append(Case((_pair(spec, x, y),), label))
            cases.append(Case((_pair(spec, x, np.concatenate((x, y[-1:]))),), label))
    x = _rows(seed, 6)
    y = x.copy()
    y[[1, 4]] += 1.0
    cases.append(Case((_pair(spec, x, y),), "a copy but for two rows"))
    if spec.loss == "dtw":
        # Code that gives up above a bound, the cost of equal times, may round that to less.
        for k in range(_PAIRS_OF_NUMBERS):
            x = _rows(seed + k, 3 + k % 6, 1)
            y = x + 0.01 * np.random.default_rng([seed, k, 12]).normal(size=x.shape)
            cases.append(Case((_pair(spec, x, y),), "a noisy copy, a number a frame"))
    if subject.framework == "torch":
        single = x.astype(np.float32)
        following = np.nextafter(single, np.float32(np.inf))
        pair = single.astype(np.float64), following.astype(np.float64)
        near = _pair(spec, *pair, dtype="float32")
        label = "the next numbers of float32"
        cases.append(Case((near,), label, dtype="float32", coarse=True))
    yield from rows(subject, claim, as_exact_as(subject, _with_path(cases)))


def frames_26(subject: Subject, seed: int) -> Iterator[Row]:
    """Compare near copies far from the origin, of 25 frames and of 26."""
    claim, spec = "26 frames", subject.spec
    if not spec.kind.takes_band or spec.inputs != "embeddings":
        return
    worst: tuple[float, Finding] | None = None
    notes = []
    dtypes = [spec.dtype]
    if subject.framework != "numpy" and spec.dtype == "float64":
        dtypes.append("float32")
    for dtype in dtypes:
        fails = {}
        for n in (_FRAMES_OF_CDIST, _FRAMES_OF_CDIST + 1):
            case = Case((_far_from_origin(spec, seed, n, dtype),), dtype=dtype)
            if not case.problems[0].has_path:  # by the steps, 26 frames do not fit 3
                return
            ratio, finding = _far_error(subject, case)
            fails[n] = ratio > 1
            if worst is None or not ratio <= worst[0]:
                worst = ratio, finding
        if fails[_FRAMES_OF_CDIST]:
            notes.append(f"{dtype}: squares cancel far from the origin, at 25 frames, too")
        elif fails[_FRAMES_OF_CDIST + 1]:
            notes.append(f"{dtype}: right at 25 frames, wrong at 26, as torch.cdist is")
    assert worst is not None
    ratio, finding = worst
    if ratio <= 1:
        yield Row(claim, "pass", finding.error, finding.allowed)
        return
    shown = snippet(subject, finding)
    if finding.message:
        yield Row(claim, "FAIL", note=finding.message, snippet=shown)
        return
    yield Row(claim, "FAIL", finding.error, finding.allowed, "; ".join(notes), shown)


def _with_path(cases: list[Case]) -> list[Case]:
    """Return the cases in which the steps allow a path."""
    return [case for case in cases if case.problems[0].has_path]


def _rows(seed: int, n: int, d: int = 2) -> np.ndarray:
    return np.random.default_rng([seed, n, 11]).normal(size=(n, d)).round(2)


def _pair(spec: Spec, x: np.ndarray, y: np.ndarray, gamma: float = 0.1, dtype: str = "") -> Problem:
    """Return the problem of two sequences, as costs if the function takes those."""
    dtype = dtype or spec.dtype
    options: dict[str, Any] = {"gamma": gamma} if "gamma" in spec.options else {}
    inputs: tuple[np.ndarray, ...] = (x, y)
    if spec.inputs == "costs":
        inputs = (((x[:, None] - y) ** 2).sum(-1),)
    return Problem(spec, tuple(each.astype(dtype).astype(np.float64) for each in inputs), options)


def _away(spec: Spec, seed: int, distance: float) -> Problem:
    x = _rows(seed, 4)
    return _pair(spec, x, x + distance * np.array([0.6, 0.8]), gamma=1.0)


def _told(subject: Subject, away: list[Problem]) -> str:
    """Say what a function makes of a sequence and itself, and of moving away."""
    found = []
    for problem in away:
        try:
            (value,) = run_case(subject, Case((problem,))).values
        except SubjectError:
            return ""
        found.append(float(value) + 0.0)  # no -0
    right = [problem.answer[0] for problem in away]
    texts = []
    if found[0] == 0 != right[0]:
        texts.append(f"0 for {right[0]:.3g}")
    if any(abs(a + b) <= 1e-3 * abs(b) for a, b in zip(found, right, strict=True) if b < 0):
        texts.append("an absolute value for a negative one")
    for k in range(len(away) - 1):
        if found[k + 1] < found[k]:
            step = f"from {found[k]:.3g} to {found[k + 1]:.3g}"
            texts.append(f"moving away comes nearer, {step}")
            break
    return ", ".join(texts)


def _far_from_origin(spec: Spec, seed: int, n: int, dtype: str) -> Problem:
    origin, spread, gamma = _FAR[dtype]
    rng = np.random.default_rng([seed, 26])
    x = (origin + spread * rng.normal(size=(_FRAMES_OF_CDIST + 1, 2))).astype(dtype)[:n]
    y = (origin + spread * rng.normal(size=(3, 2))).astype(dtype)
    options: dict[str, Any] = {"gamma": gamma} if "gamma" in spec.options else {}
    return Problem(spec, (x.astype(np.float64), y.astype(np.float64)), options)


def _far_error(subject: Subject, case: Case) -> tuple[float, Finding]:
    """Return the larger of the errors of value and gradients, as a share of what is allowed."""
    (problem,) = case.problems
    right, gradients = problem.answer
    try:
        outcome = run_case(subject, case)
    except SubjectError as error:
        return np.inf, Finding(case, None, message=str(error))
    worst = _share(case, None, outcome.values, np.array([right]), abs(right))
    if not outcome.no_gradient:
        for part in range(len(subject.gradients)):
            gradient, expected = outcome.gradients[part], gradients[part][None]
            if gradient is not None:
                found = _share(case, part, gradient, expected, np.abs(expected).max())
                worst = max(worst, found, key=lambda each: each[0])
    return worst


def _share(
    case: Case, part: int | None, found: np.ndarray, right: np.ndarray, size: float
) -> tuple[float, Finding]:
    if found.shape != right.shape:
        message = f"a result of shape {found.shape}, expected {right.shape}"
        return np.inf, Finding(case, part, message=message)
    allowed = _SHARE_ALLOWED_FAR * size
    errors = np.where(np.isfinite(found), np.abs(found - right), np.inf)
    index = tuple(int(k) for k in np.unravel_index(np.argmax(errors), errors.shape))
    error = float(errors[index])
    return error / allowed, Finding(case, part, error, allowed, index, size)
