"""Files that are damaged, changed, forged or foreign: refused by a session and by inspect."""

import json
import random

import numpy as np
import onnx
import pytest

from tacref.commands import main
from tacref_export import EncoderSession
from tacref_export.inspection import inspect
from tacref_export.metadata import HASH, PREFIX, content_hash
from tests.export.exported_encoders import CONFIGS


def rewrite(source, target, change, *, seal=False, load=True):
    model = onnx.load(source, load_external_data=load)
    change(model)
    if seal:
        for entry in model.metadata_props:
            if entry.key == PREFIX + HASH:
                entry.value = content_hash(model.SerializeToString())
    target.write_bytes(model.SerializeToString())


def set_entry(key, value):
    def change(model):
        for entry in model.metadata_props:
            if entry.key == PREFIX + key:
                entry.value = value

    return change


def drop_entry(key):
    def change(model):
        kept = [entry for entry in model.metadata_props if entry.key != PREFIX + key]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)

    return change


def touch_weight(model):
    for tensor in model.graph.initializer:
        if tensor.name.endswith("layers.0.weight"):
            tensor.raw_data = tensor.raw_data[:-1] + bytes([tensor.raw_data[-1] ^ 1])


def touch_node(model):
    model.graph.node[-1].op_type = "Mul"


@pytest.mark.parametrize(
    "change",
    [touch_weight, touch_node, set_entry("parity", "[]"), set_entry("content_sha256", "0" * 64)],
    ids=["weight", "node", "parity", "hash"],
)
def test_a_changed_file_is_refused(exported, tmp_path, change):
    rewrite(exported["features"].path, tmp_path / "e.onnx", change)
    with pytest.raises(ValueError, match=r"e\.onnx: damaged or changed since it was proven"):
        EncoderSession(tmp_path / "e.onnx")


def test_writing_a_file_again_is_no_change(exported, tmp_path):
    rewrite(exported["features"].path, tmp_path / "e.onnx", lambda model: None)
    EncoderSession(tmp_path / "e.onnx")


def test_foreign_and_damaged_files_are_refused(exported, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such ONNX file"):
        EncoderSession(tmp_path / "none.onnx")
    path, whole = tmp_path / "e.onnx", exported["features"].path.read_bytes()
    for broken in (b"not a model", whole[: len(whole) // 2], whole[:-3]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"e\.onnx: damaged, or not an ONNX file"):
            EncoderSession(path)
    path.write_bytes(whole + b"\x9a\x06\x03abc")
    with pytest.raises(ValueError, match="damaged or changed"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, lambda model: model.ClearField("metadata_props"))
    for foreign in (path.read_bytes(), b""):
        path.write_bytes(foreign)
        with pytest.raises(ValueError, match="not an encoder exported by tacref"):
            EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("format", "2"), seal=True)
    with pytest.raises(ValueError, match="its format is 2, this version of tacref reads 3"):
        EncoderSession(path)


def test_metadata_that_does_not_fit_the_graph(exported, tmp_path):
    path = tmp_path / "e.onnx"
    other = json.dumps(CONFIGS["small"].to_json())
    rewrite(exported["features"].path, path, set_entry("encoder", other), seal=True)
    with pytest.raises(ValueError, match="are not those of its metadata"):
        EncoderSession(path)
    wide = json.dumps({**CONFIGS["features"].to_json(), "dim": 9})
    rewrite(exported["features"].path, path, set_entry("encoder", wide), seal=True)
    with pytest.raises(ValueError, match="are not those of its metadata"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("streaming", ""), seal=True)
    with pytest.raises(ValueError, match="are not those of its metadata"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("streaming", "AAA"), seal=True)
    with pytest.raises(ValueError, match=r"damaged metadata \(streaming: "):
        EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("encoder", "[" * 100_000), seal=True)
    with pytest.raises(ValueError, match="damaged metadata"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, drop_entry("parity"), seal=True)
    with pytest.raises(ValueError, match=r"damaged metadata \(no parity\)"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("encoder", "{}"), seal=True)
    with pytest.raises(ValueError, match="damaged metadata"):
        EncoderSession(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("parity", "[]"),
        ("parity", "{}"),
        ("parity", "7"),
        ("parity", "[7]"),
        ("parity", '[{"max_abs": 0, "min_cosine": "<b>", "streaming": 0}]'),
        ("parity", "[" * 100_000),
    ],
)
def test_forged_measurements_are_refused(exported, tmp_path, key, value):
    path = tmp_path / "e.onnx"
    rewrite(exported["features"].path, path, set_entry(key, value), seal=True)
    with pytest.raises(ValueError, match=rf"e\.onnx: damaged metadata \({key}: "):
        inspect(path)


def refused(path):
    """Return what a session says, once inspect says the same."""
    said = []
    for use in (EncoderSession, inspect):
        with pytest.raises(ValueError, match=path.name) as caught:
            use(path)
        said.append(str(caught.value))
    assert said[0] == said[1]
    return said[0]


@pytest.mark.parametrize("name", ["features", "small"])
def test_any_byte_that_changed(exported, tmp_path, name):
    path, whole = tmp_path / "e.onnx", exported[name].path.read_bytes()
    chance = random.Random(0)
    weights = [chance.randrange(len(whole)) for _ in range(25)]
    for at in (*weights, *range(0, 400, 7), *range(len(whole) - 2400, len(whole), 37)):
        changed = bytearray(whole)
        changed[at] ^= chance.randrange(1, 256)
        path.write_bytes(changed)
        assert "damaged" in refused(path) or "not an encoder exported" in refused(path)


def test_a_byte_that_changed_under_a_new_hash(exported, tmp_path, capfd):
    """The hash is no signature: what passes it runs as what it is, or is refused."""
    path, whole = tmp_path / "e.onnx", exported["features"].path.read_bytes()
    old = EncoderSession(exported["features"].path).metadata[HASH].encode()
    chance, frames = random.Random(0), np.ones((3, 6), np.float32)
    counts = {"refused": 0, "ran": 0}
    for at in range(0, 4000, 40):
        changed = bytearray(whole)
        changed[at] ^= chance.randrange(1, 256)
        try:
            new = content_hash(bytes(changed)).encode()
        except (ValueError, IndexError, UnicodeDecodeError):
            continue
        path.write_bytes(changed.replace(old, new))
        try:
            rows = EncoderSession(path, threads=1).embed(frames)
        except ValueError:
            counts["refused"] += 1
        else:
            counts["ran"] += 1
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
    assert min(counts.values()) >= 10
    assert capfd.readouterr() == ("", "")  # onnxruntime prints before it tries another provider


def test_weights_in_another_file(exported, tmp_path, monkeypatch):
    model = onnx.load(exported["features"].path)
    onnx.save_model(model, tmp_path / "e.onnx", save_as_external_data=True, location="weights")
    rewrite(tmp_path / "e.onnx", tmp_path / "e.onnx", lambda model: None, seal=True, load=False)
    monkeypatch.chdir(tmp_path)  # where onnxruntime would find them
    assert "onnxruntime cannot run it" in refused(tmp_path / "e.onnx")


@pytest.mark.parametrize(
    ("key", "value"), [("streaming", ""), ("encoder", "[" * 100_000), ("parity", "7")]
)
def test_a_session_and_inspect_agree(exported, tmp_path, key, value):
    path = tmp_path / "e.onnx"
    rewrite(exported["features"].path, path, set_entry(key, value), seal=True)
    assert "metadata" in refused(path)


def test_weights_of_a_run_for_a_file(exported, tmp_path, capsys):
    weights = exported["features"].run / "encoder.safetensors"
    assert main(["embed", str(weights), str(weights), "-o", str(tmp_path / "out")]) == 2
    assert f"is a file of a run; name the run's folder, {weights.parent}" in capsys.readouterr().err
    with pytest.raises(ValueError, match="weights, not an ONNX file; name the run's folder"):
        EncoderSession(weights)
    assert main(["export", str(weights), "-o", str(tmp_path / "e.onnx")]) == 2
    assert f"a file; name the folder of the run, {weights.parent}" in capsys.readouterr().err
