"""Report cards as one self-contained HTML page."""

import base64
import hashlib
import html
from collections.abc import Iterator
from importlib import resources

from tacref.terminal import printable
from tacref.verify.report import Report, Row, counts, environment, error_text, verdict


def to_html(reports: list[Report]) -> str:
    """Return the cards as one self-contained page.

    All text is escaped and without control characters. The page opens from a file and needs no
    network: its Content-Security-Policy allows only the style and the script written here.
    """
    style, script = _file("page.css"), _file("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    overall = verdict(reports)
    versions = environment()
    date = versions.pop("date")
    footer = f"{date}; {', '.join(f'{name} {version}' for name, version in versions.items())}"
    title = _text(reports[0].name) if len(reports) == 1 else "tacref verify"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{overall}: {title}</title><style>{style}</style></head><body><main>",
        *_summary(reports, overall),
    ]
    for number, report in enumerate(reports, 1):
        parts += _card(report, f"card-{number}", alone=len(reports) == 1)
    parts += [
        f"<footer><p>{_text(footer)}</p></footer>",
        f"</main><script>{script}</script></body></html>",
        "",
    ]
    return "\n".join(parts)


def _summary(reports: list[Report], overall: str) -> Iterator[str]:
    """Yield the verdict, the counts, and what failed, with a link to each row."""
    if len(reports) == 1:
        (report,) = reports
        yield f'<header><h1 id="card-1-name">{_text(report.name)}</h1>'
        yield f"<p>{_verdict(overall)} {_counts(reports)}</p>"
        yield f"<p>Report card of a function that claims to compute {_text(report.equation)}.</p>"
        yield from _failures(report, "card-1", '<h2 id="failures">Failures</h2>')
        yield "</header>"
        return
    passed = f"{sum(report.passed for report in reports)} of {len(reports)} functions passed"
    yield "<header><h1>Report cards</h1>"
    yield f"<p>{_verdict(overall)} {passed}. Claims: {_counts(reports)}.</p>"
    yield '<nav aria-label="Functions"><ul>'
    for number, report in enumerate(reports, 1):
        link = f'<a href="#card-{number}">{_text(report.name)}</a>'
        yield f"<li>{link} {_verdict(report.verdict)} {_counts([report])}"
        yield from _failures(report, f"card-{number}")
        yield "</li>"
    yield "</ul></nav></header>"


def _failures(report: Report, anchor: str, heading: str = "") -> Iterator[str]:
    """Yield the error, and a list of the rows that fail."""
    if report.error:
        yield f"<p>{_text(report.error)}</p>"
    failing = [row for row in enumerate(report.rows, 1) if row[1].status == "FAIL"]
    if failing:
        yield f"{heading}<ol>"
        for place, row in failing:
            note = f' <span class="soft">{_text(row.note)}</span>' if row.note else ""
            yield f'<li><a href="#{anchor}-{place}">{_text(row.claim)}</a>{note}</li>'
        yield "</ol>"


def _card(report: Report, anchor: str, *, alone: bool) -> Iterator[str]:
    yield f'<section class="card" id="{anchor}" aria-labelledby="{anchor}-name">'
    if not alone:  # else the summary says so
        yield f'<h2 id="{anchor}-name">{_text(report.name)}</h2>'
        equation = _text(report.equation)
        yield f"<p>{equation}: {_verdict(report.verdict)} {_counts([report])}</p>"
    label = f"Claims of {_text(report.name)}"
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table>'
    heads = ("claim", "outcome", "largest error (allowed)", "note")
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    for place, row in enumerate(report.rows, 1):
        yield from _row(row, f"{anchor}-{place}")
    yield "</tbody></table></div></section>"


def _row(row: Row, anchor: str) -> Iterator[str]:
    yield (
        f'<tr id="{anchor}"><th scope="row">{_text(row.claim)}</th>'
        f'<td class="status"><b class="{_class(row.status)}">{row.status}</b></td>'
        f'<td class="number">{error_text(row)}</td><td class="note">{_text(row.note)}</td></tr>'
    )
    if row.snippet:
        code = "\n".join(map(_text, row.snippet.split("\n")))
        yield (
            '<tr class="how"><td colspan="4"><details><summary>smallest failing input found'
            '</summary><div class="snippet">'
            '<button type="button" class="copy" aria-live="polite" hidden>Copy</button>'
            f'<pre tabindex="0">{code}</pre></div></details></td></tr>'
        )


def _verdict(text: str) -> str:
    return f'<strong class="verdict {_class(text)}">{text}</strong>'


def _counts(reports: list[Report]) -> str:
    parts = (f'<span class="count {_class(s)}">{n} {s}</span>' for s, n in counts(reports).items())
    return ", ".join(parts)


def _class(text: str) -> str:
    return text.replace(" ", "-")


def _text(text: str) -> str:
    """Return text of any characters as one line of HTML."""
    return html.escape(printable(text))


def _file(name: str) -> str:
    return resources.files("tacref.verify").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
