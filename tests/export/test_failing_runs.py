"""What onnxruntime raises while it computes: no memory, or anything else, in one line."""

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from tacref.commands import main
from tacref_export import EncoderSession
from tacref_export.binding import ArrayRunner


class Failing:
    """A session that fails as onnxruntime does."""

    def __init__(self, text):
        self.text = text

    def run(self, *_):
        raise onnxruntime.capi.onnxruntime_pybind11_state.Fail(self.text)


@pytest.mark.parametrize(
    "text",
    [
        "bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 4423680000",
        "CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; expr=cudaMalloc()",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "std::bad_alloc",
    ],
)
def test_out_of_memory(exported, tmp_path, monkeypatch, capsys, text):
    monkeypatch.setattr(ArrayRunner, "run", lambda *_: Failing(text).run())
    with pytest.raises(MemoryError, match=r"not enough memory for frames of shape \(5, 6\)"):
        EncoderSession(exported["features"].path).embed(np.ones((5, 6)))
    np.save(tmp_path / "a.npy", np.ones((5, 6), np.float32))
    arguments = [str(exported["features"].path), str(tmp_path / "a.npy"), "-o", str(tmp_path / "o")]
    assert main(["embed", *arguments]) == 2
    line = capsys.readouterr().err
    assert "not enough memory for frames of shape (5, 6)" in line
    assert line.count("\n") == 1


def test_any_other_failure_of_onnxruntime(exported, monkeypatch):
    monkeypatch.setattr(ArrayRunner, "run", lambda *_: Failing("Non-zero\nstatus code").run())
    with pytest.raises(
        ValueError, match=r"cannot embed frames of shape \(5, 6\) \(Non-zero status code\)"
    ):
        EncoderSession(exported["features"].path).embed(np.ones((5, 6)))


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_memory_that_is_really_out(exported):
    code = (
        "import resource, sys, numpy as np\n"
        "from tacref_export import EncoderSession\n"
        "session = EncoderSession(sys.argv[1], threads=1, chunk=9999)\n"
        "frames = np.zeros((4000, 32, 32, 3), np.uint8)\n"
        "session.embed(frames[:3])\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)\n"
        "try:\n"
        "    session.embed(frames)\n"
        "except MemoryError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported["small"].path)],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "not enough memory for frames of shape (4000, 32, 32, 3)\n"
