"""tacref's own cards: all there and passed, and no process left behind, whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tacref.commands import main
from tacref.verify import own

COMMAND = [sys.executable, "-m", "tacref", "verify"]


@pytest.fixture
def _two_cores(monkeypatch):
    monkeypatch.setattr(own, "threads_available", lambda: 2)


def children(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for task in tasks for each in task.read_text().split()]


def test_every_implementation_passes():
    finished = subprocess.run([*COMMAND, "--json"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    cards = json.loads(finished.stdout)["reports"]
    names = [claim["name"] for _, claim in own.implementations()]
    assert sorted(card["name"] for card in cards) == sorted(names)
    assert all(card["passed"] for card in cards)
    assert min(len(card["rows"]) for card in cards) > 5


def test_a_process_makes_the_same_cards():
    processes, counts = [], []
    try:
        own._start(processes, ["3", "float64"])
        assert own._ask(processes[0], 0, counts.append) == own._cards(
            own._groups("cpu")[0], 3, "float64", "cpu"
        )
        assert own._ask(processes[0], 999, counts.append) == []
    finally:
        own._end(processes)
    assert counts == [len(own._groups("cpu"))]


@pytest.mark.usefixtures("_two_cores")
def test_without_torch(tmp_path, monkeypatch, capfd):
    """Where a process cannot import torch, the command says so as it does without processes."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["verify"]) == 2
    error = capfd.readouterr().err
    assert error.startswith("tacref verify: needs a package that is not installed (No module")
    assert error.count("\n") == 1


@pytest.mark.usefixtures("_two_cores")
def test_what_is_printed_when_python_starts(tmp_path, monkeypatch, capfd):
    folder = tmp_path / "with: a colon"
    folder.mkdir()
    (folder / "torch.py").write_text("raise MemoryError('not for torch')")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    (tmp_path / "sitecustomize.py").write_text("print('hello')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert main(["verify"]) == 2
    assert capfd.readouterr().err == "tacref verify: not for torch\n"


@pytest.mark.usefixtures("_two_cores")
def test_a_process_that_dies_is_one_line(monkeypatch, tmp_path, capfd):
    dies = tmp_path / "python"
    dies.write_text("#!/bin/sh\nexit 3\n")
    dies.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dies))
    assert main(["verify"]) == 2
    line = "tacref verify: a process that makes cards ended, status 3\n"
    assert capfd.readouterr().err == line


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="finds processes in /proc")
@pytest.mark.skipif(own.threads_available() == 1, reason="a single core needs no processes")
@pytest.mark.parametrize("numbers", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT,) * 4])
def test_no_process_is_left_behind(numbers):
    limit = time.monotonic() + 60
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (made := children(process.pid)):
            assert time.monotonic() < limit
            assert process.poll() is None
            time.sleep(0.02)
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.03)
        output = process.communicate(timeout=30)
    assert process.returncode in (128 + numbers[0], -numbers[0])
    assert b"Traceback" not in output[1]
    for pid in made:
        assert not os.path.exists(f"/proc/{pid}")
