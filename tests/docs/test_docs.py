"""What the documents say runs, and what they point at exists."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _name(page):
    return page.relative_to(ROOT).as_posix()


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("export/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_snippets_run(page):
    failed, _ = doctest.testfile(str(page), module_relative=False)
    assert failed == 0


def test_snippets_are_found():
    parser = doctest.DocTestParser()
    counts = {_name(page): len(parser.get_examples(page.read_text("utf-8"))) for page in PAGES}
    assert counts["README.md"] >= 5
    assert counts["docs/guide.md"] >= 3


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_option_of_the_documents_exists(capsys):
    from tacref.commands import COMMANDS, main

    known = {"--help", "--json", "--local-dir"}  # the last is of `hf download`
    known |= {"--data-binary", "--fail-with-body", "--read-only", "--rm", "--tmpfs"}  # curl, podman
    for program in ("docs/examples/service/service.py", "benchmarks/onnxruntime_versions.py"):
        known |= set(re.findall(r'"(--[a-z-]+)"', (ROOT / program).read_text("utf-8")))
    for name in COMMANDS:
        with pytest.raises(SystemExit):
            main([name, "--help"])
        known |= set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    for page in PAGES:
        code = " ".join(re.findall(r"`([^`]*)`", page.read_text("utf-8")))
        unknown = {
            option
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", code)
            if option not in known | {"--out"}
        }
        assert not unknown, f"{_name(page)}: {unknown}"


def test_the_table_of_variants_has_their_defaults():
    from tacref.variants import VARIANTS

    page = (ROOT / "docs/losses.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.M)
    documented = {
        name: tuple(2**0.5 if cell == "√2" else float(cell) for cell in cells)
        for name, *cells in rows
        if name in VARIANTS
    }
    assert documented == {name: tuple(variant.defaults) for name, variant in VARIANTS.items()}
