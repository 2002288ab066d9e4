"""Training on CUDA: it learns in every precision, resumes bit for bit, and its encoder moves."""

import json

import numpy as np
import pytest
import torch

from tacref.commands import main
from tacref.encoder import load_encoder
from tests.training.training_data import OPTIONS, losses_of

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no CUDA device"
)
ON_CUDA = [*OPTIONS[:-1], "cuda"]


def train(*options):
    return main(["train", *map(str, options)])


@pytest.mark.parametrize("precision", ["full", "bf16", "fp16"])
def test_it_learns(sequences, tmp_path, capsys, precision):
    options = [*ON_CUDA, "--steps", 60, "--precision", precision, "--json"]
    assert train("--data", sequences, "--out", tmp_path / "run", *options) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["tau_trained"]["all"] > 0.8 > result["tau_untrained"]["all"]
    losses = list(losses_of(tmp_path / "run").values())
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


def test_resume_is_bit_for_bit(sequences, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    options = ["--data", sequences, *ON_CUDA, "--steps", 12]
    assert train(*options, "--out", whole) == 0
    assert train(*options, "--out", halves, "--save-every", 5, "--keep", 9) == 0
    (halves / "encoder.safetensors").unlink()
    for path in (halves / "checkpoints").iterdir():
        if path.name > "step-000005.pt":
            path.unlink()
    assert train("--resume", halves) == 0
    written = [(run / "encoder.safetensors").read_bytes() for run in (whole, halves)]
    assert written[0] == written[1]


def test_embeddings_are_the_cpu_s(sequences, tmp_path):
    run = tmp_path / "run"
    assert train("--data", sequences, "--out", run, *ON_CUDA, "--steps", 5) == 0
    frames = np.load(sequences / "val" / "0.npy")
    there, here = (load_encoder(run, device=device).embed(frames) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(there, here, atol=1e-5)
