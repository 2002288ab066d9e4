"""Claims about numerical extremes: small gamma, large costs, long sequences, float32."""

from collections.abc import Iterator
from typing import Any

from tacref.verify.cases import Case
from tacref.verify.claims.values import draw_upstream
from tacref.verify.draw import draw
from tacref.verify.findings import Finding, compare
from tacref.verify.judge import row, rows, rows_by_part
from tacref.verify.report import Row
from tacref.verify.subject import Subject

MAX_SECONDS_PER_CALL = 4.0
MAX_FRAMES = 900
# Around powers of two, where code that works in blocks fails, and beyond 700 frames.
_LONG_SHAPES = (
    (33, 31),
    (5, 257),
    (257, 5),
    (64, 64),
    (65, 63),
    (100, 90),
    (129, 127),
    (3, 900),
    (900, 3),
)
_DIMENSIONS = 8
# The time of a smaller call says little about that of a larger one.
_MIN_CELLS_TO_MEASURE = 1000


def small_gamma(subject: Subject, seed: int) -> Iterator[Row]:
    """Costs near 1, gamma down to 1e-6."""
    if "gamma" in subject.spec.options:
        cases = [
            Case((draw(subject.spec, (seed, 1), 5, 4, gamma=gamma),))
            for gamma in (1e-2, 1e-3, 1e-6)
        ]
        yield from rows(subject, "small gamma", cases, by_part=True)


def large_cost(subject: Subject, seed: int) -> Iterator[Row]:
    """Costs up to 1e6, gamma 0.1."""
    if not subject.spec.kind.single:
        cases = [
            Case((draw(subject.spec, (seed, 2), 5, 4, scale=scale),)) for scale in (9e2, 1e4, 1e6)
        ]
        yield from rows(subject, "large cost", cases, by_part=True)


def long_sequences(subject: Subject, seed: int) -> Iterator[Row]:
    """Up to 900 frames, if the function is fast enough."""
    claim = "long sequences"
    sizes: tuple[tuple[int, int], ...] = (*_LONG_SHAPES, (740, 710))
    longest = min(MAX_FRAMES, subject.spec.long_frames)
    if subject.spec.kind.single:
        sizes = tuple((n, n) for n in (33, 64, 65, 100, 129, 257, 740))
    cases = []
    for n, m in sizes:
        if max(n, m) > longest:
            continue
        problem = draw(subject.spec, (seed, n), n, m, d=_DIMENSIONS)
        if not problem.has_path:
            continue
        cases.append(Case((problem,), f"{n} x {m}", draw_upstream(seed + n, 1)))
    findings, note = _in_time(subject, cases)
    yield from rows_by_part(subject, f"{claim}: ", findings, note)


def single_precision(subject: Subject, seed: int) -> Iterator[Row]:
    """float32 inputs: 4 digits of value and gradients when short, fewer when long."""
    spec, cases = subject.spec, []
    sizes = [
        (2, 2, 4, 0.1),
        (8, 7, 4, 0.1),
        (64, 60, 3, 1.0),
        (5, 257, 3, 1.0),
        (800, 3, 2, 10.0),
        (300, 270, 2, 10.0),
    ]
    for n, m, digits, gamma in sizes:
        if max(n, m) > min(MAX_FRAMES, spec.long_frames):
            continue
        options: dict[str, Any] = {"gamma": gamma} if "gamma" in spec.options else {}
        problem = draw(spec, (seed, n), n, m, d=_DIMENSIONS, dtype="float32", **options)
        if not problem.has_path:
            continue
        above = draw_upstream(seed + n, 1)
        cases.append(Case((problem,), f"{n} x {m}", above, "float32", digits))
    if subject.takes_batches:
        items = tuple(draw(spec, (seed, 8, item), 6, 5, dtype="float32") for item in range(8))
        cases.append(Case(items, "a batch of 8", draw_upstream(seed, 8), "float32"))
    findings, note = _in_time(subject, cases)
    yield row(subject, "float32 inputs", findings, note)


def _in_time(subject: Subject, cases: list[Case]) -> tuple[list[Finding], str]:
    """Make the calls for which the function is fast enough, and name those left out."""
    findings: list[Finding] = []
    left_out = []
    fastest = 0.0  # seconds a cell
    measured: Case | None = None
    for case in cases:
        if measured is not None and fastest * _cells(case) > MAX_SECONDS_PER_CALL:
            compare(subject, measured)  # the first call may have compiled something
            fastest, measured = min(fastest, subject.seconds / _cells(measured)), None
        if fastest * _cells(case) > MAX_SECONDS_PER_CALL:
            left_out.append(case.label)
            continue
        findings += compare(subject, case)
        if _cells(case) >= _MIN_CELLS_TO_MEASURE:
            seconds = subject.seconds / _cells(case)
            measured, fastest = case, min(fastest or seconds, seconds)
    return findings, f"too slow for {', '.join(left_out)}" if left_out else ""


def _cells(case: Case) -> int:
    return sum(problem.shape[0] * problem.shape[1] for problem in case.problems)
