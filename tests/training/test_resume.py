"""Checkpoints: a run that was ended goes on as if it had not been, or says why it cannot."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from tacref.encoder import load_encoder
from tacref.locks import LOCK
from tests.training.at_step import call_at_step
from tests.training.training_data import OPTIONS, checkpoints_of, losses_of, taus_of, train

STEPS = 12


@pytest.fixture(scope="module")
def whole(sequences, tmp_path_factory):
    """Return a run that was not stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert train("--data", sequences, "--out", run, *OPTIONS, "--steps", STEPS) == 0
    return run


def weights_of(run):
    return (run / "encoder.safetensors").read_bytes()


@pytest.fixture
def stopped(sequences, tmp_path, monkeypatch, capsys):
    """Return a run that SIGTERM ended after step 7, with checkpoints at 3, 6 and 7."""
    run = tmp_path / "run"
    call_at_step(monkeypatch, 6, lambda: os.kill(os.getpid(), signal.SIGTERM))
    options = ["--steps", STEPS, "--save-every", 3, "--keep", 3]
    assert train("--data", sequences, "--out", run, *OPTIONS, *options) == 143
    assert f"--resume {run} continues" in capsys.readouterr().out
    monkeypatch.undo()
    assert checkpoints_of(run) == [3, 6, 7]
    return run


@pytest.mark.parametrize("workers", [0, 1])
def test_resume_is_bit_for_bit(whole, stopped, capsys, workers):
    assert train("--resume", stopped, "--workers", workers, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["resumed_at"], result["steps"], result["signal"]) == (7, STEPS, 0)
    assert weights_of(stopped) == weights_of(whole)
    assert losses_of(stopped) == losses_of(whole)
    assert taus_of(stopped) == taus_of(whole)
    assert result["tau_untrained"]["all"] == taus_of(whole)[0][1]
    assert checkpoints_of(stopped) == [7, 9, STEPS]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_damaged_checkpoints_are_set_aside(whole, stopped, capsys):
    folder = stopped / "checkpoints"
    (folder / "step-000007.pt").write_bytes(b"PK")
    newer = bytearray((folder / "step-000006.pt").read_bytes())
    newer[len(newer) // 2] ^= 1  # one bit
    (folder / "step-000006.pt").write_bytes(newer)
    (folder / ".step-000008-abc.pt").write_bytes(b"half")
    (stopped / ".metrics-abc.jsonl").write_text('{"step": 1')
    (stopped / ".backbone-abc.onnx").write_bytes(b"half")
    (stopped / ".backbone.onnx-abc.data").write_bytes(b"half")
    assert train("--resume", stopped, "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["resumed_at"] == 3
    assert "step-000007.pt: damaged" in captured.err
    assert "step-000006.pt: damaged" in captured.err
    assert sorted(path.name for path in folder.glob("*.damaged")) == [
        "step-000006.damaged",
        "step-000007.damaged",
    ]
    assert not list(stopped.rglob(".*"))
    assert weights_of(stopped) == weights_of(whole)
    assert losses_of(stopped) == losses_of(whole)


def test_a_checkpoint_that_is_whole_is_never_set_aside(stopped, capsys, monkeypatch):
    folder = stopped / "checkpoints"
    before = {path: path.read_bytes() for path in folder.iterdir()}

    def full(*args, **options):
        raise MemoryError("no memory")

    monkeypatch.setattr("tacref.training.checkpoint.torch.load", full)
    assert train("--resume", stopped) == 2
    assert capsys.readouterr().err.startswith("tacref train: no memory; less is needed with a ")
    monkeypatch.undo()
    newest = folder / "step-000007.pt"
    state = torch.load(newest, weights_only=True)
    torch.save(state | {"format": 99}, newest)
    before[newest] = newest.read_bytes()
    assert train("--resume", stopped) == 2
    assert "a checkpoint of format 99; this version reads 1" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_damaged_checkpoints_alone_leave_the_encoder(stopped, capsys):
    for path in (stopped / "checkpoints").iterdir():
        path.write_bytes(b"PK")
    before = weights_of(stopped)
    for _ in range(2):
        assert train("--resume", stopped) == 2
        assert "has no checkpoint that is whole" in capsys.readouterr().err
    assert weights_of(stopped) == before


@pytest.mark.parametrize("note", [True, False])
def test_a_trained_encoder_is_not_replaced_for_want_of_checkpoints(stopped, capsys, note):
    shutil.rmtree(stopped / "checkpoints")
    if not note:  # as in runs older than it
        config = json.loads((stopped / "config.json").read_text())
        assert config.pop("step") == 7
        (stopped / "config.json").write_text(json.dumps(config))
    before = weights_of(stopped)
    assert train("--resume", stopped) == 2
    error = capsys.readouterr().err
    assert f"would replace the encoder of step {7 if note else '?'} (--recipe with its" in error
    assert weights_of(stopped) == before


def test_a_run_killed_before_its_first_checkpoint_starts_over(whole, sequences, tmp_path):
    run = tmp_path / "run"
    options = ["--data", sequences, "--out", run, *OPTIONS, "--steps", STEPS]
    code = (
        "import os, signal, sys; from tacref.training.loop import _Loop; "
        "_Loop.steps = lambda self: os.kill(os.getpid(), signal.SIGKILL); "
        "from tacref.commands import main; main(sys.argv[1:])"
    )
    child = subprocess.run([sys.executable, "-c", code, "train", *map(str, options)], check=False)
    assert child.returncode == -signal.SIGKILL
    assert (run / LOCK).exists()
    assert train("--resume", run) == 0
    assert weights_of(run) == weights_of(whole)
    assert not list(run.rglob(".*"))


def test_a_finished_run_is_left_as_it_is(whole, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    assert train("--resume", run, "--json") == 0
    assert json.loads(capsys.readouterr().out)["resumed_at"] == STEPS
    assert weights_of(run) == weights_of(whole)
    assert taus_of(run) == taus_of(whole)
    assert losses_of(run) == losses_of(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("longer", "train/1.npy had {before} bytes and now has {now}"),
        ("gone", "train/1.npy is gone"),
        ("new", "train/1b.npy is new"),
    ],
)
def test_changed_data(stopped, sequences, tmp_path, capsys, change, message):
    data = tmp_path / "moved"
    shutil.copytree(sequences, data)
    clip = data / "train" / "1.npy"
    before = clip.stat().st_size
    if change == "longer":
        np.save(clip, np.concatenate([np.load(clip)] * 2))
    elif change == "gone":
        clip.unlink()
    else:
        shutil.copy(clip, clip.with_name("1b.npy"))
    now = clip.stat().st_size if clip.exists() else 0
    saved = weights_of(stopped)
    assert train("--resume", stopped, "--data", data) == 2
    error = capsys.readouterr().err
    assert message.format(before=before, now=now) in error
    assert error.count("\n") == 1
    assert weights_of(stopped) == saved


def test_data_that_only_moved(whole, stopped, sequences, tmp_path):
    shutil.copytree(sequences, tmp_path / "moved")
    assert train("--resume", stopped, "--data", tmp_path / "moved") == 0
    assert weights_of(stopped) == weights_of(whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lr", "0.5"], "lr cannot change when a run is resumed: it is 0.001 in"),
        (["--dim", "8"], "dim cannot change when a run is resumed: it is 16 in"),
        (["--steps", "99"], "steps cannot change when a run is resumed: it is 12 in"),
        (["--offsets=0"], "offsets cannot change when a run is resumed: it is (-2, 0, 2) in"),
        (
            ["--encoder", "small"],
            "encoder cannot change when a run is resumed: it is 'features' in",
        ),
        (["--weights", "w.pth"], "weights cannot change when a run is resumed: it is None in"),
        (["--backbone", "b.onnx"], "backbone cannot change when a run is resumed: it is None in"),
        (["--backbone-grid", "2"], "backbone_grid cannot change when a run is resumed: it is 4 in"),
        (["--out", "other"], "no --out, --recipe"),
        (["--device", "warp"], "device 'warp'"),
    ],
)
def test_other_options(stopped, capsys, options, message):
    assert train("--resume", stopped, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_checkpoint_of_another_encoder(whole, stopped, sequences, tmp_path, capsys):
    other = tmp_path / "other"
    options = [*OPTIONS, "--steps", STEPS, "--dim", 8]
    assert train("--data", sequences, "--out", other, *options) == 0
    shutil.rmtree(stopped / "checkpoints")
    shutil.copytree(other / "checkpoints", stopped / "checkpoints")
    capsys.readouterr()
    assert train("--resume", stopped) == 2
    assert "is of another encoder, with dim = 8, not 16" in capsys.readouterr().err


def test_arrays_of_another_width(stopped, sequences, tmp_path, capsys):
    data = tmp_path / "moved"
    shutil.copytree(sequences, data)
    for clip in data.glob("*/*.npy"):  # of as many bytes
        rows = np.load(clip)
        np.save(clip, np.concatenate([rows, rows], axis=1).astype(np.float16))
    assert train("--resume", stopped, "--data", data) == 2
    error = capsys.readouterr().err
    assert "is of another encoder, with channels = 8, not 16" in error
    assert error.count("\n") == 1


def test_a_checkpoint_of_other_settings(whole, stopped, capsys):
    config = json.loads((stopped / "config.json").read_text())
    config["training"]["gamma"] = 0.7
    (stopped / "config.json").write_text(json.dumps(config))
    assert train("--resume", stopped) == 2
    assert "gamma cannot change when a run is resumed: it is 0.1" in capsys.readouterr().err


def test_a_setting_younger_than_the_run(stopped, capsys):
    config = json.loads((stopped / "config.json").read_text())
    assert config["training"].pop("view_weight") == 0
    (stopped / "config.json").write_text(json.dumps(config))
    assert train("--resume", stopped, "--view-weight", "1") == 2
    line = "view_weight cannot change when a run is resumed: it is 0.0 in"
    assert line in capsys.readouterr().err
    assert train("--resume", stopped) == 0


def test_nothing_to_resume(tmp_path, capsys):
    assert train("--resume", tmp_path / "absent") == 2
    assert "absent: no run to continue, config.json is missing" in capsys.readouterr().err


def test_checkpoints_hold_no_code(whole):
    state = torch.load(next((whole / "checkpoints").iterdir()), weights_only=True)
    assert state["step"] == STEPS
    assert state["data"].keys() == {
        *(f"train/{number}.npy" for number in range(6)),
        *(f"val/{number}.npy" for number in range(3)),
    }


def test_a_full_disk_leaves_the_checkpoint_before(whole, sequences, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Writing beyond the limit fails as on a full disk.
    call_at_step(
        monkeypatch, 4, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    )
    options = [*OPTIONS, "--steps", STEPS, "--save-every", 3]
    try:
        status = train("--data", sequences, "--out", run, *options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "step-000006.pt: cannot be written (File too large); step-000003.pt is whole" in error
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000003.pt"]
    assert load_encoder(run).config.dim == 16
    monkeypatch.undo()
    assert train("--resume", run) == 0
    assert weights_of(run) == weights_of(whole)


def test_measuring_on_the_way_changes_no_weight(whole, sequences, tmp_path):
    run = tmp_path / "run"
    options = [*OPTIONS, "--steps", STEPS, "--evaluate-every", 5, "--save-every", 2, "--keep", 1]
    assert train("--data", sequences, "--out", run, *options) == 0
    assert weights_of(run) == weights_of(whole)
    assert checkpoints_of(run) == [STEPS]


def test_config_does_the_run_again(whole, tmp_path):
    run = tmp_path / "run"
    assert train("--config", whole / "config.json", "--out", run) == 0
    assert weights_of(run) == weights_of(whole)
    assert (run / "config.json").read_text() == (whole / "config.json").read_text()
