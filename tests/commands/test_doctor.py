"""`tacref doctor`: facts about the machine, and none that is not so."""

import importlib.metadata
import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch

from tacref import runtime
from tacref.commands import machine, main


def test_facts_as_json(monkeypatch, capsys):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["packages"]["torch"] == torch.__version__
    assert facts["onnxruntime"]["cpu"] == "works"
    assert facts["threads"]["Numba"] == "2"
    assert "ORT_DISABLE_TELEMETRY" not in facts["environment"]  # set by tacref, not by the user
    for provider in ("cuda", "tensorrt"):
        works = facts["onnxruntime"][provider] == "works"
        assert works <= (f"{provider}executionprovider" in available())
    if not torch.cuda.is_available():
        (reason,) = facts["GPU in torch"].values()
        assert reason in ("no GPU found", "this torch was built for the CPU alone")


def available():
    return {name.lower() for name in onnxruntime.get_available_providers()}


def test_words(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["cpu", "works"] for line in lines)
    assert "packages" in lines


@pytest.mark.parametrize(
    ("result", "state"),
    [([3.0], "works"), ([2.0], "computes 1.5 + 1.5 = 2.0"), (RuntimeError("no\nkernel"), None)],
)
def test_a_provider_must_compute(monkeypatch, result, state):
    class Session:
        def __init__(self, *_, **__):
            pass

        def get_providers(self):
            return ["CPUExecutionProvider"]

        def run(self, *_):
            if isinstance(result, Exception):
                raise result
            return [np.array(result, np.float32)]

    runtime.onnxruntime()
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert machine.provider_state("cpu") == (state or "fails (RuntimeError: no kernel)")


def test_without_packages(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert set(machine.packages().values()) == {"not installed"}
    assert machine.runtimes() == {"builds": "not installed"}
    assert machine.torch_devices() == {"torch": "not installed"}


def test_folders_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    facts = machine.folders()
    assert facts["compiled code"] == "nowhere: each process compiles anew"
    assert facts["features of backbones"].endswith("(not writable)")


def test_with_numpy_and_numba_alone():
    """It is there for installations that lack something."""
    code = (
        "import sys\n"
        "for name in ('torch', 'onnxruntime', 'onnx', 'av', 'PIL', 'tqdm', 'sklearn'):\n"
        "    sys.modules[name] = None\n"
        "from tacref.commands import main\n"
        "sys.exit(main(['doctor']))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "compiled code" in finished.stdout
