"""The site's sources, without building it: every page in its menu, every public name on a page."""

import importlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MODULES = (
    "tacref.alignment",
    "tacref.data",
    "tacref.encoder",
    "tacref.evaluation",
    "tacref.losses",
    "tacref.reference",
    "tacref.report",
    "tacref.training",
    "tacref.verify",
    "tacref_export",
)
FROM_ELSEWHERE = {"readme.md", "changelog.md", "architecture.md", "export.md"}


def directives():
    """Names that the pages ask mkdocstrings to describe, each with its page."""
    for page in sorted(DOCS.glob("api/*.md")):
        for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE):
            yield name, page.name


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_on_the_page_of_its_module(module):
    page = f"{module.removeprefix('tacref').lstrip('._')}.md"
    shown = {name for name, where in directives() if where == page}
    public = importlib.import_module(module).__all__
    assert {f"{module}.{name}" for name in public} - shown == set()


def test_every_subpackage_has_a_page():
    import tacref

    assert {f"tacref.{name}" for name in tacref.__all__ if name != "__version__"} <= {*MODULES}


def test_names_on_pages_exist_and_appear_once():
    names = [name for name, _ in directives()]
    assert len(names) == len(set(names)) > 100
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_every_page_is_in_the_menu():
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    notebooks = DOCS.rglob("*.ipynb")
    pages |= {path.relative_to(DOCS).with_suffix(".md").as_posix() for path in notebooks}
    menu = re.findall(r"^ +- .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M)
    assert sorted(menu) == sorted(pages | FROM_ELSEWHERE)


def test_what_builds_the_site_is_pinned():
    lines = (DOCS / "requirements.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    extra = re.search(r"^docs = \[(.*)\]$", (ROOT / "pyproject.toml").read_text("utf-8"), re.M)[1]
    pinned = {pin.partition("==")[0] for pin in pins}
    assert set(re.findall(r'"([\w-]+)', extra)) <= pinned


def loaded(name):
    """A module of docs/site, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "site" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "text", "turned"),
    [
        ("guide.md", "[README.md](../README.md#install)", "[README.md](readme.md#install)"),
        ("deployment.md", "[it](../export/README.md)", "[it](export.md)"),
        ("export.md", "[d](../docs/data.md#a), [e](README.md)", "[d](data.md#a), [e](export.md)"),
        ("api/losses.md", "[L](../losses.md)", "[L](../losses.md)"),
        ("index.md", "[n](notebooks/a.ipynb)", "[n](notebooks/a.md)"),
        (
            "notebooks/a.md",
            "[r](../../README.md), [d](../data.md)",
            "[r](../readme.md), [d](../data.md)",
        ),
        ("architecture.md", "[`compiled.py`](tacref/compiled.py)", "`compiled.py`"),
        ("readme.md", "[none](docs/none.md)", "[none](none.md)"),  # for MkDocs to refuse
        ("data.md", "[x](../nowhere.py)", "[x](../nowhere.py)"),
        ("readme.md", "![p](docs/images/p.png)", "![p](images/p.png)"),
        ("data.md", "[w](https://a.b/c.md), [h](#here), ![p](images/p.png)", None),
        (
            "data.md",
            "| \\|i\\| <= `band` | `a \\| b` | \\|j\\| |",
            "| \\|i\\| <= `band` | `a | b` | \\|j\\| |",
        ),
        ("data.md", "text `a \\| b`", None),
        ("data.md", "```python\n>>> 1\n1\n```", "```pycon\n>>> 1\n1\n```"),
    ],
)
def test_pages_are_turned(page, text, turned):
    assert loaded("links").turn(text, page) == (text if turned is None else turned)


def test_a_notebook_becomes_a_page(tmp_path):
    code = {"cell_type": "code", "source": ["a()\n", "b()"]}
    picture = {"text/plain": ["the figure"], "image/png": "AAEC"}
    code["outputs"] = [
        {"output_type": "stream", "text": ["1\n", "2\n"]},
        {"output_type": "display_data", "data": {"text/plain": ["3"]}},
        {"output_type": "display_data", "data": picture},
    ]
    cells = [{"cell_type": "markdown", "source": ["# T\n", "x"]}, code]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    text, pictures = loaded("notebooks").as_markdown(path)
    assert text.startswith(
        "# T\nx\n\n```python\na()\nb()\n```\n\n```text\n1\n2\n```\n\n```text\n3\n```\n\n"
        "![the figure](a-1.png)\n"
    )
    assert 'href="a.ipynb"' in text
    assert pictures == {"a-1.png": b"\x00\x01\x02"}
