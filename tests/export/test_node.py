"""The file in Node, through onnxruntime-web from npm: the same embeddings as Python's."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

import tacref.web
from tacref.encoder import EncoderConfig
from tacref.encoder.frozen.model import BackboneFile
from tacref_export import EncoderSession, export_encoder
from tests.backbone.models import PREPROCESSING, token_model
from tests.backbone.test_backbone_export import save_run
from tests.export.exported_encoders import clip
from tests.javascript import MODULES, install, programs, run

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"
ENCODER = (Path(tacref.web.__file__).parent / "encoder.js").as_uri()


@pytest.fixture(scope="module")
def node():
    install()
    return programs()[0]


def embed(node, folder, path, frames, chunk):
    """Return the embeddings of frames that come in chunks."""
    (folder / "frames").write_bytes(frames.tobytes())
    sizes = frames.shape[1:3] if frames.ndim == 4 else (0, 0)
    arguments = [path, folder / "frames", len(frames), *sizes, chunk, folder / "rows.f32"]
    done = subprocess.run(
        [*node, MODULES / "embed.mjs", *map(str, arguments)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return np.fromfile(folder / "rows.f32", np.float32).reshape(len(frames), -1)


@pytest.mark.parametrize(
    ("name", "chunk"),
    [
        ("small", "whole"), ("small", 1), ("small", 6), ("small", 19), ("resnet50", "whole"),
        ("resnet50", 7), ("features", "whole"), ("features", 4),
    ],
)  # fmt: skip
def test_equal_to_python(exported, node, tmp_path, name, chunk):
    session = EncoderSession(exported[name].path)
    frames = clip(session.config, 20, 45, 60)
    rows = embed(node, tmp_path, exported[name].path, frames, chunk)
    np.testing.assert_allclose(rows, session.embed(frames), atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_fewer_frames_than_the_context(exported, node, tmp_path, length):
    session = EncoderSession(exported["small"].path)
    frames = clip(session.config, length, 45, 60)
    rows = embed(node, tmp_path, exported["small"].path, frames, 1)
    np.testing.assert_allclose(rows, session.embed(frames), atol=1e-5)


def test_float16(exported, node, tmp_path):
    export_encoder(exported["small"].run, tmp_path / "half.onnx", precision="float16")
    session = EncoderSession(tmp_path / "half.onnx")
    frames = clip(session.config, 20, 45, 60)
    rows = embed(node, tmp_path, tmp_path / "half.onnx", frames, 6)
    # Another order of sums rounds to another float16, whose steps are 5e-4 below 1.
    np.testing.assert_allclose(rows, session.embed(frames), atol=1e-3)


def test_a_frozen_backbone(node, tmp_path):
    file = BackboneFile(token_model(tmp_path / "b.onnx", preprocess=PREPROCESSING | {"resize": 40}))
    save_run(tmp_path / "run", file)
    export_encoder(tmp_path / "run", tmp_path / "e.onnx")
    session = EncoderSession(tmp_path / "e.onnx")
    frames = clip(EncoderConfig.default("small"), 20, 48, 61)
    rows = embed(node, tmp_path, tmp_path / "e.onnx", frames, 6)
    np.testing.assert_allclose(rows, session.embed(frames), atol=1e-5)


# Stands for onnxruntime-web: the embedding of a frame is its first byte.
FAKE = f"""
import {{ Encoder }} from {ENCODER!r};
class Tensor {{
  constructor(type, data, dims) {{ Object.assign(this, {{ type, data, dims }}); }}
}}
let runs = 0;
const session = {{
  inputMetadata: [{{ name: "frames" }}, {{ name: "context", type: "float32", shape: ["C", 2] }}],
  async run({{ frames, context }}) {{
    runs += 1;
    const rows = [...context.data].slice(-input.after).concat([...frames.data.filter((_, k) => k % 3 === 0)]);
    return {{ embeddings: {{ data: Float32Array.from(rows) }}, next_context: {{ data: rows.slice(-input.after) }} }};
  }},
}};
const config = {{ offsets: [0, input.after], dim: 1, size: 1 }};
const encoder = new Encoder({{ Tensor }}, session, {{ encoder: JSON.stringify(config) }});
const stream = encoder.stream();
"""  # noqa: E501


def test_a_large_chunk(node):
    program = f"""{FAKE}
    const frames = Uint8Array.from({{ length: 3 * 5000 }}, (_, k) => Math.floor(k / 3) % 251);
    const rows = [];
    for (const [a, b] of [[0, 2000], [2000, 4999], [4999, 5000]]) {{
      rows.push(...await stream.push(frames.subarray(3 * a, 3 * b), 1, 1));
    }}
    const before = rows.length;
    rows.push(...stream.finish());
    const output = [before, rows.length, rows.every((row, k) => row[0] === k % 251), runs];
    """
    assert run(node, program, {"after": 9}) == [4991, 5000, True, 3]


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ("await stream.push(new Uint8Array(4), 1, 1)", "frames must hold 3 numbers each, got 4"),
        ("await stream.push(new Uint8Array(0), 1, 1)", "frames must hold 3 numbers each, got 0"),
        (
            "await stream.push(new Uint8Array(3), 1, 1);await stream.push(new Uint8Array(6), 2, 1)",
            "frames must all be 1,1,3, as the first, got 2,1,3",
        ),
        ("stream.finish(); await stream.push(new Uint8Array(3), 1, 1)", "the stream is finished"),
    ],
)
def test_what_a_stream_refuses(node, calls, message):
    program = f"""{FAKE}
    let output = "not refused";
    try {{ {calls} }} catch (error) {{ output = error.message; }}
    """
    assert run(node, program, {"after": 1}).startswith(message)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: b"", "not an encoder exported by tacref"),
        (lambda model: b"no model at all", "damaged, or not an ONNX file"),
        (lambda model: model[: len(model) // 2], "damaged, or not an ONNX file"),
        (lambda model: _other_format(model), "the file's format is 9, this program reads 3"),
    ],
)
def test_what_is_no_exported_file(exported, node, tmp_path, damage, message):
    (tmp_path / "model").write_bytes(damage(exported["small"].path.read_bytes()))
    program = f"""
    import {{ Encoder }} from {ENCODER!r};
    let output = "not refused";
    try {{ await Encoder.open(null, new Uint8Array(readFileSync(input))); }}
    catch (error) {{ output = error.message; }}
    """
    assert run(node, program, str(tmp_path / "model")) == message


def _other_format(model):
    entry = b"\x0a\x0dtacref.format\x12\x013"  # field 1, 13 letters; field 2, 1 letter
    assert entry in model
    return model.replace(entry, entry[:-1] + b"9")


def test_the_document_shows_what_runs_here():
    program = (MODULES / "embed.mjs").read_text("utf-8")
    program = program.replace("../../../tacref/web/", "./")  # the document's copy lies next to it
    document = DOCUMENT.read_text("utf-8")
    shown = [block.split("```")[0].strip() for block in document.split("```js\n")[1:]]
    assert len(shown) == 1
    lines = [line for block in shown for line in block.splitlines() if line.strip()]
    assert len(lines) >= 11
    missing = [line for line in lines if line not in program]
    assert missing == []
