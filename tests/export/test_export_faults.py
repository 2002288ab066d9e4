"""A planted fault makes the export fail: status 1, no file, and the layer where it begins."""

import copy

import numpy as np
import onnx
import pytest

import tacref_export.graph
from tacref.commands.export import main
from tacref.encoder import load_encoder
from tacref_export import EncoderSession, ParityError
from tacref_export.convert import prove
from tacref_export.graph import to_graph
from tacref_export.proof import proof_videos


@pytest.fixture(scope="module")
def sound(exported):
    return to_graph(load_encoder(exported["small"].run))


@pytest.fixture
def plant(sound, monkeypatch):
    """Make the export trace a graph with a fault in it."""

    def planted(fault):
        graph = copy.deepcopy(sound)
        graph = fault(graph) or graph
        monkeypatch.setattr(tacref_export.graph, "to_graph", lambda *_: copy.deepcopy(graph))

    return planted


def change(graph, name, by):
    (tensor,) = (each for each in graph.model.graph.initializer if each.name == name)
    value = onnx.numpy_helper.to_array(tensor).copy()
    value.flat[0] += by
    tensor.CopyFrom(onnx.numpy_helper.from_array(value, name))


def freeze_input(graph):
    graph.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 13


def freeze_rows(graph):
    """As an exporter does that writes the example's number of frames into a reshape."""
    node = [each for each in graph.model.graph.node if each.op_type == "Reshape"][-1]
    del graph.model.graph.value_info[:]
    graph.model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([13, -1]), "frozen_shape")
    )
    node.input[1] = "frozen_shape"


FAULTS = {
    "weight": (
        lambda graph: change(graph, "encoder.backbone.blocks.2.0.weight", 0.01),
        "first at layer backbone.blocks.2.0",
    ),
    "mean": (
        lambda graph: change(graph, "encoder.preprocess.mean", 0.01),
        "first at layer preprocess",
    ),
    "bias": (
        lambda graph: change(graph, "encoder.head.layers.6.bias", 0.01),
        "first at layer head.layers.6",
    ),
    "frozen T": (freeze_input, "first at its input"),
    "frozen T inside": (freeze_rows, "first at head"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_file(exported, plant, tmp_path, capsys, fault):
    planted, message = FAULTS[fault]
    plant(planted)
    path = tmp_path / "encoder.onnx"
    assert main([str(exported["small"].run), "-o", str(path)]) == 1
    line = capsys.readouterr().err
    assert "not written" in line
    assert message in line
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_stays(exported, plant, tmp_path):
    plant(FAULTS["mean"][0])
    path = tmp_path / "encoder.onnx"
    path.write_bytes(b"mine")
    assert main([str(exported["small"].run), "-o", str(path), "--force"]) == 1
    assert path.read_bytes() == b"mine"


def test_without_a_fault_it_is_written(exported, plant, tmp_path):
    plant(lambda graph: None)
    path = tmp_path / "encoder.onnx"
    assert main([str(exported["small"].run), "-o", str(path)]) == 0
    assert EncoderSession(path).config.name == "small"


def test_streaming_form_is_proven_too(exported, plant, tmp_path, capsys):
    def keep_too_little(graph):
        # One frame of context too few is carried.
        (node,) = (each for each in graph.model.graph.node if each.output[0] == "next_context")
        graph.model.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array([-7]), "too_little")
        )
        node.input[1] = "too_little"

    plant(keep_too_little)
    assert main([str(exported["small"].run), "-o", str(tmp_path / "encoder.onnx")]) == 1
    assert "chunks from the whole" in capsys.readouterr().err


def test_streaming_form_gives_a_row_a_frame(exported, plant, tmp_path, capsys):
    def carry_nothing(graph):
        (node,) = (each for each in graph.model.graph.node if each.output[0] == "next_context")
        graph.model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([99999]), "end"))
        node.input[1] = "end"

    plant(carry_nothing)
    assert main([str(exported["small"].run), "-o", str(tmp_path / "encoder.onnx")]) == 1
    assert "in chunks its embeddings have shape" in capsys.readouterr().err


def test_streaming_form_is_proven_as_float16(exported):
    encoder = load_encoder(exported["features"].run)
    graph = to_graph(encoder, "float16")
    (node,) = (each for each in graph.model.graph.node if each.output[0] == "next_context")
    graph.model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([-44]), "too_little")
    )
    node.input[1] = "too_little"
    with pytest.raises(ParityError, match="as float16 it differs"):
        prove(encoder, graph, proof_videos(encoder), "float16", "half.onnx")


def test_a_graph_that_onnxruntime_does_not_open(exported, sound, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED")

    monkeypatch.setattr("tacref_export.proof.open_graph", fail)
    encoder = load_encoder(exported["small"].run)
    with pytest.raises(ParityError, match="not written; onnxruntime does not open it"):
        prove(encoder, sound, [], "float32", "encoder.onnx")
