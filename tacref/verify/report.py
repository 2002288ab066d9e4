"""The report card: a row per claim, as text or JSON."""

import math
import platform
import sys
import textwrap
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import numpy as np

import tacref

Status = Literal["pass", "FAIL", "refused", "not offered"]


@dataclass(frozen=True)
class Row:
    """One claim and its outcome.

    Parameters
    ----------
    claim : str
        The claim.
    status : {"pass", "FAIL", "refused", "not offered"}
        "refused": the function raised a clear error instead of returning a wrong number. "not
        offered": it has no such option. Neither is a failure.
    error, allowed : float, optional
        Absolute error and allowed error of the worst case, the one with the largest ratio.
    note : str
        What a reader should know.
    snippet : str
        Code that shows a failure.
    """

    claim: str
    status: Status
    error: float | None = None
    allowed: float | None = None
    note: str = ""
    snippet: str = ""


@dataclass(frozen=True)
class Report:
    """The card of one function.

    Parameters
    ----------
    name : str
        The function.
    equation : str
        The equation that it claims to compute.
    rows : tuple of Row
        One per claim.
    error : str
        Why it could not be checked; empty if it was.
    """

    name: str
    equation: str
    rows: tuple[Row, ...]
    error: str = ""

    @property
    def passed(self) -> bool:
        """True if it was checked and no claim failed."""
        return not self.error and all(row.status != "FAIL" for row in self.rows)

    @property
    def verdict(self) -> str:
        """Return "passed", "FAILED" or "could not be checked"."""
        if self.error:
            return "could not be checked"
        return "passed" if self.passed else "FAILED"

    def __str__(self) -> str:
        """Return the card as text."""
        width = max(len(row.claim) for row in self.rows)
        lines = [f"{self.name}  ({self.equation}): {self.verdict}"]
        for row in self.rows:
            line = f"  {row.claim:<{width}}  {row.status:<11}  {error_text(row)}"
            lines.append(f"{line}  {row.note}".rstrip())
        for row in self.rows:
            if row.snippet:
                lines += ["", f"  {row.claim}, smallest failing input found:"]
                lines.append(textwrap.indent(row.snippet, "    "))
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain JSON values."""
        return {
            "name": self.name,
            "equation": self.equation,
            "passed": self.passed,
            "verdict": self.verdict,
            "error": self.error,
            "rows": [_plain(row) for row in self.rows],
        }


def summary(reports: list[Report]) -> str:
    """Return one line per function, and the whole card of each one that did not pass."""
    width = max(len(report.name) for report in reports)
    lines = []
    for report in reports:
        outcomes = counts_text([report])
        lines.append(f"{report.name:<{width}}  {report.verdict}  {outcomes}")
    lines += [f"\n{report}" for report in reports if not report.passed]
    return "\n".join(lines)


def counts(reports: list[Report]) -> dict[Status, int]:
    """Return how many rows have each status, of those that any row has."""
    statuses = [row.status for report in reports for row in report.rows]
    found = {status: statuses.count(status) for status in get_args(Status)}
    return {status: count for status, count in found.items() if count}


def counts_text(reports: list[Report]) -> str:
    """Return the counts in words, such as "26 pass, 1 not offered"."""
    return ", ".join(f"{count} {status}" for status, count in counts(reports).items())


def verdict(reports: list[Report]) -> str:
    """Return "passed" if all functions passed, else the worst verdict."""
    verdicts = {report.verdict for report in reports}
    return next((each for each in ("could not be checked", "FAILED") if each in verdicts), "passed")


def environment() -> dict[str, str]:
    """Return the date, and the versions of the packages used."""
    versions = {"tacref": tacref.__version__, "Python": platform.python_version()}
    versions["NumPy"] = np.__version__
    if "torch" in sys.modules:
        versions["torch"] = str(sys.modules["torch"].__version__)
    return {"date": datetime.now().astimezone().isoformat(timespec="seconds")} | versions


def to_json(reports: list[Report]) -> dict[str, Any]:
    """Return the cards, their verdict, the date and the versions as plain JSON values."""
    versions = environment()
    return {
        "passed": all(report.passed for report in reports),
        "verdict": verdict(reports),
        "date": versions.pop("date"),
        "versions": versions,
        "reports": [report.to_json() for report in reports],
    }


def _plain(row: Row) -> dict[str, Any]:
    # JSON has no infinity and no NaN.
    error = row.error if row.error is not None and math.isfinite(row.error) else None
    return asdict(row) | {"error": error}


def error_text(row: Row) -> str:
    """Return the largest error and the allowed error as text; empty without numbers."""
    if row.error is None or row.allowed is None:
        return ""
    return f"{row.error:.1e} ({row.allowed:.1e})"
