"""What the Triton backend allocates and launches at full size, counted without a GPU."""

import json
import sys
from pathlib import Path

import pytest
import torch

from tests.losses.triton_checks import INSTALLED, run_apart

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are no part of the package

from benchmarks.counts import peak_bytes  # noqa: E402

pytestmark = pytest.mark.skipif(not INSTALLED, reason="triton is not installed")


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    path = tmp_path_factory.mktemp("counts") / "counts.json"
    run = run_apart("-m", "benchmarks.counts", "--json", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(path.read_text("utf-8"))


def test_memory_of_soft_dtw(counts):
    B, n, d = counts["soft-DTW"]["shape"]
    assert (B, n, d) == (32, 512, 64)
    # Two float64 of each cell, both embeddings in float64 and both gradients in float32, no more
    # than a few numbers of each item besides.
    needed = 16 * B * n * n + 2 * (8 + 4) * B * n * d
    assert needed <= counts["soft-DTW"]["bytes"] <= needed + 100 * B
    assert counts["soft-DTW"]["bytes"] <= 160e6


def test_launches_of_a_single_tile(counts):
    once = dict.fromkeys(("prepare", "costs_of_embeddings", "sweep", "flow", "chain"), 1)
    assert counts["soft-DTW"]["launches"] == once
    # Both videos at once.
    assert counts["LAV"]["launches"] == once | {"idm_pairs": 1, "chain": 2}


def test_a_long_pair_takes_bounded_memory(counts):
    B, n, _ = counts["soft-DTW, one long pair"]["shape"]
    assert counts["soft-DTW, one long pair"]["bytes"] < 16 * B * n * n / 5


def test_the_peak_is_what_is_held_at_once():
    def call():
        first = torch.empty(3000, dtype=torch.uint8)
        del first
        kept = torch.empty(2000, dtype=torch.uint8)
        return kept, torch.empty(500, dtype=torch.uint8), kept[:100]

    assert peak_bytes(call) == 3000
    assert peak_bytes(lambda: [torch.empty(1000, dtype=torch.uint8) for _ in range(4)]) == 4000
    assert peak_bytes(lambda: None) == 0


def test_nothing_is_run_while_launches_are_counted():
    code = (
        "import os; os.environ['TRITON_INTERPRET'] = '1'\n"
        "import torch\n"
        "from benchmarks.counts import count\n"
        "from tacref.losses import soft_dtw\n"
        "D = torch.full((1, 2, 2), 0.5)\n"
        "run = lambda: soft_dtw(D, backend='triton').item()\n"
        "counts = count(run)\n"
        "print(counts.launches == {'costs_of_matrix': 1, 'sweep': 1}, abs(run() - 1) < 0.2)\n"
    )
    run = run_apart("-c", code, PYTHONPATH=f"{ROOT}:{ROOT / 'export'}")
    assert run.stdout.split() == ["True", "True"], run.stdout + run.stderr


def test_no_number_on_the_device_is_asked_for():
    """Nor anything moved from or to the CPU, which a CUDA graph could not record."""
    code = (
        "import os; os.environ['TRITON_INTERPRET'] = '1'\n"
        "import torch\n"
        "from benchmarks.counts import count, forward_and_backward\n"
        "from tacref.losses import LAVLoss, SoftDTWDivergenceLoss\n"
        "def refuse(*_, **__): raise AssertionError('this waits for the device')\n"
        "names = 'item tolist numpy cpu __bool__ __int__ __float__ __index__ nonzero'.split()\n"
        "for name in names: setattr(torch.Tensor, name, refuse)\n"
        "for loss in (LAVLoss, SoftDTWDivergenceLoss):\n"
        "    call = forward_and_backward(loss(backend='triton'), (32, 20, 128))\n"
        "    print(count(call).launches['sweep'])\n"
        "try: torch.ones(1).item()\n"
        "except AssertionError: print('refused')\n"
    )
    run = run_apart("-c", code, PYTHONPATH=f"{ROOT}:{ROOT / 'export'}")
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["1", "3", "refused"]
