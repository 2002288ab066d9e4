"""Each planted fault is convicted, by a row that names its kind, with code that shows it."""

import ast
import contextlib
import io
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tacref.verify.card import claim_rows
from tacref.verify.guard import SubjectError, guarded
from tacref.verify.spec import Spec
from tacref.verify.subject import Subject, guess_inputs
from tests.verify.faults import FAULTS

DOCS = Path(__file__).parents[2] / "docs" / "verify.md"


@cache
def convicting_row(number):
    """Return the first row that fails; the rest of the card is not computed."""
    fault = FAULTS[number]
    options = dict(fault.options)
    framework = options.pop("framework", "torch")
    inputs = options.pop("inputs", None) or guess_inputs(fault.fn)
    subject = Subject(fault.fn, Spec(fault.loss, inputs, **options), fault.name, framework)
    return next((row for row in claim_rows(subject, 0) if row.status == "FAIL"), None)


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[fault.name for fault in FAULTS])
def test_each_fault_is_convicted(number):
    row = convicting_row(number)
    assert row is not None
    assert row.claim in FAULTS[number].rows


def shown(snippet):
    """Run a snippet; return what it printed last."""
    output = io.StringIO()
    with guarded(set()), contextlib.redirect_stdout(output):  # puts global state back
        exec(snippet, {})
    return output.getvalue().strip()


# By chance or by the number of calls, the snippet may meet them in a right moment.
UNSTEADY = {"chance"}
# The failure that their code shows is an error.
RAISES = {"raises_unless_contiguous": "view", "writes_the_same_costs": "inplace operation"}
NAMES = {"every_fifth_call", "right_three_times"}


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[fault.name for fault in FAULTS])
def test_its_code_shows_the_failure(number, monkeypatch, tmp_path):
    fault, row = FAULTS[number], convicting_row(number)
    monkeypatch.chdir(tmp_path)
    right = re.search(r"^# right: (.*)$", row.snippet, re.M)[1]
    if fault.fn.__name__ in RAISES:
        with pytest.raises(SubjectError, match=RAISES[fault.fn.__name__]):
            shown(row.snippet)
        return
    printed = shown(row.snippet)
    assert printed
    with contextlib.suppress(ValueError, SyntaxError):
        expected = np.array(ast.literal_eval(right), float)
        found = np.array(eval(printed, {"nan": np.nan, "inf": np.inf}), float)
        if fault.kind not in UNSTEADY and fault.fn.__name__ not in NAMES:
            assert not np.array_equal(found, expected)


def table():
    """Return docs/verify.md's table of the faults, as measured."""
    kinds = {}
    for number, fault in enumerate(FAULTS):
        kinds.setdefault(fault.kind, []).append(convicting_row(number))
    lines = ["| kind of fault | planted | convicted | first row that fails |", "|---|---|---|---|"]
    for kind, rows in kinds.items():
        found = [row.claim for row in rows if row is not None]
        claims = ", ".join(dict.fromkeys(sorted(found, key=lambda each: -found.count(each))))
        lines.append(f"| {kind} | {len(rows)} | {len(found)} | {claims} |")
    convicted = sum(row is not None for rows in kinds.values() for row in rows)
    lines.append(f"| all | {len(FAULTS)} | {convicted} | |")
    return "\n".join(lines)


def test_the_documented_table_is_what_was_measured():
    assert table() in DOCS.read_text(), f"docs/verify.md must have this table:\n{table()}"
