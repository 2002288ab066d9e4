"""The table of transforms in docs/losses.md: each cell is right, or refused by name.

All of "cpu"; of the others what is quick. (`python -m tests.losses.transforms triton all` takes ten
minutes by Triton's interpreter.)
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.losses import transforms
from tests.losses.triton_checks import INSTALLED

PARTS = {"cpu": "all", "torch": "fast", "none": "fast", "triton": "few"}
PAGE = Path(__file__).parents[2] / "docs" / "losses.md"


@pytest.fixture(scope="module")
def runs():
    """Start all at once, each on one thread of a process of its own."""
    started = {
        backend: subprocess.Popen(
            [sys.executable, "-W", "ignore", transforms.__file__, backend, part],
            env={**os.environ, "OMP_NUM_THREADS": "1"}
            | ({"TRITON_INTERPRET": "1"} if backend == "triton" else {}),
            stdout=subprocess.PIPE,
            text=True,
        )
        for backend, part in PARTS.items()
        if backend != "triton" or INSTALLED
    }
    yield started
    for process in started.values():
        process.kill()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", PARTS)
def test_every_cell_is_right_or_refused_by_name(runs, backend):
    if backend not in runs:
        pytest.skip("triton is not installed")
    output, _ = runs[backend].communicate(timeout=580)
    cells = json.loads(output)
    losses = transforms.WITHOUT_BACKEND if backend == "none" else transforms.LOSSES
    losses = transforms.FEW_LOSSES if PARTS[backend] == "few" else losses
    assert {loss for loss, _, _ in cells} == set(losses)
    refused = {(loss, name): told for loss, name, told in cells if told != "right"}
    documented = _refused_by_the_page(backend)
    for (loss, _), told in refused.items():
        assert told.startswith("refused: third derivatives in forward mode: backend='torch'"), told
        assert loss in documented
    for loss, count in documented.items():
        assert sum(cell[0] == loss for cell in refused) == count or PARTS[backend] != "all"


def _refused_by_the_page(backend):
    """Read how many cells of each loss are refused, and that there is a row for each."""
    rows = re.findall(r"^\| `([^|]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.M)
    table = {name: cells for name, *cells in rows}
    columns = ("cpu", "triton", "torch")
    counts = {}
    for loss in transforms.LOSSES | transforms.WITHOUT_BACKEND:
        cell = table[loss][0 if backend == "none" else columns.index(backend)]
        match = re.fullmatch(r"right(?:, (\d+) refused)?", cell)
        assert match, cell
        if match[1]:
            counts[loss] = int(match[1])
    return counts
