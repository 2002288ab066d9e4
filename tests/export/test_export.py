"""Export: equal to torch at sizes it was not traced at; what the file and the command say."""

import json

import numpy as np
import onnx
import pytest
import torch

from tacref.commands import main
from tacref.encoder import EncoderConfig, build_encoder, load_encoder, save_encoder
from tacref_export import EncoderSession, convert, export_encoder, proof
from tacref_export.proof import proof_videos
from tests.export.exported_encoders import CONFIGS, clip


@pytest.mark.parametrize("name", CONFIGS)
def test_equal_to_torch_at_other_sizes(exported, name):
    run, path, made = exported[name]
    assert len({each.shape for each in made.parity}) >= 6
    assert max(each.max_abs for each in made.parity) <= 1e-5
    assert max(each.streaming for each in made.parity) <= 1e-6
    session, encoder = EncoderSession(path), load_encoder(run)
    assert session.config == encoder.config
    for length, height, width in ((1, 32, 32), (3, 90, 20), (26, 33, 31)):
        frames = clip(encoder.config, length, height, width, seed=7)
        np.testing.assert_allclose(session.embed(frames), encoder.embed(frames), atol=1e-5)


@pytest.mark.parametrize("offsets", [(-1, 0, 1), (-1, 4), (-1, 0), (0,), (1,), (2, 7), (-7, -2)])
def test_any_offsets(tmp_path, offsets):
    config = EncoderConfig.default("features", channels=4, dim=5, offsets=offsets)
    encoder = build_encoder(config)
    save_encoder(encoder, tmp_path)
    export_encoder(tmp_path, tmp_path / "e.onnx")
    with EncoderSession(tmp_path / "e.onnx", chunk=2) as session:
        for length in range(1, 12):
            frames = clip(config, length)
            np.testing.assert_allclose(session.embed(frames), encoder.embed(frames), atol=1e-5)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1e-5), (1e4, 1.0)])
def test_noise_is_in_the_unit_of_the_features(mean, std):
    encoder = build_encoder(EncoderConfig.default("features", channels=4))
    encoder.preprocess.fit([mean + std * clip(encoder.config, 500)])
    for video in proof_videos(encoder):
        pixels = encoder.preprocess(torch.from_numpy(video.frames))
        assert pixels.abs().max() < 6


def test_proof_covers_the_edges(exported):
    _, _, made = exported["small"]
    for kind in ("decoded", "noise"):
        shapes = [each.shape for each in made.parity if each.kind == kind]
        assert len(shapes) >= 6
        assert min(length for length, *_ in shapes) == 1
        assert max(length for length, *_ in shapes) > 8  # more than the context reaches
        assert any(height % 2 and width % 2 for _, height, width, _ in shapes)
        assert any(height < 64 for _, height, _, _ in shapes)
        assert any(height > width for _, height, width, _ in shapes)


def test_the_file_says_what_it_is(exported):
    _, path, made = exported["small"]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    assert model.ir_version == 8
    assert b"site-packages" not in path.read_bytes()
    assert b".py" not in path.read_bytes()
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
    parity = json.loads(metadata["parity"])
    assert [each["max_abs"] for each in parity] == [each.max_abs for each in made.parity]
    assert "32x32" in metadata["preprocessing"]
    assert {"version", "weights_sha256", "content_sha256", "torch"} <= set(metadata)


@pytest.mark.parametrize("name", CONFIGS)
def test_streaming_form_is_the_file_with_bytes_appended(exported, name):
    import base64

    import onnxruntime

    path = exported[name].path
    session = EncoderSession(path)
    model = path.read_bytes() + base64.b64decode(session.metadata["streaming"])
    streaming = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [each.name for each in streaming.get_overridable_initializers()] == ["context"]
    assert [each.name for each in streaming.get_outputs()] == ["embeddings", "next_context"]
    frames = clip(session.config, 30)
    first, context = streaming.run(None, {"frames": frames[:20]})
    second, _ = streaming.run(None, {"frames": frames[20:], "context": context})
    after = max(0, session.config.offsets[-1])
    rows = np.concatenate([first[: 20 - after], second])
    np.testing.assert_allclose(rows, session.embed(frames), atol=1e-6)


def test_command(exported, tmp_path, capsys):
    path = tmp_path / "new" / "encoder.onnx"
    assert main(["export", str(exported["features"].run), "-o", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["bytes"] == path.stat().st_size
    assert len(report["parity"]) >= 6
    assert [file.name for file in path.parent.iterdir()] == ["encoder.onnx"]


@pytest.mark.parametrize(
    ("run", "arguments", "message"),
    [
        ("absent", ["-o", "encoder.onnx"], "absent: no such run folder"),
        (".", ["-o", "encoder.onnx"], "not a run of tacref"),
        (".", ["-o", "encoder.pt"], r"must end in \.onnx"),
        (".", ["-o", "."], "output file is a folder"),
        (".", ["-o", "encoder.onnx", "--int8"], "--int8 needs --clips"),
        (".", ["-o", "encoder.onnx", "--int8", "--fp16"], "not allowed with"),
        (".", ["-o", "encoder.onnx", "--clips", "none.mp4"], "none.mp4: no such file"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, capsys, run, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["export", run, *arguments]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert pytest.raises(ValueError, match=message).matches(ValueError(line))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays(exported, tmp_path, capsys):
    run, path = str(exported["features"].run), tmp_path / "encoder.onnx"
    path.write_bytes(b"mine")
    assert main(["export", run, "-o", str(path)]) == 2
    line = capsys.readouterr().err
    assert line == f"tacref export: {path}: exists already; force (--force) replaces it\n"
    assert path.read_bytes() == b"mine"
    assert main(["export", run, "-o", str(path), "--force"]) == 0
    EncoderSession(path)


def test_of_two_exports_to_one_file_the_second_is_refused(exported, tmp_path, monkeypatch, capsys):
    out, original = tmp_path / "e.onnx", convert._convert

    def meanwhile(*arguments, **options):
        converted = original(*arguments, **options)
        if not out.exists():
            out.write_bytes(b"of another process")
        return converted

    monkeypatch.setattr(convert, "_convert", meanwhile)
    assert main(["export", str(exported["features"].run), "-o", str(out)]) == 2
    assert f"{out}: exists already" in capsys.readouterr().err
    assert out.read_bytes() == b"of another process"
    assert list(tmp_path.iterdir()) == [out]


def test_weights_beyond_what_an_onnx_file_holds(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "MAX_WEIGHT_BYTES", 300_000)
    with pytest.raises(ValueError, match=r"weights take 0\.0 GB as an ONNX graph, which holds at"):
        export_encoder(exported["features"].run, tmp_path / "e.onnx")
    export_encoder(exported["features"].run, tmp_path / "e.onnx", precision="float16")


def test_memory_that_runs_out(exported, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr(proof, "proof_videos", fail)
    assert main(["export", str(exported["features"].run), "-o", str(tmp_path / "e.onnx")]) == 2
    line = capsys.readouterr().err
    assert f"not enough memory for the export of {exported['features'].run}" in line
    assert list(tmp_path.iterdir()) == []


def test_clips_beyond_what_the_encoder_can_compute(exported, tmp_path, capsys):
    np.save(tmp_path / "high.npy", np.full((9, 6), 3e38, np.float32))
    arguments = ["-o", str(tmp_path / "e.onnx"), "--clips", str(tmp_path / "high.npy")]
    assert main(["export", str(exported["features"].run), *arguments]) == 2
    line = capsys.readouterr().err
    assert f"{tmp_path / 'high.npy'}: frame 0: its embedding has length" in line
    assert [path.name for path in tmp_path.iterdir()] == ["high.npy"]


def test_clips_that_the_encoder_does_not_take(exported, tmp_path, capsys):
    np.save(tmp_path / "wide.npy", np.ones((9, 7), np.float32))
    arguments = ["-o", str(tmp_path / "e.onnx"), "--clips", str(tmp_path / "wide.npy")]
    assert main(["export", str(exported["features"].run), *arguments]) == 2
    assert "wide.npy: not what the encoder takes" in capsys.readouterr().err
