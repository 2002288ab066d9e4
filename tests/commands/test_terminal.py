"""What commands print: any text, in any encoding, into streams that are closed, full or unread."""

import contextlib
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import tacref.terminal
from tacref.commands.guard import command
from tacref.terminal import Output, plain_warnings, printable, progress_bar


def test_printable():
    assert printable("caf\xe9 \u3000\U0001f600") == "caf\xe9 \u3000\U0001f600"
    text = "a\x1b[2J\r\n\t\x7f\x85\u2028\u202e\ufeff\udcff"
    assert printable(text) == "a\\x1b[2J\\r\\n\\t\\x7f\\x85\\u2028\\u202e\\ufeff\\udcff"


def test_nobody_reads_the_output():
    code = (
        "import sys; from tacref.commands.guard import command\n"
        "def main():\n    for _ in range(10**5): print('a line')\n    return 0\n"
        "sys.exit(command('align')(main)())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"a line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def start(code, **options):
    code = f"import sys, time; from tacref.commands.guard import command\n{code}\nsys.exit(main())"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-c", code], **pipes)


NAMES = (
    "import sys; from tacref.commands.guard import command\n"
    "def main():\n"
    "    print('caf\\xe9', '\\udcff', file=sys.stdout); print('written'); sys.stdout.isatty()\n"
    "    return 7 * sys.stderr.isatty()\n"
    "sys.exit(command('embed')(main)())"
)


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", rb"caf\xe9 \udcff"), ("utf-8", "café \\udcff".encode())]
)
def test_any_name_can_be_printed(encoding, shown):
    done = subprocess.run(
        [sys.executable, "-c", NAMES],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert (done.returncode, done.stdout.splitlines()) == (0, [shown, b"written"])


def test_no_streams_at_all():
    start = 'exec "$0" -c "$1" >&- 2>&-'
    assert subprocess.run(["sh", "-c", start, sys.executable, NAMES]).returncode == 0


WORK = (
    "@command('align')\n"
    "def main():\n"
    "    for k in range(2000): print('a line', k)\n"
    "    print('a word', file=sys.stderr)\n"
    "    open(DONE, 'w').close(); return 0\n"
)


@pytest.mark.parametrize(
    ("streams", "status", "line"),
    [
        ({"stdout": "/dev/full"}, 2, "tacref align: done, but the output could not be written (No"),
        ({"stderr": "/dev/full"}, 0, None),
        ({"stdout": "/dev/full", "stderr": "/dev/full"}, 2, None),
    ],
)
def test_output_that_cannot_be_written_ends_no_work(tmp_path, streams, status, line):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(open(path, "w")) for name, path in streams.items()}
        process = stack.enter_context(start(f"DONE = {str(tmp_path / 'done')!r}\n{WORK}", **files))
        _, error = process.communicate()
    assert process.returncode == status
    assert (tmp_path / "done").exists()
    if line:
        assert error.splitlines()[1].startswith(line)
        assert error.count("\n") == 2


def test_help_that_cannot_be_written():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        asked = [sys.executable, "-m", "tacref", "export", "--help"]
        done = subprocess.run(asked, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("tacref: done, but the output could not be written (No space")


def test_nobody_reads_but_the_work_is_done(tmp_path):
    with start(f"DONE = {str(tmp_path / 'done')!r}\n{WORK}") as process:
        process.stdout.close()
        assert process.stderr.read() == "a word\n"
        assert process.wait() == 141
    assert (tmp_path / "done").exists()


def test_what_c_code_says_goes_into_no_file(tmp_path):
    code = (
        "import os\n"
        "@command('align')\n"
        "def main():\n"
        f"    with open({str(tmp_path / 'file')!r}, 'w') as file:\n"
        "        os.write(1, b'to stdout'); os.write(2, b'to stderr'); return file.fileno() < 3\n"
    )
    shell = 'exec "$0" -c "$1" <&- >&- 2>&-'
    code = f"import sys; from tacref.commands.guard import command\n{code}sys.exit(main())"
    assert subprocess.run(["sh", "-c", shell, sys.executable, code]).returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_control_characters_become_escapes_in_all_that_is_printed(capsys):
    @command("embed")
    def main():
        print("a\x1b[2J\x07\x9bb\rc", "\ttab")
        print("\rbar \x1b[1A\r", end="", file=sys.stderr)
        return 0

    assert main() == 0
    shown = capsys.readouterr()
    assert shown.out == "a\\x1b[2J\\x07\\x9bb\\rc \\ttab\n"
    assert shown.err == "\rbar \\x1b[1A\\r"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_says_how_long_it_takes_and_only_what_can_be_printed(monkeypatch):
    monkeypatch.setattr(tacref.terminal, "BAR_DELAY", 0.0)
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", Output(terminal))
    outer = progress_bar(range(2), "a\x1b[2J\rb", 2, "clips")
    assert [[*progress_bar([k], "inside", 1, "frames")] for k in outer] == [[0], [1]]
    shown = terminal.getvalue()
    assert shown.startswith("\ra\\x1b[2J\\rb:   0%|")
    assert "0/2 [00:00<?, ? clips/s]" in shown
    assert "\x1b[A" in shown  # tqdm's, back from the bar below
    assert "\x1b[2J" not in shown
    assert [*progress_bar(range(2), "none", 2, "clips", enabled=False)] == [0, 1]
    assert "none" not in terminal.getvalue()


def test_warnings_of_the_project_are_one_line(capsys, monkeypatch):
    others = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *rest: others.append(str(message)))
    with plain_warnings("tacref embed"):
        warnings.showwarning(UserWarning("a\x1bb"), UserWarning, tacref.terminal.__file__, 1)
        warnings.showwarning(UserWarning("elsewhere"), UserWarning, "/other/module.py", 1)
    assert capsys.readouterr().err == "tacref embed: warning: a\\x1bb\n"
    assert others == ["elsewhere"]
