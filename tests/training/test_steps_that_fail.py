"""Steps that fail: clips that cannot be read, interrupts, numbers that are not finite."""

import json
import os
import signal

import torch

from tacref.commands import main
from tacref.data import PairDataset
from tacref.encoder import load_encoder
from tests.training.training_data import OPTIONS, run_of


def test_clips_that_cannot_be_read_are_named_once(sequences, tmp_path, capsys, monkeypatch):
    draw = PairDataset.batch

    def batch(self, step, **share):
        drawn = draw(self, step, **share)
        drawn.skipped.extend(["a.mp4: cut"] * (step % 2))
        return drawn

    monkeypatch.setattr(PairDataset, "batch", batch)
    run_of(sequences, tmp_path / "run")
    captured = capsys.readouterr()
    assert captured.err.count("skipped: a.mp4: cut") == 1
    assert "clips that could not be read: 1, replaced 2 times" in captured.out


def test_a_damaged_clip_is_left_out_when_asked(sequences, tmp_path, capsys):
    data = tmp_path / "data"
    (data / "train").mkdir(parents=True)
    for clip in (sequences / "train").iterdir():
        (data / "train" / clip.name).symlink_to(clip)
    (data / "train" / "bad.npy").write_bytes(b"no array")
    options = ["train", "--data", str(data), *OPTIONS, "--steps", "2"]
    assert main([*options, "--out", str(tmp_path / "fails")]) == 2
    assert "bad.npy" in capsys.readouterr().err
    skip = ["--on-bad-video", "skip", "--out", str(tmp_path / "run")]
    assert main([*options, *skip]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("bad.npy") == 1
    assert "clips that could not be read: 1" in captured.out


def test_a_second_interrupt_ends_at_once(sequences, tmp_path, capsys, monkeypatch):
    def batch(self, step, **share):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(PairDataset, "batch", batch)
    shared = ["train", "--data", str(sequences), "--out", str(tmp_path / "run"), *OPTIONS]
    assert main(shared) == 130
    assert "interrupted" in capsys.readouterr().err
    assert load_encoder(tmp_path / "run").config.dim == 16


def test_a_weight_that_is_not_finite(sequences, tmp_path, capsys, monkeypatch):
    def overflow(self, closure=None):
        self.param_groups[0]["params"][0].data.view(-1)[0] = torch.inf

    monkeypatch.setattr(torch.optim.Adam, "step", overflow)
    run = tmp_path / "run"
    shared = ["train", "--data", str(sequences), "--out", str(run), *OPTIONS]
    assert main([*shared, "--steps", "3"]) == 1
    assert "a weight is not finite at step 1 on" in capsys.readouterr().err
    report = json.loads((run / "diverged.json").read_text())
    assert report["step"] == 1
    assert len(report["clips"]) == 4
    assert not list((run / "checkpoints").glob("*"))
    assert all(torch.isfinite(value).all() for value in load_encoder(run).state_dict().values())


def test_a_gradient_that_is_not_finite(sequences, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "tacref.training.step.get_total_norm", lambda gradients: torch.tensor(torch.inf)
    )
    shared = ["train", "--data", str(sequences), "--out", str(tmp_path / "run"), *OPTIONS]
    assert main(shared) == 1
    assert "gradient's norm is inf at step 1 on" in capsys.readouterr().err
