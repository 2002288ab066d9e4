"""`tacref NAME`: dispatch, one line and status 2 on bad input, light imports."""

import errno
import signal
import subprocess
import sys

import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

import tacref
from tacref.commands import COMMANDS, main
from tacref.commands.guard import command


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
    assert ending(ValueError("two\nlines, \x1b[2J\u202e and caf\xe9\u3000.mp4"))() == 2
    line = "tacref try: two\\nlines, \\x1b[2J\\u202e and caf\xe9\u3000.mp4\n"
    assert capsys.readouterr().err == line
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
        ("from tacref.commands import main; main(['--help'])", {"torch", "numba", "numpy"}),
    ],
)
def test_light_imports(code, absent):
    check = f"{code}\nimport sys\nassert not {absent} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize(
    "name", ["align", "demo", "embed", "evaluate", "export", "follow", "train", "verify"]
)
def test_a_missing_package_is_one_line(name):
    check_one_line("tacref", name, "a b --encoder e --reference r --data d -o o")


@pytest.mark.parametrize(
    ("module", "name"),
    [("tacref.train", "train"), ("tacref.verify", "verify"), ("tacref_export", "export")],
)
def test_modules_that_are_commands_themselves(module, name):
    check_one_line(module, name, "--none")


def check_one_line(module, name, arguments):
    words = [*([name] if module == "tacref" else []), *arguments.split()]
    code = (
        "import runpy, sys; sys.modules |= dict.fromkeys(('PIL', 'av', 'torch', 'mpmath'))\n"
        f"sys.argv = {[module, *words]}\n"
        f"runpy.run_module('{module}', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"tacref {name}: ")
    assert done.stderr.count("\n") == 1


def test_another_broken_pipe(capsys):
    @command("align")
    def main():
        raise BrokenPipeError("the camera's")

    assert main() == 2
    assert capsys.readouterr().err == "tacref align: the camera's\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory"),
        (MemoryError("Unable to allocate 7 EiB"), "Unable to allocate 7 EiB"),
        (torch.OutOfMemoryError("CUDA says no"), "out of memory (CUDA says no)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory ("),
        (RuntimeError("std::bad_alloc"), "out of memory ("),
        (RuntimeException("Failed to allocate memory for requested buffer"), "out of memory ("),
        (OSError(errno.ENOMEM, "Cannot allocate memory", "out"), "out of memory (out: Cannot"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "out of memory"),
    ],
)
def test_no_memory_left(capsys, error, line):
    @command("align")
    def main():
        raise error

    assert main() == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"tacref align: {line}")
    assert shown.count("\n") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_nothing_half_written(tmp_path, number, status):
    code = (
        "from tacref.files import new_folder\n"
        "@command('align')\n"
        "def main():\n"
        f"    with new_folder({str(tmp_path / 'out')!r}) as folder:\n"
        "        try: (folder / 'half').touch(); print('begun', flush=True); time.sleep(60)\n"
        "        except Exception: pass\n"
        "        finally: time.sleep(0.2)\n"
    )
    code = f"import sys, time; from tacref.commands.guard import command\n{code}\nsys.exit(main())"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        process.send_signal(signal.SIGTERM)  # as `timeout`, to the process and to its group
        assert process.wait() == status
        assert process.stderr.read() == f"tacref align: ended by {number.name}\n"
    assert list(tmp_path.iterdir()) == []


def test_handlers_of_others_stay():
    @command("train")
    def main():
        return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not main()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("name", ["nothing", "torch"])
def test_unknown_attribute(name):
    with pytest.raises(AttributeError, match=f"no attribute {name!r}"):
        getattr(tacref, name)
