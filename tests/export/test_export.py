"""Export: equal to torch at sizes it was not traced at, proof before the file, session checks."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

import tacref_export.convert
from tacref.data.chunks import iter_chunks
from tacref.encoder import EncoderConfig, build_encoder, load_encoder, save_encoder
from tacref_export import EncoderSession, export_encoder
from tacref_export.convert import main

CONFIGS = {
    "features": EncoderConfig.default("features", channels=6, dim=8),
    "small": EncoderConfig.default("small", size=32, dim=8, offsets=(-3, 0, 5)),
    "resnet50": EncoderConfig.default("resnet50", size=32, dim=8, offsets=(-2, 0)),
}


def clip(config, length, height=41, width=57, seed=0):
    rng = np.random.default_rng(seed)
    if config.takes_pictures:
        return rng.integers(0, 256, (length, height, width, 3), dtype=np.uint8)
    return rng.normal(size=(length, config.channels)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run and its ONNX file for each encoder, with statistics that are not the initial ones."""
    made = {}
    for name, config in CONFIGS.items():
        run = tmp_path_factory.mktemp(name)
        encoder = build_encoder(config, seed=1)
        if name == "features":
            encoder.preprocess.fit([3 * clip(config, 50) + 1])
        with torch.no_grad():  # a pass in training mode moves the batch statistics
            encoder.train()(torch.from_numpy(clip(config, 30)))
        save_encoder(encoder, run)
        made[name] = (run, run / "encoder.onnx", export_encoder(run, run / "encoder.onnx"))
    return made


@pytest.mark.parametrize("name", CONFIGS)
def test_equal_to_torch_at_other_sizes(exported, name):
    run, path, parity = exported[name]
    assert len(parity) >= 6
    assert len({each.shape for each in parity}) == len(parity)
    assert max(each.max_abs for each in parity) <= 1e-5
    session, encoder = EncoderSession(path), load_encoder(run)
    assert session.config == encoder.config
    for length, height, width in ((1, 32, 32), (3, 90, 20), (26, 33, 31)):
        frames = clip(encoder.config, length, height, width, seed=7)
        np.testing.assert_allclose(session.embed(frames), encoder.embed(frames), atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_chunks_equal_the_whole(exported, name):
    session = EncoderSession(exported[name][1])
    frames = clip(session.config, 150, 20, 20)
    whole = session.embed(frames)
    for size in (1, 7, 149, 150, 999):
        chunks = iter_chunks(frames, session.config.offsets, size)
        rows = [session.embed(chunk)[own] for chunk, own in chunks]
        np.testing.assert_allclose(np.concatenate(rows), whole, atol=1e-6)


def test_the_file_says_what_it_is(exported):
    _, path, parity = exported["small"]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (frames,), (embeddings,) = model.graph.input, model.graph.output
    assert frames.name == "frames"
    assert frames.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_param or dim.dim_value for dim in frames.type.tensor_type.shape.dim] == [
        "T", "H", "W", 3,
    ]  # fmt: skip
    assert embeddings.name == "embeddings"
    assert [dim.dim_param or dim.dim_value for dim in embeddings.type.tensor_type.shape.dim] == [
        "T", 8,
    ]  # fmt: skip
    metadata = EncoderSession(path).metadata
    assert json.loads(metadata["encoder"])["offsets"] == [-3, 0, 5]
    assert json.loads(metadata["parity"]) == [[list(p.shape), p.max_abs] for p in parity]
    assert "32x32" in metadata["preprocessing"]
    assert {"version", "weights_sha256", "torch"} <= set(metadata)


def test_no_file_where_the_graph_computes_something_else(exported, tmp_path, monkeypatch, capsys):
    run, _, _ = exported["small"]

    def load_tampered(folder):
        encoder = load_encoder(folder)
        whole = encoder.embed
        encoder.embed = lambda frames: whole(frames) * np.float32(1.0001)
        return encoder

    monkeypatch.setattr(tacref_export.convert, "load_encoder", load_tampered)
    path = tmp_path / "encoder.onnx"
    assert main([str(run), "-o", str(path)]) == 1
    assert "not written; it differs from torch by" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_command(exported, tmp_path, capsys):
    run, _, _ = exported["features"]
    path = tmp_path / "new" / "encoder.onnx"
    assert main([str(run), "-o", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["bytes"] == path.stat().st_size
    assert len(report["parity"]) >= 6
    assert [file.name for file in path.parent.iterdir()] == ["encoder.onnx"]


@pytest.mark.parametrize(
    ("run", "out", "message"),
    [
        ("absent", "encoder.onnx", "absent: no such run folder"),
        (".", "encoder.onnx", "not a run of tacref"),
        (".", "encoder.pt", r"must end in \.onnx"),
        (".", "", "output file is a folder"),
    ],
)
def test_bad_arguments(tmp_path, capsys, run, out, message):
    assert main([str(tmp_path / run), "-o", str(tmp_path / out)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert pytest.raises(ValueError, match=message).matches(ValueError(line))
    assert list(tmp_path.iterdir()) == []


def test_session_refuses_what_it_cannot_run(exported, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such ONNX file"):
        EncoderSession(tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ValueError, match=r"broken\.onnx: onnxruntime cannot read it"):
        EncoderSession(broken)
    model = onnx.load(exported["features"][1])
    del model.metadata_props[:]
    onnx.save_model(model, broken)
    with pytest.raises(ValueError, match="not an encoder exported by tacref"):
        EncoderSession(broken)
    model = onnx.load(exported["features"][1])
    for entry in model.metadata_props:
        if entry.key == "tacref.encoder":
            entry.value = json.dumps(CONFIGS["small"].to_json())
    onnx.save_model(model, broken)
    with pytest.raises(ValueError, match="is not what its metadata says"):
        EncoderSession(broken)
    with pytest.raises(ValueError, match="providers must be of cpu, cuda, got 'tpu'"):
        EncoderSession(exported["features"][1], providers=("tpu",))
    with pytest.raises(ValueError, match="empty list"):
        EncoderSession(exported["features"][1], providers=())
    with pytest.raises(ValueError, match=r"shape \(T, 6\), got float64 of shape \(4, 7\)"):
        EncoderSession(exported["features"][1]).embed(np.zeros((4, 7)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the CUDA provider")
def test_cuda_is_an_error_where_there_is_none(exported):
    with pytest.raises(ValueError, match="CUDAExecutionProvider"):
        EncoderSession(exported["features"][1], providers=("cuda",))


def test_session_needs_no_torch(exported):
    code = (
        "import sys, numpy\n"
        "from tacref_export import EncoderSession\n"
        f"session = EncoderSession({str(exported['features'][1])!r})\n"
        "assert session.embed(numpy.zeros((5, 6), 'f4')).shape == (5, 8)\n"
        "assert not {'torch', 'numba', 'onnx'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
