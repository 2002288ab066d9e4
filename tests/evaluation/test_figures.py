"""Figures where Matplotlib would not load, or should not change."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
from tacref.figures import load_matplotlib, new_figure
new_figure(2, 2).savefig(sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
print(os.environ["MPLBACKEND"], load_matplotlib().rcParams["backend"] == "svg")
"""


@pytest.mark.parametrize("backend", ["module://backend_of_a_notebook", "svg"])
def test_backends_that_are_and_are_not_installed(tmp_path, backend):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "a.png")],
        env=os.environ | {"MPLBACKEND": backend},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [backend, str(backend == "svg")]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
