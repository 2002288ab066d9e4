"""Make rows of the card from cases: the worst finding, and code that shows the first failure."""

from collections.abc import Iterable, Iterator

from tacref.verify.cases import Case
from tacref.verify.findings import Finding, compare
from tacref.verify.report import Row
from tacref.verify.shrink import simplest
from tacref.verify.snippets import snippet
from tacref.verify.subject import Subject


def rows(
    subject: Subject, claim: str, cases: Iterable[Case], note: str = "", *, apart: bool = False
) -> Iterator[Row]:
    """Try cases, smallest first; a row tells the worst, and shows the first that fails.

    With `apart`, the value and each gradient have a row of their own, "CLAIM: value" and so on.
    """
    found = [each for case in cases for each in compare(subject, case)]
    if apart:
        yield from rows_apart(subject, f"{claim}: ", found, note)
    else:
        yield row(subject, claim, found, note)


def rows_apart(subject: Subject, head: str, found: list[Finding], note: str = "") -> Iterator[Row]:
    """Return a row of the value, and one of each gradient."""
    yield row(subject, f"{head}value", [each for each in found if each.part is None], note)
    for part, name in enumerate(subject.gradients):
        of_part = [each for each in found if each.part == part]
        yield row(subject, f"{head}gradient to {name}", of_part, note)


def row(subject: Subject, claim: str, found: list[Finding], note: str = "") -> Row:
    """Return the row of these findings."""
    worst = max(found, key=lambda each: each.ratio)
    if not worst.fails:
        return Row(claim, "pass", worst.error, worst.allowed, note)
    first = next(each for each in found if each.fails)
    told = worst if not worst.message or first.message else first
    shown = snippet(subject, simplest(subject, first))
    if told.message:
        return Row(claim, "FAIL", note=told.note, snippet=shown)
    return Row(claim, "FAIL", told.error, told.allowed, told.note, shown)
