"""Reading a backbone's file, and `tacref inspect-backbone`."""

import json
import sys

import onnx
import pytest

from tacref.commands import main
from tacref.encoder.frozen.config import BackboneConfig
from tacref.encoder.frozen.model import BackboneFile
from tests.backbone.models import (
    PREPROCESSING,
    SIZE,
    map_model,
    text_model,
    token_model,
    vector_model,
)


@pytest.mark.parametrize(
    ("make", "form", "shape", "cells", "width"),
    [
        (map_model, "map", (8, 8, 8), (4, 4), 128),
        (lambda path: map_model(path, channels=6), "map", (6, 8, 8), (4, 4), 96),
        (lambda path: map_model(path, layout="NHWC", channels=6), "map", (8, 8, 6), (4, 4), 96),
        (vector_model, "vector", (6,), (1, 1), 6),
        (token_model, "tokens", (17, 8), (4, 4), 128),
        (lambda path: token_model(path, prefix=5), "tokens", (21, 8), (4, 4), 128),
    ],
)
def test_output_is_told_by_its_rank(tmp_path, make, form, shape, cells, width):
    config, _ = BackboneFile(make(tmp_path / "b.onnx")).configure()
    assert (config.form, config.shape, config.cells, config.width) == (form, shape, cells, width)
    assert config.sha256 == BackboneFile(tmp_path / "b.onnx").sha256
    assert BackboneConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_any_value_of_the_graph_can_be_the_output(tmp_path):
    file = BackboneFile(map_model(tmp_path / "b.onnx"))
    config, _ = file.configure(output="r1", grid=2)
    assert (config.output, config.shape, config.cells, config.width) == (
        "r1", (6, 16, 16), (2, 2), 24,
    )  # fmt: skip


def test_weights_in_another_file_are_read(tmp_path):
    whole = BackboneFile(map_model(tmp_path / "b.onnx"))
    onnx.save_model(
        whole.model, tmp_path / "split.onnx", save_as_external_data=True, size_threshold=0,
        location="split.bin",
    )  # fmt: skip
    split = BackboneFile(tmp_path / "split.onnx")
    assert split.configure()[0].shape == whole.configure()[0].shape
    (tmp_path / "split.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"split.onnx: keeps its weights in split.bin"):
        BackboneFile(tmp_path / "split.onnx")


def refusal(path, **how):
    with pytest.raises(ValueError, match=r".") as caught:
        BackboneFile(path).configure(**how)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_files_that_cannot_be_backbones(tmp_path):
    path = tmp_path / "b.onnx"
    assert "not a picture model" in refusal(text_model(path))
    assert "input_ids: int64 (N, L)" in refusal(path)
    fixed = onnx.load(map_model(path))
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(fixed, path)
    assert "its batch is fixed at 1" in refusal(path)
    assert "dynamic_shapes" in refusal(path)
    map_model(path, preprocess=None)
    assert "--backbone-preprocess" in refusal(path)
    assert "size = 224, resize = 256" in refusal(path)
    map_model(path, preprocess=PREPROCESSING | {"size": 64})
    assert "takes pictures of 32x32, but the preprocessing gives 64x64" in refusal(path)
    map_model(path)
    assert "the nearest name is 'r1'" in refusal(path, output="r12")
    several = onnx.load(path)
    several.graph.output.add().CopyFrom(onnx.ValueInfoProto(name="r1"))
    onnx.save(several, path)
    assert "has 2 outputs; backbone_output (--backbone-output) chooses one" in refusal(path)
    path.write_bytes(b"not a model")
    with pytest.raises(ValueError, match="damaged, or not an ONNX file"):
        BackboneFile(path)
    with pytest.raises(FileNotFoundError, match="no such ONNX file"):
        BackboneFile(tmp_path / "none.onnx")


def test_the_command_says_what_a_model_is(tmp_path, capsys):
    path = str(token_model(tmp_path / "b.onnx"))
    assert main(["inspect-backbone", path, "--backbone-grid", "2"]) == 0
    shown = capsys.readouterr().out
    assert "x: float32 (N, 3, 32, 32)" in shown
    assert "32 a frame: tokens y, 17x8, averaged over 2x2 cells" in shown
    assert main(["inspect-backbone", path, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["features"] == 128
    assert report["form"] == "tokens"
    assert f"resized to {SIZE}x{SIZE}" in report["preprocessing"]


def test_the_command_lists_even_what_cannot_be_used(tmp_path, capsys):
    assert main(["inspect-backbone", str(text_model(tmp_path / "t.onnx"))]) == 1
    shown = capsys.readouterr().out
    assert "inputs          input_ids: int64 (N, L)" in shown
    assert "cannot be used  not a picture model" in shown
    assert main(["inspect-backbone", str(tmp_path / "none.onnx")]) == 2
    assert "no such ONNX file" in capsys.readouterr().err


def test_without_onnxruntime_a_line_says_what_is_missing(tmp_path, capsys, monkeypatch):
    path = str(map_model(tmp_path / "b.onnx"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["inspect-backbone", path]) == 2
    said = capsys.readouterr().err
    assert "needs a package that is not installed" in said
    assert "onnxruntime" in said
    assert "Traceback" not in said
