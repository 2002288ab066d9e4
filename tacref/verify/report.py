"""The report card: a row a claim, as text, JSON or HTML."""

import html
import math
import textwrap
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["pass", "FAIL", "refused", "not offered"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem; }
tr { border-bottom: 1px solid #8884; }
td:nth-child(2) { white-space: nowrap; }
.pass { color: light-dark(#176b34, #6fd08c); }
.FAIL { color: light-dark(#b3261e, #ff8a80); font-weight: 700; }
pre { overflow-x: auto; padding: .75rem; background: #8881; border-radius: 6px; }
"""


@dataclass(frozen=True)
class Row:
    """One claim and what became of it.

    Parameters
    ----------
    claim : str
        What is claimed.
    status : {"pass", "FAIL", "refused", "not offered"}
        "refused": raised a clear error instead of a wrong number. "not offered": the function has
        no such option. Neither is a failure.
    error, allowed : float, optional
        Absolute error and allowance of the worst case, which is that of the largest error over
        allowance.
    note : str
        What a reader should know.
    snippet : str
        For a failure, code that shows it.
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
        What it claims to compute.
    rows : tuple of Row
        One a claim.
    error : str
        Why it could not be checked, if so.
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
        """"passed", "FAILED" or "could not be checked"."""
        if self.error:
            return "could not be checked"
        return "passed" if self.passed else "FAILED"

    def __str__(self) -> str:
        """Return the card as text."""
        width = max(len(row.claim) for row in self.rows)
        lines = [f"{self.name}  ({self.equation}): {'passed' if self.passed else 'FAILED'}"]
        for row in self.rows:
            line = f"  {row.claim:<{width}}  {row.status:<11}  {_measure(row)}"
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
            "rows": [_plain(row) for row in self.rows],
        }


def summary(reports: list[Report]) -> str:
    """Return one line a function, and the whole card of each that failed."""
    width = max(len(report.name) for report in reports)
    lines = []
    for report in reports:
        counts = {
            status: sum(row.status == status for row in report.rows)
            for status in ("pass", "FAIL", "refused", "not offered")
        }
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        lines.append(f"{report.name:<{width}}  {'passed' if report.passed else 'FAILED'}  {told}")
    lines += [f"\n{report}" for report in reports if not report.passed]
    return "\n".join(lines)


def to_html(reports: list[Report]) -> str:
    """Return the cards as one self-contained HTML page; all text is escaped."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>tacref verify</title><style>{_STYLE}</style></head><body>",
        "<h1>Report cards</h1>",
    ]
    for report in reports:
        parts.append(f"<h2>{html.escape(report.name)}</h2><p>{html.escape(report.equation)}</p>")
        parts.append(
            "<table><tr><th>claim</th><th>outcome</th><th>largest error (allowed)</th>"
            "<th>note</th></tr>"
        )
        for row in report.rows:
            cells = (row.claim, _measure(row), row.note)
            claim, measure, note = (html.escape(cell) for cell in cells)
            kind = row.status.replace(" ", "-")
            parts.append(
                f'<tr><td>{claim}</td><td class="{kind}">{row.status}</td><td>{measure}</td>'
                f"<td>{note}</td></tr>"
            )
        parts.append("</table>")
        parts.extend(
            f"<p>{html.escape(row.claim)}, smallest failing input found:</p>"
            f"<pre>{html.escape(row.snippet)}</pre>"
            for row in report.rows
            if row.snippet
        )
    return "\n".join([*parts, "</body></html>", ""])


def _plain(row: Row) -> dict[str, Any]:
    # JSON has no infinity and no NaN.
    error = row.error if row.error is not None and math.isfinite(row.error) else None
    return asdict(row) | {"error": error}


def _measure(row: Row) -> str:
    if row.error is None or row.allowed is None:
        return ""
    return f"{row.error:.1e} ({row.allowed:.1e})"
