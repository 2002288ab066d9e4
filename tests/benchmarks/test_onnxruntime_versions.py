"""The table of onnxruntime's versions says what the probes found, and agrees with the bounds."""

import re
from pathlib import Path

import pytest

from benchmarks.onnxruntime_versions import LIMITS, VERSIONS, WEB_VERSIONS, cell, minor, replaced

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "onnxruntime-versions.md").read_text("utf-8")


def rows(name):
    """Rows of a table of the page, version to cells."""
    _, _, rest = PAGE.partition(f"<!-- {name} -->")
    lines = rest.partition(f"<!-- end of {name} -->")[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {version: values for version, *values in cells}


@pytest.mark.parametrize(
    ("difference", "precision", "shown"),
    [
        (0.0, "float32", "0"),
        (1e-5, "float32", "1e-05"),
        (2e-5, "float32", "**wrong by 2e-05**"),
        (2e-5, "float16", "2e-05"),
        (0.5, "int8", "**wrong by 5e-01**"),
        ("crashes: status -11", "int8", "crashes"),
        ("Fail: no", "float32", "error"),
    ],
)
def test_a_cell_shows_the_worst(difference, precision, shown):
    found = {
        f"a {precision}": {"whole": 0.0, "stream": "crashes: elsewhere"},
        f"b {precision}": {"whole": difference, "stream": 0.0},
        "c other": {"whole": "error"},
    }
    assert cell(found, "whole", precision) == shown


def test_only_the_table_is_replaced():
    page = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n"
    new = "a\n<!-- x -->\n\n| 1 |\n| 2 |\n\n<!-- end of x -->\nb\n"
    assert replaced(page, "x", ["| 1 |", "| 2 |"]) == new
    with pytest.raises(ValueError, match="no marks of the table y"):
        replaced(page, "y", [])


def test_every_version_is_on_the_page():
    assert tuple(rows("python")) == VERSIONS
    assert tuple(rows("web")) == WEB_VERSIONS


def test_the_extras_ask_for_versions_in_which_all_is_equal():
    lowest = re.findall(r'"onnxruntime(?:-gpu)?>=([\d.]+)', (ROOT / "pyproject.toml").read_text())
    assert len(lowest) == 3
    (bound,) = set(lowest)
    limits = [LIMITS["float32"], LIMITS["float32"], *LIMITS.values()]
    for version, cells in rows("python").items():
        if minor(version) >= minor(bound):
            values = (cells[0], cells[1], cells[4], cells[2], cells[3])
            for value, limit in zip(values, limits, strict=True):
                assert float(value) <= limit, version


def test_the_version_that_node_tests_is_on_the_page():
    package = (ROOT / "tests" / "export" / "node" / "package.json").read_text("utf-8")
    version = re.search(r'"onnxruntime-web": "([\d.]+)"', package)[1]
    for value, limit in zip(rows("web")[version], LIMITS.values(), strict=True):
        assert float(value) <= limit
