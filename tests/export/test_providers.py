"""A provider that is not available, or that leaves work to the CPU, is an error that says why."""

import ctypes
import json
from types import SimpleNamespace

import onnxruntime
import pytest

from tacref import providers as ground
from tacref.commands import main
from tacref_export import EncoderSession
from tacref_export import providers as module


def loads(name):
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


no_driver = pytest.mark.skipif(loads("libcuda.so.1"), reason="this machine has an NVIDIA driver")


@no_driver
@pytest.mark.parametrize("providers", ["cuda", "tensorrt", ("tensorrt", "cuda"), ("cuda", "cpu")])
def test_what_is_missing_is_named(exported, providers):
    with pytest.raises(
        ValueError, match=r"is not available here: .*device cpu .*allow_cpu=True"
    ) as caught:
        EncoderSession(exported["features"].path, providers=providers)
    built = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    assert ("no NVIDIA driver (libcuda.so.1" if built else "built without it") in str(caught.value)


@no_driver
def test_allow_cpu(exported):
    session = EncoderSession(exported["features"].path, providers="cuda", allow_cpu=True)
    assert session.providers == ("cpu",)


def test_an_onnxruntime_without_the_provider(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "pip install onnxruntime-gpu" in module.missing_parts("cuda")
    assert module.missing_parts("cpu") == ""


def test_each_missing_part_by_name(monkeypatch):
    everything = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: everything)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("noise"), raising=False)
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0", raising=False)
    monkeypatch.setattr(ground, "_loads", lambda name, major: name != "cudnn")
    assert module.missing_parts("cuda") == (
        "no cuDNN 9 (libcudnn.so.9: pip install 'onnxruntime-gpu[cuda,cudnn]')"
    )
    monkeypatch.setattr(ground, "_loads", lambda name, major: not name.startswith("cubl"))
    assert module.missing_parts("cuda").startswith(
        "no CUDA 13 libraries (libcublasLt.so.13, libcublas.so.13: pip install"
    )
    monkeypatch.setattr(ground, "_loads", lambda name, major: name != "nvinfer")
    assert module.missing_parts("cuda") == ""
    assert module.missing_parts("tensorrt").startswith("no TensorRT 10 (libnvinfer.so.10")


class FakeSession:
    """What onnxruntime gave: its providers, and which operators each of them runs."""

    def __init__(self, providers, placed):
        self._providers, self._placed = providers, placed

    def get_providers(self):
        return self._providers

    def get_provider_graph_assignment_info(self):
        return [
            SimpleNamespace(
                ep_name=name, get_nodes=lambda ops=ops: [SimpleNamespace(op_type=op) for op in ops]
            )
            for name, ops in self._placed.items()
        ]


CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.mark.parametrize(
    ("got", "placed", "message"),
    [
        ([CPU], {CPU: ["Conv"]}, "cuda was requested, but the session has"),
        ([CUDA, CPU], {CUDA: ["Conv"], CPU: ["Shape", "Gemm"]}, "would leave Gemm to the CPU"),
    ],
)
def test_a_session_that_is_not_what_was_asked_for(monkeypatch, got, placed, message):
    monkeypatch.setattr(module, "missing_parts", lambda name: "")
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: FakeSession(got, placed))
    options = {"tf32": False, "cuda_graph": False, "threads": 0}
    with pytest.raises(ValueError, match=message):
        module.open_session("e.onnx", b"", ("cuda",), allow_cpu=False, **options)
    module.open_session("e.onnx", b"", ("cuda",), allow_cpu=True, **options)


def test_bookkeeping_may_be_on_the_cpu(monkeypatch):
    monkeypatch.setattr(module, "missing_parts", lambda name: "")
    requested = []

    def open_fake(model, options, providers, enable_fallback):
        requested.extend(providers)
        return FakeSession([CUDA, CPU], {CUDA: ["Conv"], CPU: ["Shape", "Range"]})

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_fake)
    options = {"allow_cpu": False, "tf32": False, "cuda_graph": True, "threads": 0}
    module.open_session("e.onnx", b"", ("cuda",), **options)
    settings = {
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "enable_cuda_graph": "1",
    }
    assert requested == [(CUDA, settings), (CPU, {})]


def test_tensorrt_without_a_word_on_tf32(monkeypatch):
    monkeypatch.setattr(module, "missing_parts", lambda name: "")
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    options = {"allow_cpu": False, "tf32": False, "cuda_graph": False, "threads": 0}
    with pytest.raises(ValueError, match="NVIDIA_TF32_OVERRIDE=0"):
        module.open_session("e.onnx", b"", ("tensorrt",), **options)


def test_inspect(exported, capsys):
    path = exported["small"].path
    assert main(["export", "inspect", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["inputs"] == ["frames: uint8 (T, H, W, 3)"]
    assert found["outputs"] == ["embeddings: float (T, 8)"]
    assert found["bytes"] == path.stat().st_size
    assert found["encoder"]["name"] == "small"
    assert found["providers"]["cpu"]["cpu"]["Conv"] == 4
    assert main(["export", "inspect", str(path)]) == 0
    text = capsys.readouterr().out
    for part in ("unchanged since it was proven", "32x32", "4 Conv", "at most", "SHA-256"):
        assert part in text


def test_inspect_of_something_else(tmp_path, capsys):
    (tmp_path / "text.onnx").write_text("no model")
    assert main(["export", "inspect", str(tmp_path / "text.onnx")]) == 2
    assert "damaged, or not an ONNX file" in capsys.readouterr().err
    assert main(["export", "inspect", str(tmp_path / "none.onnx")]) == 2
    assert "no such ONNX file" in capsys.readouterr().err
