"""The script that measures on a GPU: its steps on the CPU, and what it says without a GPU."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.losses.triton_checks import INSTALLED

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are no part of the package

from benchmarks import graphs  # noqa: E402
from benchmarks.graphs import CASES, Case, line  # noqa: E402
from tacref.losses import LAVLoss, SoftDTWLoss  # noqa: E402

SCRIPT = ROOT / "benchmarks" / "gpu.sh"


def run_script(*arguments, **environment):
    return subprocess.run(
        ["bash", str(SCRIPT), *map(str, arguments)],
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_gpu_it_says_so_in_one_line():
    run = run_script(CUDA_VISIBLE_DEVICES="")
    assert run.returncode == 2
    assert run.stdout == ""
    assert re.fullmatch(r"gpu\.sh: .* no torch that finds a CUDA device: .*\n", run.stderr)


@pytest.mark.skipif(not INSTALLED, reason="triton is not installed")
def test_its_steps_run(tmp_path):
    run = run_script("--small", tmp_path, CUDA_VISIBLE_DEVICES="")
    assert run.returncode == 0, run.stdout + run.stderr
    steps = ["aims", "counts", "tests", "losses"]
    assert re.findall(r"^== (\w+) done", run.stdout, re.MULTILINE) == steps
    for step in steps:
        assert (tmp_path / f"{step}.txt").read_text("utf-8").strip()
    record = json.loads((tmp_path / "aims.json").read_text("utf-8"))
    assert record["card"]
    assert [case["loss"] for case in record["cases"]] == ["SoftDTWLoss", "LAVLoss"]
    assert all(case["loop"] > 0 for case in record["cases"])
    assert "missed" not in run.stdout


def test_a_step_that_fails_does_not_stop_the_others(tmp_path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$2"\ntest "$2" != benchmarks.counts\n', "utf-8")
    python.chmod(0o755)
    run = run_script("--small", tmp_path / "kept", PYTHON=str(python))
    assert run.returncode == 1
    ended = re.findall(r"^== (\w+) (failed|done)", run.stdout, re.MULTILINE)
    assert ended == [
        *[("aims", "done"), ("counts", "failed"), ("tests", "done"), ("losses", "done")]
    ]
    assert (tmp_path / "kept" / "counts.txt").read_text("utf-8") == "benchmarks.counts\n"


def test_its_steps_take_less_than_eight_minutes():
    limits = [int(limit) for limit in re.findall(r"^step (\d+) ", SCRIPT.read_text(), re.MULTILINE)]
    assert len(limits) == 4
    assert sum(limits) < 480


def test_times_without_a_gpu_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert graphs.main([]) == 2
    assert capsys.readouterr().err == "error: torch finds no CUDA device\n"


def test_aims():
    aims = {(case.loss, case.shape): case[2:] for case in CASES}
    assert aims[SoftDTWLoss, (32, 512, 64)] == (2.0, None, 160.0)
    assert aims[SoftDTWLoss, (1, 8192, 64)] == (30.0, None, None)
    assert aims[LAVLoss, (32, 20, 128)] == (None, 0.12, None)


def test_a_row_compares_with_the_aim():
    case = Case(SoftDTWLoss, (4, 5, 6), loop=2.0)
    head = "| SoftDTWLoss | 4 x 5 x 6 |"
    assert line(case, "loop", 1.0) == f"{head} ms in a loop | 1 | 2 | 0.50 | met |"
    assert line(case, "loop", 3.0) == f"{head} ms in a loop | 3 | 2 | 1.50 | **missed** |"
    assert line(case, "memory", 3.0) == f"{head} MB | 3 |  |  |  |"
