"""Backbones beyond what one ONNX file holds: weights in files next to the graph."""

import json
import shutil

import numpy as np
import onnx
import pytest

from tacref.commands import main
from tacref.encoder import load_encoder
from tacref.encoder.frozen import reading
from tacref.encoder.frozen.model import BackboneFile
from tests.backbone.models import large_model, map_model, token_model

FEW_BYTES = 6000  # that one file may hold; `large_model` has more


@pytest.fixture
def small_bound(monkeypatch):
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", FEW_BYTES)


def pictures(count=3):
    return np.random.default_rng(0).normal(size=(count, 3, 32, 32)).astype(np.float32)


@pytest.mark.parametrize("one_file", [True, False])
@pytest.mark.parametrize("output", ["y", "placed"])
def test_a_large_model_gives_what_it_gives_in_one_file(tmp_path, small_bound, one_file, output):
    (tmp_path / "large").mkdir()
    path = large_model(tmp_path / "large" / "b.onnx", one_file=one_file)
    file = BackboneFile(path)
    assert file.weights_outside
    config, runner = file.configure(output=output)
    whole = token_model(tmp_path / "whole.onnx", width=24)
    assert whole.stat().st_size > FEW_BYTES
    reading.MAX_MODEL_BYTES = 1 << 20  # put back by the fixture
    small = BackboneFile(whole)
    assert not small.weights_outside
    assert config.shape == small.configure(output=output)[0].shape
    expected = small.open(output).run(pictures())
    np.testing.assert_array_equal(runner.run(pictures()), expected)


@pytest.mark.parametrize("one_file", [True, False])
def test_a_copy_is_a_graph_and_one_file_of_weights(tmp_path, small_bound, one_file):
    (tmp_path / "large").mkdir()
    file = BackboneFile(large_model(tmp_path / "large" / "b.onnx", one_file=one_file))
    for name in ("one", "two"):  # a copy of a copy, too
        (tmp_path / name).mkdir()
        file.save(tmp_path / name / "c.onnx")
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == [
            "c.onnx", "c.onnx.data",
        ]  # fmt: skip
        copy = BackboneFile(tmp_path / name / "c.onnx")
        assert copy.sha256 == file.sha256
        run = [each.open("y").run(pictures()) for each in (file, copy)]
        np.testing.assert_array_equal(*run)
        file = copy
    model = onnx.load(tmp_path / "two" / "c.onnx")  # others read it, too
    onnx.checker.check_model(model)
    onnx.checker.check_model(str(tmp_path / "two" / "c.onnx"), full_check=True)


def test_the_hash_is_of_graph_and_weights(tmp_path, small_bound):
    path = large_model(tmp_path / "b.onnx")
    before = BackboneFile(path).sha256
    weights = tmp_path / "weights.bin"
    content = weights.read_bytes()
    weights.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert BackboneFile(path).sha256 != before
    weights.write_bytes(content)
    assert BackboneFile(path).sha256 == before
    model = onnx.load(path, load_external_data=False)
    model.graph.node[-1].attribute[0].i = 1
    path.write_bytes(model.SerializeToString())
    assert BackboneFile(path).sha256 != before


def test_training_with_a_large_backbone(tmp_path, data, small_bound, capsys):
    (tmp_path / "large").mkdir()
    model = large_model(tmp_path / "large" / "b.onnx")
    run = tmp_path / "run"
    train = ["train", "--feature-cache", str(tmp_path / "cache"), "--data", str(data)]
    train += ["--frames", "6", "--pairs", "2", "--backbone-views", "1", "--steps", "2"]
    assert main([*train, "--backbone", str(model), "--out", str(run)]) == 0
    shutil.rmtree(tmp_path / "large")  # the run has a copy
    assert {"backbone.onnx", "backbone.onnx.data"} <= {path.name for path in run.iterdir()}
    moved = tmp_path / "moved"
    run.rename(moved)
    frames = np.zeros((3, 40, 40, 3), np.uint8)
    assert load_encoder(moved).embed(frames).shape == (3, 128)
    assert main(["inspect-backbone", str(moved / "backbone.onnx"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["bytes"] > FEW_BYTES
    config = json.loads((moved / "config.json").read_text())
    assert config["encoder"]["backbone"]["sha256"] == report["sha256"]
    weights = moved / "backbone.onnx.data"
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(ValueError, match=r"backbone\.onnx: another backbone, or changed"):
        load_encoder(moved)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"keeps its weights in backbone\.onnx\.data, wh"):
        load_encoder(moved)


def test_nothing_half_written(tmp_path, small_bound):
    (tmp_path / "large").mkdir()
    file = BackboneFile(large_model(tmp_path / "large" / "b.onnx"))
    weights = tmp_path / "large" / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"weights\.bin: was cut off while it was read"):
        file.save(tmp_path / "copy" / "c.onnx")
    assert list((tmp_path / "copy").iterdir()) == []


def test_no_weights_without_their_graph(tmp_path, small_bound):
    (tmp_path / "large").mkdir()
    file = BackboneFile(large_model(tmp_path / "large" / "b.onnx"))
    (tmp_path / "copy" / "c.onnx").mkdir(parents=True)  # where no file can be moved
    with pytest.raises(IsADirectoryError):
        file.save(tmp_path / "copy" / "c.onnx")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["c.onnx"]


def rename_weights(path, location):
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("bound", [FEW_BYTES, 1 << 20])
@pytest.mark.parametrize(
    "location", ["../weights.bin", "sub/../../weights.bin", "/weights.bin", "C:\\w", "..\\w", ""]
)
def test_weights_outside_the_folder_are_refused(tmp_path, monkeypatch, bound, location):
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", bound)
    (tmp_path / "large").mkdir()
    path = large_model(tmp_path / "large" / "b.onnx")
    shutil.copy(tmp_path / "large" / "weights.bin", tmp_path)
    rename_weights(path, location)
    with pytest.raises(ValueError, match=r"b\.onnx: keeps weights in '.*', and only files in its"):
        BackboneFile(path)


@pytest.mark.parametrize("bound", [FEW_BYTES, 1 << 20])
@pytest.mark.parametrize("link", ["weights", "both", "folder"])
@pytest.mark.parametrize("output", [[], ["--backbone-output", "placed"]])
def test_weights_that_are_a_link_are_refused(tmp_path, monkeypatch, capsys, bound, link, output):
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", bound)
    stored, linked = tmp_path / "stored", tmp_path / "linked"
    for folder in (stored, linked):
        folder.mkdir()
    large_model(stored / "b.onnx")
    location = "weights.bin"
    if link == "both":  # as in the cache of Hugging Face
        (linked / "b.onnx").symlink_to(stored / "b.onnx")
    else:
        shutil.copy(stored / "b.onnx", linked)
    if link == "folder":
        (linked / "sub").symlink_to(stored)
        location = "sub/weights.bin"
        rename_weights(linked / "b.onnx", location)
    else:
        (linked / location).symlink_to(stored / location)
    assert main(["inspect-backbone", str(linked / "b.onnx"), *output]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"b.onnx: keeps its weights in {location}, which is a symbolic link; replace" in line
    assert "copy of what it points to, or download the model with `hf download --local-dir`" in line
    shutil.rmtree(stored)
    with pytest.raises(FileNotFoundError):
        BackboneFile(linked / "b.onnx")


@pytest.mark.parametrize("bound", [FEW_BYTES, 1 << 20])
def test_other_links_are_followed(tmp_path, monkeypatch, bound):
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", bound)
    (tmp_path / "stored").mkdir()
    path = large_model(tmp_path / "stored" / "b.onnx")
    expected = BackboneFile(path).sha256
    (tmp_path / "folder").symlink_to(path.parent)
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "b.onnx").symlink_to(path)
    shutil.copy(path.with_name("weights.bin"), tmp_path / "graph")
    for linked in (tmp_path / "folder" / "b.onnx", tmp_path / "graph" / "b.onnx"):
        file = BackboneFile(linked)
        assert file.sha256 == expected
        for output in ("y", "placed"):
            file.configure(output=output)
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", 1 << 20)
    whole = map_model(tmp_path / "stored" / "whole.onnx")
    (tmp_path / "whole.onnx").symlink_to(whole)
    assert BackboneFile(tmp_path / "whole.onnx").sha256 == BackboneFile(whole).sha256


def test_weights_below_the_folder(tmp_path, small_bound):
    path = large_model(tmp_path / "b.onnx")
    (tmp_path / "sub").mkdir()
    (tmp_path / "weights.bin").rename(tmp_path / "sub" / "weights.bin")
    rename_weights(path, "sub/weights.bin")
    for output in ("y", "placed"):
        BackboneFile(path).configure(output=output)


def test_weights_that_are_missing_or_cut_off(tmp_path, small_bound):
    path = large_model(tmp_path / "b.onnx")
    weights = tmp_path / "weights.bin"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"b\.onnx: its weights in weights\.bin are cut off"):
        BackboneFile(path)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"weights in weights\.bin, which is not there"):
        BackboneFile(path)
    weights.write_bytes(content)
    model = onnx.load(path, load_external_data=False)
    for value in ("-5", "five"):
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "offset":
                    entry.value = value
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match=r"b\.onnx: damaged: .* is nowhere in weights\.bin"):
            BackboneFile(path)


def test_what_one_file_cannot_hold(tmp_path, monkeypatch):
    path = map_model(tmp_path / "b.onnx")
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", path.stat().st_size - 1)
    message = r"b\.onnx: takes 0\.0 GB, and an ONNX file holds at most 0\.0; save it with its weigh"
    with pytest.raises(ValueError, match=message):
        BackboneFile(path)


def constant(name):
    tensor = onnx.TensorProto(name=name, data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value="weights.bin")
    tensor.external_data.add(key="length", value="4")
    return onnx.helper.make_node("Constant", [], [f"{name}0"], value=tensor)


def in_a_node(model):
    model.graph.node.insert(0, constant("kept"))


def in_a_branch(model):
    branch = onnx.helper.make_graph([constant("kept")], "branch", [], [])
    model.graph.node.append(
        onnx.helper.make_node("If", ["yes"], [], then_branch=branch, else_branch=branch)
    )


def in_a_function(model):
    function = onnx.helper.make_function("own", "F", [], ["kept0"], [constant("kept")], [], ["a"])
    model.functions.append(function)


@pytest.mark.parametrize("add", [in_a_node, in_a_branch, in_a_function])
def test_constants_in_another_file_are_refused(tmp_path, small_bound, add):
    path = large_model(tmp_path / "b.onnx")
    model = onnx.load(path, load_external_data=False)
    add(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"keeps 'kept', which is not one of its graph's weights"):
        BackboneFile(path)
