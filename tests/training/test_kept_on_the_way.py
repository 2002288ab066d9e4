"""What a run keeps on its way: the best encoder, and checkpoints by the minute."""

import json
import os
import signal

from tacref.commands import main
from tests.training.at_step import call_at_step
from tests.training.training_data import OPTIONS, checkpoints_of, taus_of, train

STEPS = 12


def test_a_measurement_that_a_signal_left_out(sequences, tmp_path, monkeypatch):
    plain, run = tmp_path / "plain", tmp_path / "run"
    options = ["--data", sequences, *OPTIONS, "--steps", STEPS, "--evaluate-every", 4]
    assert train(*options, "--out", plain) == 0
    call_at_step(monkeypatch, 7, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert train(*options, "--out", run) == 143
    assert [step for step, _ in taus_of(run)] == [0, 4]
    monkeypatch.undo()
    for _ in range(2):
        assert train("--resume", run) == 0
        assert taus_of(run) == taus_of(plain)
    assert (run / "best" / "encoder.safetensors").read_bytes() == (
        plain / "best" / "encoder.safetensors"
    ).read_bytes()


def test_the_best_encoder_is_kept(sequences, tmp_path, capsys):
    run = tmp_path / "run"
    options = [*OPTIONS, "--steps", STEPS, "--evaluate-every", 4]
    assert train("--data", sequences, "--out", run, *options) == 0
    taus = taus_of(run)
    assert [step for step, _ in taus] == [0, 4, 8, 12]
    best = json.loads((run / "best" / "config.json").read_text())["best"]
    assert best["mean_tau"] == max(tau for _, tau in taus[1:])
    assert (best["step"], best["mean_tau"]) in taus
    assert main(["evaluate", str(run / "best"), "--data", str(sequences), "--json"]) == 0


def test_minutes_between_checkpoints(sequences, tmp_path):
    run = tmp_path / "run"
    options = [*OPTIONS, "--steps", 3, "--save-minutes", 1e-9, "--keep", 9]
    assert train("--data", sequences, "--out", run, *options) == 0
    assert checkpoints_of(run) == [1, 2, 3]
