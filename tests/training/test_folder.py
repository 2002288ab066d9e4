"""A run's folder has one writer, and what a killed start left holds nothing up."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tacref.commands import main
from tacref.training.distributed import Ranks
from tests.training.at_step import call_at_step
from tests.training.training_data import OPTIONS, losses_of

HELD = r"tacref train: {run}: is being written by process \d+ on \S+ since .*, training\n"

# The built-in activity, small; `die` is called at a point of the start.
KILLED_START = """
import os, signal, sys
import tacref.data.synthetic as synthetic
from tacref.commands import main
from tacref.data import PairDataset

def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)

make = synthetic.make_dataset
synthetic.make_dataset = lambda out, **options: make(out, train=2, val=2, size=32, **options)
{where} = die
main(sys.argv[1:])
"""


def train(*options):
    return main(["train", *map(str, options)])


def test_two_at_once(sequences_without_val, tmp_path, monkeypatch, capsys):
    run, plain = tmp_path / "run", tmp_path / "plain"
    options = ["--data", sequences_without_val, *OPTIONS, "--steps", 4]
    assert train(*options, "--out", plain) == 0
    refused = []

    def second():
        for given in ([*options, "--out", run], ["--resume", run]):
            capsys.readouterr()
            refused.append((train(*given), capsys.readouterr().err))

    call_at_step(monkeypatch, 2, second)
    assert train(*options, "--out", run) == 0
    assert len(refused) == 2
    for status, error in refused:
        assert status == 2
        assert re.fullmatch(HELD.format(run=run), error)
    assert losses_of(run) == losses_of(plain)
    assert not list(run.rglob(".*"))
    call_at_step(monkeypatch, 1, second)
    again = tmp_path / "again"
    assert train(*options, "--out", again) == 0  # only the folder in use is refused
    assert refused[2][0] == 2
    assert "output folder is not empty" in refused[2][1]


def test_two_at_once_without_a_name(sequences_without_val, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--data", sequences_without_val, *OPTIONS, "--steps", 2]
    statuses = []
    call_at_step(monkeypatch, 1, lambda: statuses.append(train(*options)))
    assert train(*options) == 0
    assert statuses == [0]
    for number in ("001", "002"):
        assert list(losses_of(tmp_path / "runs" / number)) == [1, 2]


def test_a_bad_option_leaves_no_folder(sequences, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    for out in (["--out", "deep/er/run"], ["--out", "there"], []):
        assert train("--data", sequences, *OPTIONS, "--gamma", 0, *out) == 2
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


@pytest.mark.parametrize("where", ["synthetic._write_csv", "PairDataset.check"])
def test_killed_before_there_was_an_encoder(tmp_path, capsys, small_activity, where):
    run = tmp_path / "run"
    options = ["--out", run, "--pairs", 1, "--frames", 4, "--size", 32, "--steps", 1]
    options += ["--device", "cpu"]
    child = subprocess.run(
        [sys.executable, "-c", KILLED_START.format(where=where), "train", *map(str, options)],
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert len(list(run.iterdir())) > 1
    assert train("--resume", run) == 2
    assert (
        "it was ended before its first step, start it again with --out" in capsys.readouterr().err
    )
    # Rendered anew: what is there may be of another seed.
    assert train(*options, "--seed", 1) == 0
    assert capsys.readouterr().err.count("rendering the built-in activity") == 1
    assert not list(run.rglob(".*"))


def test_a_users_folder_is_never_taken_for_a_killed_start(tmp_path, capsys):
    """Not even with a lock in it, and clips in the place of ours."""
    run = tmp_path / "run"
    clip = run / "data" / "train" / "clip_000.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_text("precious")
    (run / ".tacref-lock").write_text("process 1 on here since yesterday, training\n")
    assert train("--out", run) == 2
    assert "output folder is not empty" in capsys.readouterr().err
    assert clip.read_text() == "precious"


def test_a_closed_terminal_ends_a_run_with_a_checkpoint(sequences, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    options = ["--data", sequences, *OPTIONS, "--steps", 5]
    call_at_step(monkeypatch, 2, lambda: os.kill(os.getpid(), signal.SIGHUP))
    assert train(*options, "--out", run) == 128 + signal.SIGHUP
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000003.pt"]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    assert train("--resume", run) == 0
    assert list(losses_of(run)) == [1, 2, 3, 4, 5]


def test_under_nohup_a_run_goes_on(sequences_without_val, tmp_path, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        call_at_step(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGHUP))
        options = ["--data", sequences_without_val, *OPTIONS, "--steps", 3]
        assert train(*options, "--out", tmp_path / "run") == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_torchrun_without_a_name_is_told_from_others(monkeypatch):
    given = {"RUN_ID": "none", "RESTART_COUNT": "0"}
    for name, value in given.items():
        monkeypatch.setenv(f"TORCHELASTIC_{name}", value)
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    jobs = []
    for logs in ("/logs_a/none_b/attempt_0/0", "/logs_a/none_b/attempt_1/1",
                 "/logs_c/none_b/attempt_0/0"):  # fmt: skip
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", f"{logs}/error.json")
        jobs.append(Ranks.from_environment().job)
    assert jobs[0] == jobs[1] != jobs[2]
    assert os.uname().nodename in jobs[0]


def test_stdout_went_with_the_terminal(tmp_path):
    """An ended run keeps its status where what it says cannot be written, as to /dev/full."""
    code = (
        "import sys; from tacref.commands.train import _print; "
        "_print('said', {}); sys.stdout.flush()"
    )
    for interrupted, failed in ((True, False), (False, True)):
        with open("/dev/full", "w") as gone:
            done = subprocess.run(
                [sys.executable, "-c", code.format(interrupted)],
                stdout=gone,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert (done.returncode != 0) == failed
