"""A backbone on a GPU in training: used if it gives what the CPU gives, else a line says why not.

No GPU is needed: onnxruntime's session is replaced by one that says that it runs on one.
"""

from typing import ClassVar

import numpy as np
import onnxruntime
import pytest

from tacref.commands import main
from tacref.data.feature_cache import FeatureCache
from tacref.encoder import EncoderConfig, build_encoder
from tacref.encoder.frozen import runner
from tacref.encoder.frozen.model import BackboneFile
from tacref.providers import PROVIDERS
from tacref.training import start
from tacref.training.distributed import Ranks
from tacref.training.frozen_features import FrozenFeatures, Views
from tests.backbone.models import map_model

RealSession = onnxruntime.InferenceSession


class FakeSession(RealSession):
    """Runs on the CPU, whatever was asked for, and changes its output by a factor."""

    opened: ClassVar[list] = []
    active = None
    factor = 1.0

    def __init__(self, model, options, *, providers, enable_fallback):
        super().__init__(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=enable_fallback
        )
        type(self).opened.append(providers)
        self.on_gpu = providers[0][0] == PROVIDERS["cuda"]
        self.names = [name for name, _ in providers]

    def get_providers(self):
        return (self.active if self.on_gpu else None) or self.names

    def run(self, *arguments):
        outputs = super().run(*arguments)
        return [output * np.float32(self.factor) for output in outputs] if self.on_gpu else outputs


@pytest.fixture
def session(monkeypatch):
    fake = type("Session", (FakeSession,), {"opened": []})
    monkeypatch.setattr(runner, "missing_parts", lambda provider: "")
    monkeypatch.setattr(onnxruntime, "InferenceSession", fake)
    return fake


@pytest.fixture
def compute(tmp_path, data):
    """Return a function that computes the features of two clips, and the encoder."""
    file = BackboneFile(map_model(tmp_path / "b.onnx"))

    def run(device, cache="cache"):
        config, cpu = file.configure()
        encoder = build_encoder(EncoderConfig.default("frozen", backbone=config))
        encoder.backbone.attach(file, cpu)
        source = FrozenFeatures(
            encoder, FeatureCache(tmp_path / cache, 1 << 30), Views(0, False), Ranks(), device
        )
        clips = sorted((data / "val").iterdir())
        features = source.of({}, clips)
        assert encoder.backbone.runner is cpu  # the GPU's memory is free again
        return [features.load(clip, 0) for clip in clips]

    return run


def test_it_is_used_where_it_agrees(session, compute, capsys):
    expected = compute("cpu", "on the cpu")
    assert all(providers[0][0] == PROVIDERS["cpu"] for providers in session.opened)
    assert "the backbone runs" not in capsys.readouterr().err
    session.factor = 1 + 1e-4
    rows = compute("cuda:1")
    assert capsys.readouterr().err.splitlines()[0].endswith("the backbone runs on cuda:1")
    (cuda, options), (cpu, _) = session.opened[-1]
    assert (cuda, cpu) == (PROVIDERS["cuda"], PROVIDERS["cpu"])
    assert (options["device_id"], options["use_tf32"]) == ("1", "0")
    for one, other in zip(rows, expected, strict=True):
        assert not np.array_equal(one, other)  # what was computed there
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=5e-4)  # as float16
    count = len(session.opened)
    compute("cuda:1")  # from the cache: one session on the CPU, which tells the shape
    assert len(session.opened) == count + 1
    assert "the backbone runs" not in capsys.readouterr().err


def test_it_is_not_used_where_it_differs(session, compute, capsys):
    expected = compute("cpu", "on the cpu")
    for factor, stated in ((1.01, "1.0e-02"), (np.nan, "nan")):
        session.factor = factor
        rows = compute("cuda", f"cache {factor}")
        said = capsys.readouterr().err
        assert (
            "the backbone runs on the CPU: its output on the GPU differs from the CPU's by "
            f"{stated} of the largest number in it, more than 0.001\n"
        ) in said
        for one, other in zip(rows, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_session_that_has_no_gpu(session, compute, capsys, monkeypatch):
    session.active = ["CPUExecutionProvider"]
    compute("cuda")
    assert (
        "the backbone runs on the CPU: cuda was requested, but the session has "
        "['CPUExecutionProvider']; onnxruntime could not start it, and its log says why\n"
    ) in capsys.readouterr().err
    monkeypatch.setattr(runner, "missing_parts", lambda provider: "no NVIDIA driver (libcuda.so.1)")
    compute("cuda", "another")
    assert (
        "the backbone runs on the CPU: cuda is not available here: no NVIDIA driver (libcuda.so.1)"
    ) in capsys.readouterr().err


def test_a_gpu_without_enough_memory(session, compute, capsys, monkeypatch):
    def fail(self, output, *, gpu=None):
        if gpu is not None:
            raise MemoryError("out of memory: the session of b.onnx")
        return opened(self, output)

    opened = BackboneFile.open
    monkeypatch.setattr(BackboneFile, "open", fail)
    compute("cuda")
    said = capsys.readouterr().err
    assert "the backbone runs on the CPU: out of memory: the session of b.onnx\n" in said


def test_the_device_of_training_is_the_backbones(tmp_path, data, monkeypatch, capsys):
    devices = []

    class Recorded(FrozenFeatures):
        def __init__(self, *arguments, device):
            devices.append(device)
            raise ValueError("that is all")

    monkeypatch.setattr(start, "FrozenFeatures", Recorded)
    model = str(map_model(tmp_path / "b.onnx"))
    train = ["train", "--backbone", model, "--data", str(data), "--out", str(tmp_path / "run")]
    assert main([*train, "--device", "cpu"]) == 2
    assert "that is all" in capsys.readouterr().err
    assert devices == ["cpu"]
