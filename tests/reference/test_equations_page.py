"""docs/equations.md names functions and tests that exist, and forgets no function."""

import re
from pathlib import Path

from tacref import reference

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")


def names_in(file):
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    return set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))


def test_every_test_named_exists():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 15
    for file, name in named:
        assert name in names_in(file), f"{file}::{name}"
    properties = re.findall(r"^\|.*\| `(test_\w+)` \|$", PAGE, re.MULTILINE)
    assert len(properties) == 7
    assert set(properties) <= names_in("test_soft_dtw.py")


def test_every_function_is_in_the_table():
    rows = re.findall(r"^\|[^|]*\|(?:[^|\\]|\\.)*\|([^|]*)\| `test_", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(reference.__all__)
