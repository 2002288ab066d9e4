"""One writer at a time: another is told who it is, and one that died holds nothing up."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tacref.files import check_new_folder, new_file, new_folder
from tacref.locks import LOCK, locked

HOLD = """
import os, signal, sys
from pathlib import Path
from tacref.files import new_folder
from tacref.locks import locked
with {call}(Path(sys.argv[1])) as given:
    print("held", flush=True)
    sys.stdin.readline()
    {then}
"""


def holder(path, call="locked", then="pass"):
    """Start a process that holds a lock until it is told to go on."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(call=call, then=then), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    return child


def test_another_process_is_told_who_has_it(tmp_path):
    child = holder(tmp_path)
    try:
        wanted = rf"{tmp_path}: is being written by process {child.pid} on \S+ since \d{{4}}-\d\d-"
        with pytest.raises(ValueError, match=wanted), locked(tmp_path):
            pass
    finally:
        child.communicate("\n")
    with locked(tmp_path) as died:
        assert died == ""
        assert [file.name for file in tmp_path.iterdir()] == [LOCK]
        with pytest.raises(ValueError, match=f"process {os.getpid()} on"), locked(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path):
    child = holder(tmp_path, then="os.kill(os.getpid(), signal.SIGKILL)")
    child.communicate("\n")
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path, "training") as died:
        assert re.match(rf"process {child.pid} on \S+ since ", died)
        with pytest.raises(ValueError, match=r", training$"), locked(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_was_removed_in_between_is_taken_again(tmp_path, monkeypatch):
    """Its last holder removes the file after another has opened it: two would hold two files."""
    import tacref.locks

    try_lock, calls = tacref.locks._try_lock, []

    def slow(descriptor):
        if not calls:
            (tmp_path / LOCK).unlink()
        calls.append(descriptor)
        return try_lock(descriptor)

    monkeypatch.setattr(tacref.locks, "_try_lock", slow)
    with locked(tmp_path):
        assert len(calls) == 2
        assert (tmp_path / LOCK).exists()
        with pytest.raises(ValueError, match="is being written by"), locked(tmp_path):
            pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK).symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic"), locked(tmp_path / "out"):
        pass
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize("exists", [False, True])
def test_two_writers_of_a_new_folder(tmp_path, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    child = holder(out, "new_folder", "(given / 'a').write_text('first')")
    try:
        with (
            pytest.raises(ValueError, match=f"written by process {child.pid} on"),
            new_folder(out),
        ):
            pass
    finally:
        child.communicate("\n")
    assert child.returncode == 0
    with pytest.raises(ValueError, match="output folder is not empty"), new_folder(out):
        pass
    assert (out / "a").read_text() == "first"
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [
        "out",
        "out/a",
    ]


@pytest.mark.parametrize("exists", [False, True])
def test_what_a_killed_writer_left_is_removed(tmp_path, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    child = holder(out, "new_folder", "os.kill(os.getpid(), signal.SIGKILL)")
    child.communicate("\n")
    assert child.returncode == -signal.SIGKILL
    (tmp_path / ".out-mine").mkdir()
    check_new_folder(out)
    with new_folder(out) as folder:
        (folder / "a").touch()
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {
        ".out-mine",
        "out",
        "out/a",
    }


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_that_somebody_fills_in_the_meantime(tmp_path, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()

    def write():
        with new_folder(out) as folder:
            (folder / "a").write_text("mine")
            out.mkdir(exist_ok=True)
            (out / "a").write_text("theirs")

    with pytest.raises(ValueError, match="output folder is not empty"):
        write()
    assert (out / "a").read_text() == "theirs"
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


@pytest.mark.parametrize("links", [True, False])
def test_new_file(tmp_path, monkeypatch, links):
    def refused(*names):
        raise PermissionError("no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    target = tmp_path / "deep" / "a.npz"
    with new_file(target) as path:
        path.write_text("first")

    def write():
        with new_file(target) as path:
            path.write_text("second")

    with pytest.raises(ValueError, match=r"a\.npz: exists already"):
        write()
    assert [path.read_text() for path in target.parent.iterdir()] == ["first"]


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    import errno
    import fcntl

    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path):
        pass
    assert capsys.readouterr().err.startswith("this file system has no locks (No locks available)")
