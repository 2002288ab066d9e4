"""Rows of the card from cases: the worst finding, and code that shows the first failure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tacref.verify.cases import Case
from tacref.verify.findings import Finding, compare
from tacref.verify.report import Row
from tacref.verify.shrink import simplify
from tacref.verify.snippets import snippet
from tacref.verify.subject import Subject

# Of a function that rounds to float32, in claims about something else.
_DIGITS_OF_COARSE = 3


def as_exact_as(subject: Subject, cases: Iterable[Case]) -> list[Case]:
    """Ask for fewer digits if the function is known to round to float32: a row says so."""
    if not subject.coarse:
        return list(cases)
    return [replace(case, coarse=True, digits=_DIGITS_OF_COARSE) for case in cases]


def rows(
    subject: Subject, claim: str, cases: Iterable[Case], note: str = "", *, by_part: bool = False
) -> Iterator[Row]:
    """Try cases, smallest first; the row has the worst error and shows the first failure.

    With `by_part`, the value and each gradient have their own row, "CLAIM: value" and so on.
    """
    findings = [each for case in cases for each in compare(subject, case)]
    if by_part:
        yield from rows_by_part(subject, f"{claim}: ", findings, note)
    else:
        yield row(subject, claim, findings, note)


def rows_by_part(
    subject: Subject, prefix: str, findings: list[Finding], note: str = ""
) -> Iterator[Row]:
    """Yield a row for the value, and one for each gradient."""
    yield row(subject, f"{prefix}value", [each for each in findings if each.part is None], note)
    for part, name in enumerate(subject.gradients):
        of_part = [each for each in findings if each.part == part]
        yield row(subject, f"{prefix}gradient to {name}", of_part, note)


def row(subject: Subject, claim: str, findings: list[Finding], note: str = "") -> Row:
    """Return the row for these findings."""
    if not findings:
        return Row(claim, "not offered", note="float32 holds no digit of it")
    worst = max(findings, key=lambda each: each.ratio)
    if not worst.fails:
        return Row(claim, "pass", worst.error, worst.allowed, note)
    first = next(each for each in findings if each.fails)
    reported = worst if not worst.message or first.message else first
    shown = snippet(subject, simplify(subject, first))
    if reported.message:
        return Row(claim, "FAIL", note=reported.note, snippet=shown)
    return Row(claim, "FAIL", reported.error, reported.allowed, reported.note, shown)
