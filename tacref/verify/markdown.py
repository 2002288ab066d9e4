"""Report cards as GitHub-flavored Markdown, for an issue or a README."""

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace

from tacref.terminal import printable
from tacref.verify.report import (
    Report,
    Row,
    counts,
    counts_text,
    environment,
    error_text,
    verdict,
)

# GitHub takes this many characters in an issue, and some stay for what the reader adds.
MAX_CHARACTERS = 60_000

_COLORS = {"passed": "blue", "FAILED": "red", "could not be checked": "lightgrey"}
_HEAD = "| claim | outcome | largest error (allowed) | note |\n|---|---|---|---|"
# What Markdown or GitHub would take for markup, a mention, an issue, a link or the end of a cell.
_MARKUP = re.compile(
    r"[&<>|`*~\[\]\\$#@]|_+(?![0-9a-z_])|(?<![0-9a-z_])_+|:(?=//)|(?<=\bwww)\.", re.IGNORECASE
)


def to_markdown(reports: list[Report]) -> str:
    """Return the cards as Markdown: a badge, the verdict, what failed, and the rest folded.

    Of several functions, those that passed have one line each. Names and messages are escaped.
    Snippets, the last ones first, are left out of a text that would be too long for an issue.
    """
    every = sum(bool(row.snippet) for report in reports for row in report.rows)
    for shown in range(every, -1, -1):
        text = _markdown(reports, shown, every)
        if len(text) <= MAX_CHARACTERS:
            break
    return text


def badge(reports: list[Report]) -> str:
    """Return a line of Markdown that shows a badge with the verdict; the text is in its address."""
    overall = verdict(reports)
    if len(reports) == 1:
        label, things = reports[0].equation.partition(",")[0], "claims"
        found = counts(reports)
        failed, refused = found.get("FAIL", 0), found.get("refused", 0)
        passed = found.get("pass", 0)
    else:
        label, things = "tacref verify", "functions"
        passed = sum(report.passed for report in reports)
        failed, refused = len(reports) - passed, 0
    message = overall
    if overall != "could not be checked":
        count = passed if overall == "passed" else failed
        message += f" {count} of {passed + failed} {things}"
        message += f", {refused} refused" if refused else ""
    # A badge's address doubles its own signs, - and _; a space is _.
    path = "-".join(
        urllib.parse.quote(part.replace("-", "--").replace("_", "__").replace(" ", "_"), safe="")
        for part in (label, message)
    )
    address = f"https://img.shields.io/badge/{path}-{_COLORS[overall]}"
    return f"![{_escaped(label)}: {message}]({address})"


def _markdown(reports: list[Report], shown: int, every: int) -> str:
    """Return the text with the first `shown` of all snippets."""
    lines = [badge(reports), ""]
    if len(reports) > 1:
        passed = sum(report.passed for report in reports)
        lines += [f"**{verdict(reports)}**: {passed} of {len(reports)} functions passed.", ""]
        lines += ["| function | verdict | claims |", "|---|---|---|"]
        for report in reports:
            lines.append(f"| {_code(report.name)} | {report.verdict} | {counts_text([report])} |")
        lines.append("")
    left = shown
    for report in reports:
        if len(reports) == 1 or not report.passed:
            lines += _card(report, left)
            left -= sum(bool(row.snippet) for row in report.rows)
    if shown < every:
        lines += [f"{every - shown} of {every} snippets are left out: too long for an issue.", ""]
    versions = environment()
    date = versions.pop("date")
    lines.append(f"{', '.join(f'{name} {version}' for name, version in versions.items())}; {date}")
    return "\n".join([*lines, ""])


def _card(report: Report, snippets: int) -> Iterator[str]:
    yield f"### {_code(report.name)}"
    yield ""
    yield f"{_escaped(report.equation)}. **{report.verdict}**: {counts_text([report])}."
    yield ""
    if report.error:
        yield from (_code(report.error), "")
    failed = [row for row in report.rows if row.status == "FAIL"]
    others = [row for row in report.rows if row.status != "FAIL"]
    if failed:
        yield from (_HEAD, *map(_cells, failed), "")
    for row in [row for row in failed if row.snippet][: max(snippets, 0)]:
        code = "\n".join(map(printable, row.snippet.split("\n")))
        # A fence is longer than any within.
        fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", code)), 0)
        title = f"{_escaped(row.claim)}: smallest failing input found"
        yield from _folded(title, f"{fence}python\n{code}\n{fence}")
    if others:
        yield from _folded(
            counts_text([replace(report, rows=tuple(others))]),
            "\n".join((_HEAD, *map(_cells, others))),
        )


def _folded(title: str, content: str) -> Iterator[str]:
    # Without the empty lines the content would be no Markdown.
    yield from (f"<details><summary>{title}</summary>", "", content, "", "</details>", "")


def _cells(row: Row) -> str:
    status = f"**{row.status}**" if row.status == "FAIL" else row.status
    cells = (_escaped(row.claim), status, error_text(row), _code(row.note))
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """Return any text as code; in it, GitHub looks for no mentions and no issues."""
    return f"<code>{_escaped(text)}</code>" if text else ""


def _escaped(text: str) -> str:
    """Return any text as one line without markup; a character's number cannot be markup."""
    return _MARKUP.sub(
        lambda found: "".join(f"&#{ord(sign)};" for sign in found[0]), printable(text)
    )
