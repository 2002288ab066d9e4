"""Cards as Markdown: a badge, what failed first, and any text in its place."""

import html
import re
import urllib.parse

import pytest

from tacref.verify import markdown
from tacref.verify.markdown import badge, to_markdown
from tacref.verify.report import Report, Row

PASS = Row("value", "pass", 1e-16, 1e-14)
FAIL = Row("gradient to x", "FAIL", 1.0, 1e-14, "as if 0", "print(1)\n# right: 2")
REFUSED = Row("second order", "refused", note="raises an error")
ABSENT = Row("band", "not offered", note="takes no band")
GOOD = Report("a:good", "soft_dtw, equation 4, of costs", (PASS, PASS, REFUSED, ABSENT))
BAD = Report("a:bad", "lav, equation 8", (PASS, FAIL, ABSENT))
MUTE = Report("a:mute", "dtw, equation 2", (Row("value", "FAIL"),), "a:mute: always raised")
# What would leave a cell, begin markup, call somebody or end a block, and no text at all.
HOSTILE = (
    r"x|y \|z \\| `a` ``b` *c* _d_ __e__ a__b _ ~~f~~ [g](http://h) ![i](www.j.k) @me #12 <b> "
    "</code></details> &amp; $l$ <!-- \x1b[2J\u202e\udcff \n\n# head\r| --- |"
)


def told_by(address):
    """Return what a badge shows, from its address: the rules of shields.io, backwards."""
    path, color = re.fullmatch(r"https://img\.shields\.io/badge/(.*)-(\w+)", address).groups()
    signs = {"--": "-", "__": "_", "_": " ", "-": "|"}
    shown = re.sub("--|__|-|_", lambda found: signs[found[0]], urllib.parse.unquote(path))
    return (*shown.split("|"), color)


def cells(line):
    """Return the cells of a row of a table: all pipes part them but those after a backslash."""
    return [html.unescape(cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.parametrize(
    ("reports", "label", "message", "color"),
    [
        ([Report("f", "dtw, equation 2", (PASS,))], "dtw", "passed 1 of 1 claims", "blue"),
        ([GOOD], "soft_dtw", "passed 2 of 2 claims, 1 refused", "blue"),
        ([BAD], "lav", "FAILED 1 of 2 claims", "red"),
        ([MUTE], "dtw", "could not be checked", "lightgrey"),
        ([GOOD, GOOD], "tacref verify", "passed 2 of 2 functions", "blue"),
        ([GOOD, BAD, GOOD], "tacref verify", "FAILED 1 of 3 functions", "red"),
        ([Report("f", "a-b_c d/é?%|, e", (PASS,))], "a-b_c d/é?%|", "passed 1 of 1 claims", "blue"),
    ],
)
def test_the_first_line_is_a_badge(reports, label, message, color):
    line, _ = to_markdown(reports).split("\n", 1)
    assert line == badge(reports)
    alt, address = re.fullmatch(r"!\[(.*)\]\((\S+)\)", line).groups()
    assert html.unescape(alt) == f"{label}: {message}"
    shown = told_by(address)
    assert (shown[-2], shown[-1]) == (message, color)
    assert "|".join(shown[:-2]) == label


def test_what_failed_comes_first_and_the_rest_is_folded():
    text = to_markdown([BAD])
    assert "lav, equation 8. **FAILED**: 1 pass, 1 FAIL, 1 not offered." in text
    open_part, code, rest = text.split("<details>")
    assert [cells(line) for line in open_part.splitlines() if line.startswith("|")][2:] == [
        ["gradient to x", "**FAIL**", "1.0e+00 (1.0e-14)", "<code>as if 0</code>"]
    ]
    assert "\n\n```python\nprint(1)\n# right: 2\n```\n\n</details>\n" in code
    assert rest.startswith("<summary>1 pass, 1 not offered</summary>\n\n|")
    assert [cells(line)[0] for line in rest.splitlines() if line.startswith("|")][2:] == [
        "value",
        "band",
    ]
    assert re.search(r"\ntacref \S+, Python \S+, NumPy \S+.*; \d{4}-\d\d-\d\dT\S+\n$", text)


def test_of_several_functions_those_that_passed_have_one_line():
    text = to_markdown([GOOD, BAD, MUTE])
    rows = [cells(line) for line in text.splitlines() if line.startswith("| <code>")]
    assert rows == [
        ["<code>a:good</code>", "passed", "2 pass, 1 refused, 1 not offered"],
        ["<code>a:bad</code>", "FAILED", "1 pass, 1 FAIL, 1 not offered"],
        ["<code>a:mute</code>", "could not be checked", "1 FAIL"],
    ]
    assert "**could not be checked**: 1 of 3 functions passed." in text
    assert re.findall("^### <code>(.*)</code>$", text, re.M) == ["a:bad", "a:mute"]
    assert "\n<code>a:mute: always raised</code>\n" in text


def test_any_text_stays_in_its_place():
    row = Row(HOSTILE, "FAIL", note=HOSTILE)
    text = to_markdown([Report(HOSTILE, f"dtw, {HOSTILE}", (row, PASS), HOSTILE)])
    assert all(line.isprintable() for line in text.split("\n"))
    shown = (
        HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
        .replace("\udcff", r"\udcff").replace("\n", r"\n").replace("\r", r"\r")
    )  # fmt: skip
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(cells(line)) for line in rows] == [4] * len(rows)
    assert cells(rows[2]) == [shown, "**FAIL**", "", f"<code>{shown}</code>"]
    # Nothing but what the card itself writes is markup.
    own = re.sub(r"</?(details|summary|code)>|\*\*|\||^!\[|\]\(https://[^)]*\)|^### |&#", "", text,
                 flags=re.M)  # fmt: skip
    assert not re.search(r"[<>`*~\[\]\\$#@]|://|www\.|(?<![0-9A-Za-z_])_|_(?![0-9A-Za-z_])", own)
    assert text.count("<details>") == text.count("</details>") == 1


def test_a_fence_is_longer_than_those_within():
    code = "a = '''\n```\n`````\n'''  # </details>\x1b"
    text = to_markdown([Report("f", "dtw", (Row("value", "FAIL", snippet=code),))])
    shown = code.replace("\x1b", r"\x1b")
    assert f"\n\n``````python\n{shown}\n``````\n\n</details>" in text


def test_snippets_that_an_issue_cannot_take_are_left_out(monkeypatch):
    rows = tuple(Row(f"claim {k}", "FAIL", snippet=f"print({k})" + 500 * "#") for k in range(9))
    reports = [Report("f", "dtw", rows), Report("g", "dtw", rows[:3])]
    assert "left out" not in to_markdown(reports)
    monkeypatch.setattr(markdown, "MAX_CHARACTERS", 4000)
    text = to_markdown(reports)
    assert 3400 < len(text) <= 4000
    kept = len(re.findall(r"^print", text, re.M))
    assert re.findall(r"^print\((\d)\)", text, re.M) == [str(k) for k in range(kept)]
    assert f"\n{12 - kept} of 12 snippets are left out: too long for an issue.\n" in text
    assert "claim 8" in text
    monkeypatch.setattr(markdown, "MAX_CHARACTERS", 10)
    assert "12 of 12 snippets are left out" in to_markdown(reports)
