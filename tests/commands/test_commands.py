"""`tacref NAME`: dispatch, one line and status 2 on bad input, light imports."""

import os
import subprocess
import sys

import pytest

import tacref
from tacref.commands import COMMANDS, command, main


def test_help_and_version(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == tacref.__version__


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert f"usage: tacref {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["fly"], "tacref: unknown command 'fly'; one of train, evaluate"),
        (["trian"], "tacref: unknown command 'trian'; did you mean train?"),
        (["train", "--steps", "abc"], "tacref train: argument --steps: invalid whole number value"),
        (
            ["train", "--offsets", "-15,0"],
            "tacref train: argument --offsets: expected one argument (one that begins with - is",
        ),
        (["train", "--steps", "0"], "tacref train: argument --steps: must be >= 1, got 0"),
        (["train", "--speed", "9"], "tacref train: unrecognized arguments: --speed 9"),
        (["export"], "tacref export: the following arguments are required"),
        (["evaluate", "nowhere", "--data", "nowhere"], "tacref evaluate: nowhere"),
        (["embed", "nowhere", "none.mp4", "-o", "out"], "tacref embed: none.mp4: no such file"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(line)
    assert shown.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_other_endings(capsys, monkeypatch):
    def ending(error):
        @command("try")
        def run():
            raise error

        return run

    assert ending(KeyboardInterrupt())() == 130
    assert "tacref try: interrupted" in capsys.readouterr().err
    assert ending(ImportError("No module named 'av'"))() == 2
    assert "pip install 'tacref[all]'" in capsys.readouterr().err
    assert ending(ValueError("two\nlines"))() == 2
    assert capsys.readouterr().err == "tacref try: two lines\n"
    with pytest.raises(RuntimeError):
        ending(RuntimeError("ours"))()
    monkeypatch.setenv("TACREF_DEBUG", "1")
    with pytest.raises(ValueError, match="shown"):
        ending(ValueError("shown"))()


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import tacref; assert tacref.__version__ and dir(tacref)", {"torch", "numba", "numpy"}),
        ("import tacref; tacref.reference.soft_dtw([[1.0]])", {"torch"}),
        ("import tacref.data, tacref.evaluation, tacref.alignment", {"torch"}),
        ("import tacref.encoder", {"torch"}),
        ("import tacref_export.session", {"torch", "numba"}),
    ],
)
def test_light_imports(code, absent):
    check = f"{code}\nimport sys\nassert not {absent} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize("name", ["align", "embed", "evaluate", "follow", "train", "verify"])
def test_a_missing_package_is_one_line(name):
    code = (
        "import runpy, sys; sys.modules |= dict.fromkeys(('PIL', 'av', 'torch', 'mpmath'))\n"
        f"sys.argv = ['{name}', *'a b --encoder e --reference r --data d -o o'.split()]\n"
        f"runpy.run_module('tacref.{name}', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"tacref {name}: ")
    assert done.stderr.count("\n") == 1


def test_nobody_reads_the_output():
    code = (
        "import sys; from tacref.commands import command\n"
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


NAMES = (
    "import sys; from tacref.commands import command\n"
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


def test_another_broken_pipe(capsys):
    @command("align")
    def main():
        raise BrokenPipeError("the camera's")

    assert main() == 2
    assert capsys.readouterr().err == "tacref align: the camera's\n"


@pytest.mark.parametrize("name", ["nothing", "torch"])
def test_unknown_attribute(name):
    with pytest.raises(AttributeError, match=f"no attribute {name!r}"):
        getattr(tacref, name)
