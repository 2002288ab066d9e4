"""float16 and int8: near to float32, and what they cost is in the file."""

import json

import numpy as np
import onnx
import pytest
from exported_encoders import CONFIGS, clip

from tacref.commands import main
from tacref.encoder import build_encoder, load_encoder, save_encoder
from tacref_export import EncoderSession, ParityError, export_encoder


@pytest.mark.parametrize("name", ["features", "small"])
def test_float16(exported, tmp_path, capsys, name):
    run, path, _ = exported[name]
    half = tmp_path / "half.onnx"
    assert main(["export", str(run), "-o", str(half), "--fp16"]) == 0
    assert "float16" in capsys.readouterr().out
    assert half.stat().st_size < 0.75 * path.stat().st_size
    session, encoder = EncoderSession(half), load_encoder(run)
    assert session.metadata["precision"] == "float16"
    frames = clip(encoder.config, 40, seed=3)
    rows = session.embed(frames)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert (rows * encoder.embed(frames)).sum(1).min() >= 0.999
    model = onnx.load(half)
    weights = [each for each in model.graph.initializer if each.name.startswith("encoder.head.")]
    assert {each.data_type for each in weights} == {onnx.TensorProto.FLOAT16}


def test_weights_beyond_float16_make_no_file(tmp_path):
    encoder = build_encoder(CONFIGS["features"])
    encoder.head.layers[0].weight.data *= 1e6
    save_encoder(encoder, tmp_path / "run")
    with pytest.raises(ParityError, match=r"as float16 it differs .* first at layer head"):
        export_encoder(tmp_path / "run", tmp_path / "half.onnx", precision="float16")
    assert not (tmp_path / "half.onnx").exists()


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Two sequences of features that run through the same course."""
    folder = tmp_path_factory.mktemp("rows")
    paths = []
    for seed, length in enumerate((90, 110)):
        rng = np.random.default_rng(seed)
        time = np.linspace(0, 3, length)[:, None]
        course = np.sin(time + np.arange(6)) + 0.05 * rng.normal(size=(length, 6))
        paths.append(folder / f"{seed}.npy")
        np.save(paths[-1], course.astype(np.float32))
    return paths


def test_int8(exported, rows, tmp_path, capsys):
    run, path, _ = exported["features"]
    small = tmp_path / "int8.onnx"
    clips = [*map(str, rows)]
    assert main(["export", str(run), "-o", str(small), "--int8", "--clips", *clips]) == 0
    assert "tau" in capsys.readouterr().out
    assert small.stat().st_size < 0.6 * path.stat().st_size
    with EncoderSession(small) as session:
        tau = json.loads(session.metadata["tau"])
        frames = np.load(rows[0])
        cosine = (session.embed(frames) * load_encoder(run).embed(frames)).sum(1)
    assert set(tau) == {"float32", "int8", "clips"}
    assert abs(tau["float32"] - tau["int8"]) < 0.1
    assert cosine.min() > 0.9
    operators = {node.op_type for node in onnx.load(small).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators


def test_int8_needs_two_clips(exported, rows, tmp_path):
    with pytest.raises(ValueError, match="clips must be at least two for int8, got 1"):
        export_encoder(
            exported["features"].run, tmp_path / "e.onnx", precision="int8", clips=rows[:1]
        )
