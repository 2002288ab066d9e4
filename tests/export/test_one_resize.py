"""Training, torch and the exported file see the same pictures of a clip, byte by byte."""

import copy

import numpy as np
import onnx
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from tacref.data import load_clip, write_video
from tacref.encoder import load_encoder
from tacref.encoder.embedding import embed_clip
from tacref_export import EncoderSession, ParityError
from tacref_export.convert import prove
from tacref_export.graph import to_graph
from tacref_export.int8 import quantize
from tacref_export.metadata import INPUT
from tacref_export.proof import Video, open_graph
from tests.export.exported_encoders import CONFIGS, clip

# Wide, tall, odd, smaller than what the backbone sees, and one pixel wide.
SHAPES = ((360, 640), (640, 360), (121, 75), (20, 24), (90, 1))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Videos, and folders of frames where a video cannot have the size."""
    folder = tmp_path_factory.mktemp("clips")
    paths = []
    for seed, (height, width) in enumerate(SHAPES):
        frames = clip(CONFIGS["small"], 4, height, width, seed=seed)
        path = folder / f"{seed}"
        if height % 2 or width % 2:
            path.mkdir()
            for index, frame in enumerate(frames):
                Image.fromarray(frame).save(path / f"{index}.png")
        else:
            path = path.with_suffix(".mp4")
            write_video(path, frames)
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def graphs(exported, clips):
    """The graph of one encoder in each precision."""
    encoder = load_encoder(exported["small"].run)
    float32 = to_graph(encoder)
    return {
        "float32": float32,
        "float16": to_graph(encoder, "float16"),
        "int8": quantize(float32, encoder.config, clips[:2]),
    }


@pytest.mark.parametrize("name", ["small", "resnet50"])
def test_embeddings_of_a_clip(exported, clips, name):
    run, path, _ = exported[name]
    encoder, session = load_encoder(run), EncoderSession(path)
    for each in clips:
        trained_on = load_clip(each, encoder.config.size).frames
        assert trained_on.shape[1:] == (32, 32, 3)
        expected = encoder.embed(trained_on)
        # What torch and onnxruntime round differently in the network; two ways to resize made 1e-3.
        for embedder in (encoder, session):
            assert_allclose(embed_clip(embedder, each)[0], expected, atol=2e-6)
        assert_allclose(embed_clip(session, each)[0], session.embed(trained_on), atol=1e-7)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_the_graphs_pixels(exported, clips, graphs, precision):
    encoder, graph = load_encoder(exported["small"].run), copy.deepcopy(graphs[precision])
    name = graph.layers["preprocess"]
    graph.model.graph.output.append(onnx.ValueInfoProto(name=name))
    preprocess = encoder.preprocess
    for optimize in (False, True):
        session = open_graph(graph.model.SerializeToString(), optimize=optimize)
        for each in clips:
            (pixels,) = session.run([name], {INPUT: load_clip(each).frames})
            levels = (torch.from_numpy(pixels) * preprocess.std + preprocess.mean) * 255
            torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
            resized = levels.round().permute(0, 2, 3, 1).numpy()
            assert_array_equal(resized, load_clip(each, encoder.config.size).frames)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_resize_that_rounds_otherwise_is_refused(exported, graphs, tmp_path, precision):
    encoder, graph = load_encoder(exported["small"].run), copy.deepcopy(graphs[precision])
    producers = {node.output[0]: node for node in graph.model.graph.node}
    halves = {
        node.input[1]
        for node in graph.model.graph.node
        if node.op_type == "Add" and producers.get(node.input[0], node).op_type == "MatMul"
    }
    changed = 0
    for tensor in graph.model.graph.initializer:
        if tensor.name in halves and onnx.numpy_helper.to_array(tensor).size == 1:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.499), tensor.name))
            changed += 1
    assert changed == 1
    frames = clip(encoder.config, 12, 41, 57)
    with pytest.raises(ParityError, match=r"pixels differ from torch's on .* by 1\.\de-02, first"):
        prove(encoder, graph, [Video("noise", frames)], precision, tmp_path / "e.onnx")
