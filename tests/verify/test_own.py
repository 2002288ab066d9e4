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


def test_cards_are_the_same_whatever_makes_them():
    """A process that reads the number of a group writes what is made without processes."""
    alone = own._cards(own._groups("cpu")[0], 3, "float64", "cpu")
    command = [sys.executable, "-m", "tacref.verify.own", "3", "float64"]
    finished = subprocess.run(command, input="0\n999\n", capture_output=True, text=True, check=True)
    (first, count), beyond = map(json.loads, finished.stdout.splitlines())
    assert [own._report(card) for card in first] == alone
    assert count == len(own._groups("cpu"))
    assert beyond == [[], count]


@pytest.mark.usefixtures("_two_cores")
def test_a_process_that_dies_is_one_line(monkeypatch, tmp_path, capfd):
    dies = tmp_path / "python"
    dies.write_text("#!/bin/sh\nexit 3\n")
    dies.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dies))
    assert main(["verify"]) == 2
    line = "tacref verify: a process that makes cards ended with status 3\n"
    assert capfd.readouterr().err == line


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="finds processes in /proc")
@pytest.mark.skipif(own.threads_available() == 1, reason="a single core needs no processes")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_process_is_left_behind(number, status):
    limit = time.monotonic() + 60
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (made := children(process.pid)):
            assert time.monotonic() < limit
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        output = process.communicate(timeout=30)
    assert process.returncode in (status, -number)
    assert b"Traceback" not in output[1]
    for pid in made:
        assert not os.path.exists(f"/proc/{pid}")
