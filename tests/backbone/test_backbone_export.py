"""A frozen backbone and its head as one ONNX file, against the two run one after the other."""

import json

import numpy as np
import onnx
import pytest
from onnx import helper

from tacref.commands import main
from tacref.encoder import EncoderConfig, build_encoder, load_encoder, save_encoder
from tacref.encoder.frozen.model import BackboneFile
from tacref.kernels.resize import crop_center, resize
from tacref_export import EncoderSession, export_encoder
from tests.backbone.models import PREPROCESSING, SIZE, map_model, token_model, vector_model

# One frame, fewer than the context, not square, smaller and larger than the backbone's pictures.
SHAPES = ((1, 64, 64), (2, 48, 33), (5, 120, 160), (9, 61, 35), (30, 32, 32), (52, 20, 27))
MODELS = {
    "map": (map_model, {}, {}),
    "map of NHWC": (lambda path, **how: map_model(path, layout="NHWC", **how), {"resize": 37}, {}),
    "tokens": (token_model, {"resize": 40}, {}),
    "vector": (vector_model, {}, {}),
    "BGR from 0 to 255": (
        vector_model, {"channels": "BGR", "scale": 1.0, "mean": [124, 116, 104], "std": [1, 1, 1]},
        {},
    ),
    "a value within the graph": (map_model, {}, {"output": "r1", "grid": 2}),
}  # fmt: skip


def save_run(folder, file, offsets=(-4, 0, 3), **how):
    config, runner = file.configure(**how)
    encoder = build_encoder(EncoderConfig.default("frozen", backbone=config, offsets=offsets))
    encoder.backbone.attach(file, runner)
    save_encoder(encoder.eval(), folder)
    return encoder


def two_steps(encoder, frames):
    """Preprocess in NumPy, run the backbone alone, then the head."""
    how = encoder.config.backbone.preprocessing
    if how.resize:
        frames = [crop_center(frame, how.size, how.resize) for frame in frames]
    pictures = np.stack([resize(frame, how.size) for frame in frames]).astype(np.float32)
    pictures = (pictures * np.float32(how.scale) - np.float32(how.mean)) / np.float32(how.std)
    if how.channels == "BGR":
        pictures = pictures[..., ::-1]
    if encoder.config.backbone.layout == "NCHW":
        pictures = pictures.transpose(0, 3, 1, 2)
    import onnxruntime
    import torch

    content = encoder.backbone.file.computing(encoder.config.backbone.output).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {encoder.config.backbone.input: np.ascontiguousarray(pictures)})
    return encoder.embed_features(encoder.backbone.pool(torch.from_numpy(output)).numpy())


@pytest.mark.parametrize("case", MODELS)
def test_the_merged_file_equals_the_two_steps(case, tmp_path):
    make, changes, how = MODELS[case]
    file = BackboneFile(make(tmp_path / "b.onnx", preprocess=PREPROCESSING | changes))
    encoder = save_run(tmp_path / "run", file, **how)
    export_encoder(tmp_path / "run", tmp_path / "e.onnx")
    rng = np.random.default_rng(0)
    with EncoderSession(tmp_path / "e.onnx") as session:
        for shape in SHAPES:
            frames = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
            expected = two_steps(encoder, frames)
            np.testing.assert_allclose(session.embed(frames), expected, rtol=0, atol=1e-5)
            stream = session.stream()
            parts = [stream.push(frames[start : start + 4]) for start in range(0, len(frames), 4)]
            streamed = np.concatenate([*parts, stream.finish()])
            np.testing.assert_allclose(streamed, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("opset", "ir"), [(9, 4), (13, 7), (18, 8), (21, 10)])
def test_operator_sets_are_reconciled(tmp_path, opset, ir):
    file = BackboneFile(vector_model(tmp_path / "b.onnx", opset=opset, ir=ir))
    save_run(tmp_path / "run", file)
    export_encoder(tmp_path / "run", tmp_path / "e.onnx")
    exported = onnx.load(tmp_path / "e.onnx")
    (version,) = (each.version for each in exported.opset_import if not each.domain)
    assert version == max(18, opset)
    assert exported.ir_version >= ir


def test_names_weights_and_functions_of_the_backbone(tmp_path):
    """Values are named as ours, weights are inputs, too, and a layer is a local function."""
    model = onnx.load(vector_model(tmp_path / "b.onnx"))
    graph = model.graph
    renamed = {"x": "frames", "r1": "context", "c1": "embeddings", "y": "next_context"}
    for node in graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                names[position] = renamed.get(name, name)
    graph.input[0].name, graph.output[0].name = "frames", "next_context"
    weight = graph.initializer[0]
    graph.input.add().CopyFrom(
        helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
    )
    flatten = graph.node[-1]
    flatten.op_type, flatten.domain = "Vector", "own"
    body = [helper.make_node("Flatten", ["in"], ["out"])]
    opset = helper.make_opsetid("", 17)
    model.functions.append(helper.make_function("own", "Vector", ["in"], ["out"], body, [opset]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(model, tmp_path / "b.onnx")
    encoder = save_run(tmp_path / "run", BackboneFile(tmp_path / "b.onnx"))
    export_encoder(tmp_path / "run", tmp_path / "e.onnx")
    frames = np.random.default_rng(1).integers(0, 256, (6, 40, 50, 3), dtype=np.uint8)
    with EncoderSession(tmp_path / "e.onnx") as session:
        np.testing.assert_allclose(session.embed(frames), encoder.embed(frames), atol=1e-5)
    kept = {tensor.name for tensor in onnx.load(tmp_path / "e.onnx").graph.initializer}
    assert f"backbone/{weight.name}" in kept


def test_graphs_within_nodes(tmp_path):
    """Both branches of an If take values from around it."""
    model = onnx.load(vector_model(tmp_path / "b.onnx"))
    graph = model.graph
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("Flatten", [source], [f"{name}_y"])], name, [],
            [helper.make_tensor_value_info(f"{name}_y", onnx.TensorProto.FLOAT, ("N", 6))],
        )
        for name, source in (("then", "g"), ("else", "g"))
    }  # fmt: skip
    del graph.node[-1]
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "yes"))
    graph.node.append(helper.make_node("If", ["yes"], ["y"], **branches))
    onnx.save(model, tmp_path / "b.onnx")
    encoder = save_run(tmp_path / "run", BackboneFile(tmp_path / "b.onnx"))
    export_encoder(tmp_path / "run", tmp_path / "e.onnx")
    frames = np.random.default_rng(1).integers(0, 256, (6, 40, 50, 3), dtype=np.uint8)
    with EncoderSession(tmp_path / "e.onnx") as session:
        np.testing.assert_allclose(session.embed(frames), encoder.embed(frames), atol=1e-5)


@pytest.mark.parametrize("make", [map_model, token_model])
def test_reduced_precision(tmp_path, data, make):
    encoder = save_run(tmp_path / "run", BackboneFile(make(tmp_path / "b.onnx")))
    clips = sorted((data / "val").iterdir())
    frames = np.random.default_rng(2).integers(0, 256, (9, 40, 40, 3), dtype=np.uint8)
    for precision, least in (("float16", 0.999), ("int8", 0.9)):
        path = tmp_path / f"{precision}.onnx"
        export_encoder(tmp_path / "run", path, precision=precision, clips=clips)
        with EncoderSession(path) as session:
            cosines = (session.embed(frames) * encoder.embed(frames)).sum(1)
        assert cosines.min() >= least
    half = onnx.load(tmp_path / "float16.onnx")
    kinds = {t.data_type for t in half.graph.initializer if t.name.startswith("backbone/")}
    assert onnx.TensorProto.FLOAT16 in kinds


def test_the_whole_road(tmp_path, data, capsys):
    model = str(token_model(tmp_path / "b.onnx"))
    run, file = str(tmp_path / "run"), str(tmp_path / "e.onnx")
    cache = ("--feature-cache", str(tmp_path / "cache"), "--backbone-views", "1")
    few = ("--steps", "2", "--frames", "6", "--pairs", "2")
    train = ["train", "--backbone", model, "--data", str(data), "--out", run]
    assert main([*train, *cache, *few]) == 0
    assert main(["export", run, "-o", file]) == 0
    assert main(["export", "inspect", file, "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert f"resized to {SIZE}x{SIZE}, aspect ratio not kept" in report["preprocessing"]
    assert report["encoder"]["backbone"]["output"] == "y"
    clips = [str(path) for path in sorted((data / "val").iterdir())]
    for encoder in (run, file):
        scores = tmp_path / f"{encoder[-4:]}.json"
        assert main(["evaluate", encoder, "--data", str(data), "--json"]) == 0
        scores.write_text(capsys.readouterr().out)
        out = str(tmp_path / f"embedded-{encoder[-4:]}")
        assert main(["embed", encoder, *clips, "--out", out]) == 0
    with EncoderSession(file) as session:
        rows, _ = session.embed_video(clips[0])
    frames = load_encoder(run)
    from tacref.data import load_clip

    np.testing.assert_allclose(frames.embed(load_clip(clips[0]).frames), rows, atol=1e-5)
    assert main(["align", *clips, "--encoder", file, "--out", str(tmp_path / "aligned")]) == 0
