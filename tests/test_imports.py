"""Who imports whom: no circles, nothing upwards, and nobody imports a command."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"tacref": ROOT / "tacref", "tacref_export": ROOT / "export" / "tacref_export"}

# The floors of the house, the highest first. A module may import what is on its own floor or below;
# what is in none of these packages is on the ground: it may import what is there alone.
FLOORS = (
    ("tacref.commands",),
    ("tacref.report", "tacref.training", "tacref.web", "tacref_export"),
    ("tacref.alignment", "tacref.evaluation", "tacref.verify"),
    ("tacref.encoder", "tacref.losses", "tacref.data"),
    ("tacref.reference", "tacref.kernels"),
)
# What `python -m` runs, each one call of a command, and what pytest loads; nobody imports them.
ENTRANCES = {
    "tacref.__main__",
    "tacref.pytest_plugin",
    "tacref.train",
    "tacref.verify.__main__",
    "tacref_export.__main__",
}


def module_files():
    """Return the file of every module by its name."""
    files = {}
    for package, folder in PACKAGES.items():
        for file in folder.rglob("*.py"):
            parts = (package, *file.relative_to(folder).with_suffix("").parts)
            files[".".join(parts).removesuffix(".__init__")] = file
    return files


def imports_of(source, modules):
    """Return which modules a source imports: anywhere in it, also where it is never run."""
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= {member if member in modules else node.module for member in members}
    return imported & set(modules)


def circles(graph):
    """Return the modules that import themselves through others, in groups."""
    reached = {start: reachable(graph, start) for start in graph}
    groups = {
        frozenset(other for other in reached[start] if start in reached[other])
        for start in graph
        if start in reached[start]
    }
    return sorted(sorted(group) for group in groups)


def reachable(graph, start):
    seen, waiting = set(), [start]
    while waiting:
        for other in graph[waiting.pop()] - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def floor(module):
    """Return the number of a module's floor, counted from the top."""
    if module in ENTRANCES:
        return 0
    packages = {name: number for number, names in enumerate(FLOORS) for name in names}
    parts = module.split(".")
    for end in range(len(parts), 0, -1):  # the innermost package decides
        if (package := ".".join(parts[:end])) in packages:
            return packages[package]
    return len(FLOORS)


@pytest.fixture(scope="module")
def graph():
    files = module_files()
    return {
        name: imports_of(file.read_text("utf-8"), files) - {name} for name, file in files.items()
    }


def test_no_circles(graph):
    assert circles(graph) == []


def test_no_import_goes_up(graph):
    up = [
        f"{name} imports {other}"
        for name, imported in sorted(graph.items())
        for other in sorted(imported)
        if floor(other) < floor(name)
    ]
    assert up == []


def test_every_package_has_a_floor():
    folders = {file.parent for file in module_files().values()} - set(PACKAGES.values())
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders} - {"tacref.recipes"}
    assert {name for name in names if floor(name) == len(FLOORS)} == set()


def test_nobody_imports_a_command(graph):
    importers = {
        name
        for name, imported in graph.items()
        if any(f"{other}.".startswith("tacref.commands.") for other in imported)
    }
    inside = {name for name in graph if f"{name}.".startswith("tacref.commands.")}
    assert importers - inside <= ENTRANCES


def test_nobody_imports_an_entrance(graph):
    assert [name for name, imported in graph.items() if imported & ENTRANCES] == []


def test_a_circle_is_found():
    modules = {"a", "a.b", "c", "d"}
    sources = {
        "a": "import c",
        "a.b": "def late():\n    from a import value",
        "c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import b",
        "d": "import a.b, json",
    }
    graph = {name: imports_of(source, modules) for name, source in sources.items()}
    assert graph == {"a": {"c"}, "a.b": {"a"}, "c": {"a.b"}, "d": {"a.b"}}
    assert circles(graph) == [["a", "a.b", "c"]]
