"""The notebooks run, each in a fresh process and an empty folder, and show what they keep."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import notebooks

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path):
    command = [sys.executable, "-m", "tests.docs.notebooks", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", "".join(cell["source"])):
                assert (path.parent / target).exists(), target


def test_there_are_two():
    assert [path.stem for path in notebooks.NOTEBOOKS] == ["check_a_loss", "train_and_align"]


def test_a_wrong_cell_is_noticed(tmp_path):
    cells = [{"cell_type": "code", "source": "print(1)\n2", "outputs": []}]
    path = tmp_path / "wrong.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert notebooks.main([str(path)]) == 1
    assert notebooks.main(["--write", str(path)]) == 0
    assert notebooks.main([str(path)]) == 0
    printed, value = json.loads(path.read_text())["cells"][0]["outputs"]
    assert printed["text"] == ["1\n"]
    assert value["data"] == {"text/plain": ["2"]}
    with pytest.raises(AssertionError):
        notebooks.run_cells([{"cell_type": "code", "source": "assert False"}])
