"""Signals that end a command: its status and one line, whatever libraries make of them."""

import importlib
import os
import signal
import subprocess
import sys
import time

import pytest

from tacref import interrupts
from tacref.commands.guard import command
from tacref.interrupts import raise_waiting_signal, uninterrupted

ENDINGS = [
    (signal.SIGINT, 130, "interrupted"),
    (signal.SIGTERM, 143, "ended by SIGTERM"),
    (signal.SIGHUP, 129, "ended by SIGHUP"),
]


def send(number):
    os.kill(os.getpid(), number)


def wait_for_signal():
    time.sleep(5)
    raise AssertionError("no signal was raised")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that imports a module of this text."""

    def load(text):
        (tmp_path / "interrupted_module.py").write_text(text)
        return importlib.import_module("interrupted_module")

    monkeypatch.syspath_prepend(tmp_path)
    yield load
    sys.modules.pop("interrupted_module", None)


def check_ending(work, capsys, status, line):
    assert command("try")(work)() == status
    assert capsys.readouterr() == ("", f"tacref try: {line}\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(("number", "status", "line"), ENDINGS)
def test_an_import_is_not_interrupted(module, capsys, number, status, line):
    whole = []

    def work():
        text = f"import os\nos.kill(os.getpid(), {int(number)})\nwhole = True\n"
        whole.append(module(text).whole)
        wait_for_signal()

    check_ending(work, capsys, status, line)
    assert whole == [True]


def test_what_waits_is_raised_where_it_is_asked_for(module, capsys):
    made = []

    def work():
        module(f"import os\nos.kill(os.getpid(), {int(signal.SIGTERM)})\n")
        raise_waiting_signal()
        made.append("output")

    check_ending(work, capsys, 143, "ended by SIGTERM")
    assert made == []


@pytest.mark.parametrize(("number", "status", "line"), ENDINGS)
@pytest.mark.parametrize(
    "outcome", [ImportError("initialization failed"), AttributeError("no exc"), SystemExit(1), 0, 1]
)
def test_a_signal_that_a_library_lost(capsys, number, status, line, outcome):
    def work():
        try:
            send(number)
        except BaseException:
            if isinstance(outcome, int):
                return outcome
            raise outcome from None

    check_ending(work, capsys, status, line)


def test_a_signal_that_a_finalizer_forgot(capsys):
    class Finalized:
        def __del__(self):
            send(signal.SIGTERM)

    def work():
        Finalized()
        wait_for_signal()

    check_ending(work, capsys, 143, "ended by SIGTERM")


@pytest.mark.parametrize(
    ("limit", "times"), [("MAX_DEFERRAL", 1), ("SAME_SIGNAL", 2)], ids=["in time", "asked twice"]
)
def test_an_import_without_end_is_interrupted(module, capsys, monkeypatch, limit, times):
    monkeypatch.setattr(interrupts, limit, 0.1)

    def work():
        sends = f"os.kill(os.getpid(), {int(signal.SIGTERM)}); time.sleep(0.2)\n" * times
        module(f"import os, time\n{sends}time.sleep(5)\n")
        raise AssertionError("no signal was raised")

    check_ending(work, capsys, 143, "ended by SIGTERM")


def test_what_makes_a_file_is_not_interrupted(capsys):
    made = []

    @uninterrupted
    def make():
        send(signal.SIGTERM)
        made.append("file")

    def work():
        make()
        try:
            wait_for_signal()
        finally:
            made.clear()

    check_ending(work, capsys, 143, "ended by SIGTERM")
    assert made == []


def test_other_messages_of_finalizers_stay(capsys):
    class Finalized:
        def __del__(self):
            raise ValueError("mine")

    def work():
        Finalized()
        return 0

    hook = sys.unraisablehook
    said = []
    sys.unraisablehook = said.append
    try:
        assert command("try")(work)() == 0
        assert sys.unraisablehook == said.append
    finally:
        sys.unraisablehook = hook
    assert len(said) == 1


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.4, 0.6])
def test_while_torch_is_imported(tmp_path, delay):
    arguments = ["train", "--data", "none", "--out", "out"]
    code = (
        "import sys; from tacref.commands import main; print(flush=True)\n"
        f"sys.exit(main({arguments}))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, text=True, **pipes) as child:
        child.stdout.readline()
        time.sleep(delay)
        child.send_signal(signal.SIGTERM)
        shown = child.communicate()[1]
    assert (child.returncode, shown) == (143, "tacref train: ended by SIGTERM\n")
    assert list(tmp_path.iterdir()) == []
