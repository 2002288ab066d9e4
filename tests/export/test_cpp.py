"""The file in C++: docs/examples/cpp compiled, and its embeddings compared with Python's."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tacref_export import EncoderSession
from tests.export.exported_encoders import clip

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "docs" / "examples" / "cpp" / "embed.cpp"
DOCUMENT = ROOT / "docs" / "deployment.md"


def printed(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def headers():
    """Return the folder with onnxruntime's headers; tests/export/cpp/headers.sh gets them."""
    folders = [os.environ.get("TACREF_ONNXRUNTIME_INCLUDE"), "/usr/include/onnxruntime"]
    if shutil.which("pkg-config"):
        folders.insert(1, printed("pkg-config", "--variable=includedir", "libonnxruntime"))
    for folder in filter(None, folders):
        if (Path(folder) / "onnxruntime_cxx_api.h").is_file():
            return folder
    pytest.skip("no C++ headers of onnxruntime here (Debian: libonnxruntime-dev)")


def library():
    """Return the shared library of the Python package, of any build."""
    (file,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    return file


@pytest.fixture(scope="module")
def embed(tmp_path_factory):
    """Run the compiled program."""
    if not (compiler := shutil.which("g++")):
        pytest.skip("no g++ here")
    folder = tmp_path_factory.mktemp("cpp")
    command = [
        compiler, "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-isystem", headers(),
        PROGRAM, library(), "-o", folder / "embed",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (folder / "libonnxruntime.so.1").symlink_to(library())
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "ORT_DISABLE_TELEMETRY": "1"}

    def run(*arguments):
        return subprocess.run(
            [folder / "embed", *map(str, arguments)],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("name", ["small", "resnet50"])
@pytest.mark.parametrize("size", ["whole", 1, 2, 7, 20, 50])
def test_equal_to_python(exported, embed, tmp_path, name, size):
    session = EncoderSession(exported[name].path)
    frames = clip(session.config, 20, 45, 60)
    (tmp_path / "frames.u8").write_bytes(frames.tobytes())
    in_chunks = [] if size == "whole" else [size, max(0, session.config.offsets[-1])]
    out = tmp_path / "rows.f32"
    done = embed(exported[name].path, tmp_path / "frames.u8", *frames.shape[:3], out, *in_chunks)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    rows = np.fromfile(out, np.float32).reshape(20, -1)
    np.testing.assert_allclose(rows, session.embed(frames), atol=1e-5)


def test_errors(exported, embed, tmp_path):
    (tmp_path / "frames.u8").write_bytes(bytes(41))
    path, out = exported["small"].path, tmp_path / "rows.f32"
    for arguments, status, message in [
        ((), 2, "embed ENCODER.onnx"),
        ((tmp_path / "none.onnx", tmp_path / "frames.u8", 2, 2, 3, out), 1, "embed: "),
        ((path, tmp_path / "frames.u8", 2, 2, 3, out), 1, "is not T \\* H \\* W \\* 3 bytes"),
        ((path, tmp_path / "none.u8", 2, 2, 3, out), 1, "none.u8: cannot be read"),
    ]:
        done = embed(*arguments)
        assert done.returncode == status
        assert re.search(message, done.stderr)
    assert not out.exists()


def test_the_document_shows_what_runs_here():
    blocks = re.findall(r"```cpp\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert len(block.splitlines()) > 5
        assert block in PROGRAM.read_text("utf-8")
