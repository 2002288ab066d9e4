"""float16 and int8: near to float32, and what they cost is in the file."""

import json

import numpy as np
import onnx
import pytest
import torch

from tacref.commands import main
from tacref.data import iter_frames, write_video
from tacref.encoder import build_encoder, load_encoder, save_encoder
from tacref.evaluation import kendall_tau
from tacref_export import EncoderSession, ParityError, export_encoder
from tacref_export.binding import ArrayRunner
from tacref_export.graph import to_graph
from tacref_export.int8 import _CalibrationReader, quantize, tau_loss
from tacref_export.proof import Video, measure_parity, proof_videos
from tests.export.exported_encoders import CONFIGS, clip


@pytest.mark.parametrize("name", CONFIGS)
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


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    paths = [folder / "0.mp4", folder / "1.mp4"]
    for seed, path in enumerate(paths):
        write_video(path, clip(CONFIGS["small"], 14, 42, 56, seed=seed))
    return paths


def bytes_of_floats(model):
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    return sum(len(each.raw_data) for each in model.graph.initializer if each.data_type in floats)


@pytest.mark.parametrize("name", ["small", "resnet50"])
def test_int8_stores_every_layer(exported, videos, name):
    encoder = load_encoder(exported[name].run)
    whole = to_graph(encoder)
    graph = quantize(whole, encoder.config, videos)
    assert bytes_of_floats(graph.model) < 0.05 * bytes_of_floats(whole.model)
    (parity,) = measure_parity(encoder, graph, [Video("noise", clip(encoder.config, 20))])
    assert parity.min_cosine > 0.95


def test_large_pictures_are_calibrated_on_at_the_size_of_the_backbone(videos):
    encoder = build_encoder(CONFIGS["small"])
    chunk = _CalibrationReader(encoder.config, videos).get_next()["frames"]
    assert chunk.shape == (14, 32, 32, 3)
    frames = np.stack([frame for frame, _ in iter_frames(videos[0])])
    pixels = [encoder.preprocess(torch.from_numpy(each)) for each in (chunk, frames)]
    assert torch.equal(*pixels)


def test_a_clip_of_large_pictures_is_proven_on_fewer(videos, monkeypatch):
    encoder = build_encoder(CONFIGS["small"])
    for size, length in ((3 * 42 * 56 * 3, 3), (1, 1), (1 << 30, 11)):
        monkeypatch.setattr("tacref_export.proof.MAX_CLIP_BYTES", size)
        whole = proof_videos(encoder, videos)[-2:]
        assert {each.kind for each in whole} == {"decoded"}
        assert [each.frames.shape for each in whole] == 2 * [(length, 42, 56, 3)]


def test_tau_is_measured_in_chunks(exported, rows, monkeypatch):
    lengths = []

    class Runner(ArrayRunner):
        def run(self, frames, context):
            lengths.append(len(frames))
            return super().run(frames, context)

    monkeypatch.setattr("tacref_export.int8.ArrayRunner", Runner)
    monkeypatch.setattr("tacref_export.streaming.default_chunk", lambda *_: 16)
    encoder = load_encoder(exported["features"].run)
    graph = to_graph(encoder)
    tau = tau_loss(graph, graph, encoder.config, rows)
    assert sum(lengths) == 2 * (90 + 110)
    assert max(lengths) == 16
    expected = kendall_tau([encoder.embed(np.load(path)) for path in rows])
    assert tau.float32 == pytest.approx(expected, abs=1e-3)


def test_int8_needs_two_clips(exported, rows, tmp_path):
    with pytest.raises(ValueError, match="clips must be at least two for int8, got 1"):
        export_encoder(
            exported["features"].run, tmp_path / "e.onnx", precision="int8", clips=rows[:1]
        )
