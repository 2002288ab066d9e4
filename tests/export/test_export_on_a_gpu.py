"""An exported encoder on CUDA: all of it there, and the CPU's embeddings."""

import ctypes

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from tacref_export import EncoderSession
from tacref_export.inspection import inspect
from tacref_export.providers import missing_parts
from tests.export.exported_encoders import CONFIGS, clip

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or bool(missing_parts("cuda")),
    reason="this machine has no CUDA device that onnxruntime can use",
)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_it_equals_the_cpu(exported, name, graph):
    options = {"chunk": 16, "cuda_graph": True} if graph else {}
    with (
        EncoderSession(exported[name].path) as cpu,
        EncoderSession(exported[name].path, providers="cuda", **options) as cuda,
    ):
        assert "cuda" in cuda.providers
        for length in (1, 15, 16, 50):
            for seed in range(2):
                frames = clip(cpu.config, length, seed=seed)
                assert_allclose(cuda.embed(frames), cpu.embed(frames), atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_chunks_equal_the_whole(exported, name):
    with EncoderSession(exported[name].path, providers="cuda") as session:
        frames = clip(session.config, 70)
        whole = session.embed(frames)
        for chunk in (1, 7, 64):
            assert_allclose(
                np.concatenate([*session.embed_stream(frames, chunk)]), whole, atol=1e-5
            )


@pytest.mark.parametrize("name", CONFIGS)
def test_inspect_says_what_runs_there(exported, name):
    places = inspect(exported[name].path)["providers"]["cuda"]
    assert set(places) <= {"cuda", "cpu"}
    assert {"Conv", "Gemm", "MatMul", "FusedConv", "FusedMatMul"} & set(places["cuda"])
    assert not {"Conv", "Gemm", "MatMul"} & set(places.get("cpu", ()))


def test_libraries_are_those_that_were_loaded():
    # What `missing_parts` looked for is what onnxruntime took.
    assert ctypes.CDLL("libcudnn.so.9").cudnnGetVersion() >= 90000
