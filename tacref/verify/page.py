"""Report cards as one self-contained HTML page."""

import html

from tacref.verify.report import Report, environment, error_text, verdict

_STYLE = """
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, p { overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 1rem 0 2rem; }
table { border-collapse: collapse; width: 100%; min-width: 36rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem; }
tr { border-bottom: 1px solid #8884; }
td:nth-child(2), td:nth-child(3) { white-space: nowrap; }
td:nth-child(4) { overflow-wrap: anywhere; }
.passed, .pass { color: light-dark(#176b34, #6fd08c); }
.failed, .FAIL { color: light-dark(#b3261e, #ff8a80); font-weight: 700; }
pre { overflow-x: auto; padding: .75rem; background: #8881; border-radius: 6px; }
footer { font-size: .875rem; }
"""


def to_html(reports: list[Report]) -> str:
    """Return the cards as one self-contained page; all text is escaped."""
    overall = verdict(reports)
    counts = f"{sum(report.passed for report in reports)} of {len(reports)} functions passed"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{overall}: tacref verify</title><style>{_STYLE}</style></head><body>",
        "<h1>Report cards</h1>",
        f"<p>Verdict: {_verdict(overall)}. {counts}.</p>",
    ]
    for report in reports:
        parts += _card(report)
    versions = environment()
    date = versions.pop("date")
    footer = f"{date}; {', '.join(f'{name} {version}' for name, version in versions.items())}"
    parts.append(f"<footer><p>{html.escape(footer)}</p></footer>")
    return "\n".join([*parts, "</body></html>", ""])


def _card(report: Report) -> list[str]:
    parts = [
        f"<h2>{html.escape(report.name)}</h2>",
        f"<p>{html.escape(report.equation)}: {_verdict(report.verdict)}</p>",
    ]
    if report.error:
        parts.append(f"<p>{html.escape(report.error)}</p>")
    parts.append(
        '<div class="wide" tabindex="0"><table><tr><th>claim</th><th>outcome</th>'
        "<th>largest error (allowed)</th><th>note</th></tr>"
    )
    for row in report.rows:
        claim, size, note = (html.escape(cell) for cell in (row.claim, error_text(row), row.note))
        kind = row.status.replace(" ", "-")
        parts.append(
            f'<tr><td>{claim}</td><td class="{kind}">{row.status}</td><td>{size}</td>'
            f"<td>{note}</td></tr>"
        )
    parts.append("</table></div>")
    parts.extend(
        f"<p>{html.escape(row.claim)}, smallest failing input found:</p>"
        f'<pre tabindex="0">{html.escape(row.snippet)}</pre>'
        for row in report.rows
        if row.snippet
    )
    return parts


def _verdict(text: str) -> str:
    return f'<strong class="{"passed" if text == "passed" else "failed"}">{text}</strong>'
