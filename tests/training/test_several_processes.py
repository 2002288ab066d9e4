"""Processes under torchrun compute what one process computes, and survive one's death."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tacref.commands import main
from tacref.data.sides import SideReader
from tacref.training.distributed import Ranks
from tests.training.training_data import OPTIONS, losses_of, taus_of, with_a_cut_clip

ROOT = Path(__file__).parents[2]


def torchrun(module, *options, restarts=0):
    """Run a module of this folder in two processes of one thread each; return its output."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [
            *(sys.executable, *command, f"--max-restarts={restarts}"),
            *("-m", f"tests.training.{module}", *options),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_two_processes_equal_one_and_one_may_die(sequences, tmp_path, capsys, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    shared = ["train", "--data", str(sequences), *OPTIONS, "--steps", "12", "--json"]
    shared += ["--on-bad-video", "skip"]
    monkeypatch.setattr(SideReader, "read", with_a_cut_clip(SideReader.read))
    assert main([*shared, "--out", str(one)]) == 0
    skipped = json.loads(capsys.readouterr().out)["skipped"]
    # Other than its weights, what one process of two micro-batches draws is the same, too.
    options = ["--save-every", "5", "--accumulate", "2", "--evaluate-every", "6"]
    out, errors = torchrun("dies_once", *shared, *options, "--out", str(two), restarts=1)
    result = json.loads(out.splitlines()[-1])
    assert result["resumed_at"] == 5
    assert result["steps"] == 12
    assert result["skipped"] == skipped
    assert min(skipped.values()) > 2
    # By one process; again after the restart if only steps since the checkpoint met it.
    assert 1 <= errors.count("skipped: 5.npy: cut") <= 2
    # Sums in another order, in float32, over 12 steps; a wrong mask or pair gives 1e-1.
    curve, wanted = losses_of(two), losses_of(one)
    assert list(curve) == list(wanted)
    assert list(curve.values()) == pytest.approx(list(wanted.values()), rel=1e-4)
    weights, expected = (
        load_file(two / "encoder.safetensors"),
        load_file(one / "encoder.safetensors"),
    )
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-4)
    (first, _, last), (first_of_one, last_of_one) = taus_of(two), taus_of(one)
    assert first == first_of_one  # the same untrained encoder, in shares
    assert last[1] == pytest.approx(last_of_one[1], abs=0.05)
    assert (two / "best" / "encoder.safetensors").exists()


def test_batch_normalization_over_both():
    gradients, buffers = map(float, torchrun("batchnorm_ranks")[0].split()[-2:])
    # Sums of a few hundred terms in float32, in another order.
    assert gradients < 1e-5
    assert buffers < 1e-5


def test_shares_must_be_equal(sequences, tmp_path, capsys, monkeypatch):
    given = {"RUN_ID": "x", "RESTART_COUNT": "0"}
    for name, value in given.items():
        monkeypatch.setenv(f"TORCHELASTIC_{name}", value)
    for name, value in {"RANK": "0", "WORLD_SIZE": "3", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    shared = ["train", "--data", str(sequences), *OPTIONS]
    assert main([*shared, "--out", str(tmp_path / "run")]) == 2
    assert "pairs must be a multiple of 3 processes x accumulate = 3, got 4" in (
        capsys.readouterr().err
    )
    assert main(shared) == 2
    assert "--out must be given under torchrun" in capsys.readouterr().err


def test_a_restart_leaves_another_run_alone(sequences, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    shared = ["train", "--data", str(sequences), *OPTIONS, "--steps", "2", "--out", str(run)]
    assert main(shared) == 0
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    ranks = Ranks(rank=0, world=2, job="mine", restarts=1)
    monkeypatch.setattr(Ranks, "from_environment", lambda: ranks)
    assert main(shared) == 2
    assert "output folder is not empty" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_each_process_has_its_gpu():
    assert Ranks(rank=5, world=8, local=1).device("cuda") == "cuda:1"
    assert Ranks().device("cuda") == "cuda"
    assert Ranks(rank=5, world=8, local=1).device("cpu") == "cpu"
