"""SIGKILL at random moments: a run that is resumed each time ends with the same weights."""

import subprocess
import sys
from pathlib import Path

from tests.training.training_data import losses_of


def test_thirty_kills_change_nothing(sequences_without_val, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.training.kill_often"),
            *(str(sequences_without_val), str(tmp_path), "30"),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    _, kills, _, runs = done.stdout.splitlines()[-1].split()
    assert int(kills) >= 30
    whole = tmp_path / "whole"
    weights, losses = (whole / "encoder.safetensors").read_bytes(), losses_of(whole)
    assert list(losses) == list(range(1, 201))
    for number in range(int(runs)):
        run = tmp_path / f"killed_{number}"
        assert (run / "encoder.safetensors").read_bytes() == weights
        assert losses_of(run) == losses
        assert not list(run.rglob(".*"))  # nothing half-written stays
    assert int(runs) <= 30  # so that at least one was killed and went on
