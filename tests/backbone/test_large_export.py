"""Exported encoders beyond what one ONNX file holds: a graph and one file of weights."""

import errno
import json
import os
import shutil
import signal

import numpy as np
import onnx
import onnxruntime
import pytest

import tacref_export.weights
from tacref.commands import main
from tacref.encoder.frozen import reading
from tacref.encoder.frozen.model import BackboneFile
from tacref_export import EncoderSession, convert, export_encoder, writing
from tacref_export.inspection import inspect
from tacref_export.metadata import HASH, PREFIX, content_hash
from tacref_export.proof import PICTURE_SHAPES, ParityError
from tests.backbone.models import draw, in_one_file, large_model, map_model, token_model
from tests.backbone.test_backbone_export import SHAPES, save_run, two_steps

FEW_BYTES = 6000  # that one file may hold; `large_model` has more


@pytest.fixture(autouse=True)
def small_file(monkeypatch):
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", FEW_BYTES)
    monkeypatch.setattr(convert, "MAX_WEIGHT_BYTES", FEW_BYTES)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Two files, whose backbone and run are gone."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "MAX_MODEL_BYTES", FEW_BYTES)
        patch.setattr(convert, "MAX_WEIGHT_BYTES", FEW_BYTES)
        large_run(folder)
        export_encoder(folder / "run", folder / "out" / "e.onnx")
    shutil.rmtree(folder / "large")
    shutil.rmtree(folder / "run")
    return folder / "out"


@pytest.fixture
def copied(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "out")
    return tmp_path / "out" / "e.onnx"


def large_run(folder, **how):
    (folder / "large").mkdir()
    file = BackboneFile(large_model(folder / "large" / "b.onnx", **how))
    assert file.weights_outside
    return save_run(folder / "run", file)


@pytest.mark.parametrize(
    ("make", "how"),
    [
        (token_model, {}),
        (token_model, {"opset": 21, "ir": 10}),
        (map_model, {"channels": 64, "opset": 9, "ir": 4}),
        (map_model, {"channels": 64, "layout": "NHWC", "one_file": False}),
    ],
)
def test_the_two_files_equal_the_two_steps(tmp_path, monkeypatch, make, how):
    encoder = large_run(tmp_path, make=make, **how)
    graph, weights = tmp_path / "out" / "e.onnx", tmp_path / "out" / "e.onnx.data"
    made = export_encoder(tmp_path / "run", graph)
    shutil.rmtree(tmp_path / "large")
    shutil.rmtree(tmp_path / "run")
    assert sorted((tmp_path / "out").iterdir()) == [graph, weights]
    assert (made.path, made.weights) == (graph, weights)
    assert made.to_json()["bytes"] == graph.stat().st_size + weights.stat().st_size
    assert made.to_json()["weights"] == str(weights)
    assert len({each.shape for each in made.parity}) == len(PICTURE_SHAPES)  # all were proven
    stored = onnx.load(graph, load_external_data=False).graph.initializer
    inside = [tensor for tensor in stored if tensor.data_location != onnx.TensorProto.EXTERNAL]
    assert max(len(tensor.raw_data) for tensor in inside) < 1024
    # The two steps run the backbone in one file.
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", 1 << 20)
    encoder.backbone.file = BackboneFile(in_one_file(tmp_path / "one.onnx", make=make, **how))
    rng = np.random.default_rng(0)
    with EncoderSession(graph) as session:
        for shape in SHAPES:
            frames = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
            expected = two_steps(encoder, frames)
            np.testing.assert_allclose(session.embed(frames), expected, rtol=0, atol=1e-5)
            stream = session.stream()
            parts = [stream.push(frames[start : start + 4]) for start in range(0, len(frames), 4)]
            streamed = np.concatenate([*parts, stream.finish()])
            np.testing.assert_allclose(streamed, expected, rtol=0, atol=1e-5)
    # Without this package, too: onnxruntime finds the weights by the path.
    onnx.checker.check_model(str(graph), full_check=True)
    plain = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(plain.run(None, {"frames": frames})[0], expected, rtol=0, atol=1e-5)


def test_commands_take_the_two_files(copied, tmp_path, data, capsys, monkeypatch):
    clips = [str(path) for path in sorted((data / "val").iterdir())]
    assert main(["embed", str(copied), *clips, "--out", str(tmp_path / "rows")]) == 0
    assert main(["align", *clips, "--encoder", str(copied), "--out", str(tmp_path / "a")]) == 0
    assert main(["follow", clips[0], "--reference", clips[1], "--encoder", str(copied)]) == 0
    capsys.readouterr()
    assert main(["export", "inspect", str(copied), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["bytes"] == sum(path.stat().st_size for path in copied.parent.iterdir())
    monkeypatch.chdir(copied.parent)
    frames = np.zeros((3, 40, 40, 3), np.uint8)
    rows = EncoderSession("e.onnx").embed(frames)
    copied.rename(copied.with_name("renamed.onnx"))  # weights are found by the name in the graph
    np.testing.assert_array_equal(EncoderSession("renamed.onnx").embed(frames), rows)


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    large_run(tmp_path)
    out = tmp_path / "e.onnx"
    assert main(["export", str(tmp_path / "run"), "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{out} and {out}.data: float32, ")
    assert main(["export", str(tmp_path / "run"), "-o", str(out)]) == 2
    assert f"{out}: exists already; force (--force) replaces it" in capsys.readouterr().err
    out.unlink()
    assert main(["export", str(tmp_path / "run"), "-o", str(out)]) == 2
    assert f"{out}.data: exists already; force (--force) replaces it" in capsys.readouterr().err
    assert not out.exists()
    assert main(["export", str(tmp_path / "run"), "-o", str(out), "--force"]) == 0
    EncoderSession(out)


def test_force_replaces_both_files_or_none(copied, tmp_path, monkeypatch):
    large_run(tmp_path, make=map_model, channels=64)
    folder = copied.parent
    old = {path.name: path.read_bytes() for path in folder.iterdir()}
    real, failed = os.replace, []

    def replace(source, path):
        if path == copied and not failed:
            failed.append(path)
            raise OSError(errno.EIO, "broken")
        real(source, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(OSError, match="broken"):
            export_encoder(tmp_path / "run", copied, force=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == old
    EncoderSession(copied)


def test_force_leaves_no_weights_of_the_replaced_file(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_MODEL_BYTES", 1 << 30)
    monkeypatch.setattr(convert, "MAX_WEIGHT_BYTES", 1 << 30)
    save_run(tmp_path / "run", BackboneFile(token_model(tmp_path / "b.onnx")))
    with monkeypatch.context() as patch:
        patch.setattr(EncoderSession, "embed", lambda self, frames: np.zeros((len(frames), 128)))
        with pytest.raises(ParityError):
            export_encoder(tmp_path / "run", copied, force=True)
    EncoderSession(copied)  # as it was
    (copied.parent / "other.onnx.data").touch()
    assert export_encoder(tmp_path / "run", copied, force=True).weights is None
    assert {path.name for path in copied.parent.iterdir()} == {"e.onnx", "other.onnx.data"}
    EncoderSession(copied)
    copied.unlink()
    copied.with_name("e.onnx.data").touch()  # not of a file that is replaced
    export_encoder(tmp_path / "run", copied, force=True)
    assert copied.with_name("e.onnx.data").exists()


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_other_precisions_are_refused(tmp_path, data, capsys, precision):
    large_run(tmp_path)
    clips = sorted(map(str, (data / "val").iterdir()))
    option = {"float16": "--fp16", "int8": "--int8"}[precision]
    out = tmp_path / "out" / "e.onnx"
    assert main(["export", str(tmp_path / "run"), "-o", str(out), option, "--clips", *clips]) == 2
    said = capsys.readouterr().err
    assert "with weights in another file it must be float32: leave out precision='" in said
    assert f"={precision!r} ({option})\n" in said
    assert not out.parent.exists()


def refused(path, kind=ValueError):
    """Return what a session says, once inspect says the same."""
    said = []
    for use in (EncoderSession, inspect):
        with pytest.raises(kind, match=path.name) as caught:
            use(path)
        said.append(str(caught.value))
    assert said[0] == said[1]
    return said[0]


def test_weights_that_are_not_those_of_the_graph(copied):
    weights = copied.with_name("e.onnx.data")
    content = weights.read_bytes()
    for changed in (content[:-1], content + b"\0", bytes([content[0] ^ 1]) + content[1:]):
        weights.write_bytes(changed)
        assert "its weights in e.onnx.data are damaged, or of another export" in refused(copied)
    weights.unlink()
    assert "e.onnx.data, which is not there" in refused(copied, FileNotFoundError)


def linked(folder, files):
    """Make a folder with links of these names; return that to the graph."""
    folder.mkdir()
    for name, target in files.items():
        (folder / name).symlink_to(target)
    return folder / "e.onnx"


def test_links_into_one_folder_are_followed(copied, tmp_path, monkeypatch):
    frames = np.zeros((3, 40, 40, 3), np.uint8)
    expected = EncoderSession(copied).embed(frames)
    weights = copied.with_name("e.onnx.data")
    shutil.copy(copied, tmp_path / "hash")
    (tmp_path / "volume").mkdir()  # as Kubernetes mounts one
    shutil.copytree(copied.parent, tmp_path / "volume" / "..2026")
    (tmp_path / "volume" / "..data").symlink_to("..2026")
    for name in ("e.onnx", "e.onnx.data"):
        (tmp_path / "volume" / name).symlink_to(f"..data/{name}")
    both = linked(tmp_path / "both", {"e.onnx": copied, "e.onnx.data": weights})
    renamed = linked(tmp_path / "renamed", {"e.onnx.data": weights}).with_name("v.onnx")
    renamed.symlink_to(copied)  # a graph may have any name
    (tmp_path / "graph").mkdir()
    shutil.copy(weights, tmp_path / "graph")
    graph = tmp_path / "graph" / "e.onnx"
    graph.symlink_to(tmp_path / "hash")
    (tmp_path / "folder").symlink_to(copied.parent)
    for path in (
        tmp_path / "volume" / "e.onnx", both, renamed, graph, tmp_path / "folder" / "e.onnx",
    ):  # fmt: skip
        np.testing.assert_array_equal(EncoderSession(path).embed(frames), expected)
        inspect(path)
    monkeypatch.chdir(both.parent)
    np.testing.assert_array_equal(EncoderSession("e.onnx").embed(frames), expected)


def test_other_links_to_weights_are_refused_before_they_are_read(copied, tmp_path, monkeypatch):
    weights = copied.with_name("e.onnx.data")
    blobs, elsewhere = tmp_path / "blobs", tmp_path / "elsewhere"
    for folder in (blobs, elsewhere):
        folder.mkdir()
    shutil.copy(copied, blobs / "1a")
    shutil.copy(weights, blobs / "2b")
    shutil.copy(weights, elsewhere)
    monkeypatch.setattr(tacref_export.weights, "_digest", None)
    for path, target in (
        (linked(tmp_path / "a", {"e.onnx": blobs / "1a", "e.onnx.data": blobs / "2b"}), "2b"),
        (
            linked(tmp_path / "b", {"e.onnx": copied, "e.onnx.data": elsewhere / weights.name}),
            "elsewhere/e.onnx.data",
        ),
    ):
        said = refused(path)
        assert f"{path}: its weights in e.onnx.data are a symbolic link to {tmp_path}" in said
        assert f"{target}; the two files belong in one folder, under their own names" in said
        assert "\n" not in said
    weights.rename(copied.with_name("other"))
    weights.symlink_to("other")
    assert "are a symbolic link to" in refused(copied)
    weights.unlink()
    weights.symlink_to(elsewhere / weights.name)
    assert "are a symbolic link to" in refused(copied)


def seal(path, change):
    model = onnx.load(path, load_external_data=False)
    change(model)
    for entry in model.metadata_props:
        if entry.key == PREFIX + HASH:
            entry.value = content_hash(model.SerializeToString())
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("location", "stated"),
    [
        *((location, True) for location in ("../e.onnx.data", "/e.onnx.data", "../out/other", "")),
        *((location, False) for location in ("../e.onnx.data", "/e.onnx.data", "other", "")),
    ],
)
def test_forged_locations_are_refused(copied, location, stated):
    shutil.copy(copied.with_name("e.onnx.data"), copied.parent.parent)
    shutil.copy(copied.with_name("e.onnx.data"), copied.with_name("other"))

    def change(model):
        tensors = [tensor for tensor in model.graph.initializer if tensor.external_data]
        for tensor in tensors if stated else tensors[:1]:
            for entry in tensor.external_data:
                entry.value = location if entry.key == "location" else entry.value
        for entry in model.metadata_props:
            if stated and entry.key == PREFIX + "weights":
                entry.value = json.dumps(json.loads(entry.value) | {"file": location})

    seal(copied, change)
    assert "damaged metadata (weights: its tensors are in other files)" in refused(copied)


@pytest.mark.parametrize("value", ["", "[]", "{}", '{"file": 1, "bytes": 2, "sha256": 3}'])
def test_damaged_metadata(copied, value):
    def change(model):
        for entry in model.metadata_props:
            if entry.key == PREFIX + "weights":
                entry.value = value

    seal(copied, change)
    assert "damaged metadata (weights: " in refused(copied)


def test_weights_that_are_not_stated_are_not_read(copied, monkeypatch):
    def change(model):
        kept = [entry for entry in model.metadata_props if entry.key != PREFIX + "weights"]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)

    seal(copied, change)
    monkeypatch.chdir(copied.parent)
    assert "onnxruntime cannot run it" in refused(copied)


def test_no_file_if_it_differs_or_is_interrupted(tmp_path, monkeypatch, capsys):
    large_run(tmp_path)
    out = tmp_path / "out"
    command = ["export", str(tmp_path / "run"), "-o", str(out / "e.onnx")]
    real = convert._move_weights

    def wrong(graph, encoder, weights):
        moved = real(graph, encoder, weights)
        weights.write_bytes(draw(0, weights.stat().st_size // 4).tobytes())
        return moved

    with monkeypatch.context() as patch:
        patch.setattr(convert, "_move_weights", wrong)
        assert main(command) == 1
    assert "not written" in capsys.readouterr().err
    assert list(out.iterdir()) == []

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_describe", interrupted)
        assert main(command) == 130
    assert list(out.iterdir()) == []
    with monkeypatch.context() as patch:
        patch.setattr(EncoderSession, "embed", lambda self, frames: np.zeros((len(frames), 128)))
        with pytest.raises(ParityError, match="read back, it computes something else"):
            export_encoder(tmp_path / "run", out / "e.onnx")
    assert list(out.iterdir()) == []


def test_another_process_that_is_faster(tmp_path, monkeypatch):
    large_run(tmp_path)
    out = tmp_path / "out"
    real = writing._describe

    def faster(*arguments):
        real(*arguments)
        (out / "e.onnx").write_bytes(b"theirs")

    monkeypatch.setattr(writing, "_describe", faster)
    with pytest.raises(ValueError, match=r"e\.onnx: exists already; name another or remove it"):
        export_encoder(tmp_path / "run", out / "e.onnx")
    assert [path.name for path in out.iterdir()] == ["e.onnx"]
    assert (out / "e.onnx").read_bytes() == b"theirs"
