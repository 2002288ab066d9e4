"""A saved encoder: damage is noticed, and no configuration makes it larger than its weights."""

import hashlib
import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tacref import files
from tacref.encoder import EncoderConfig, build_encoder, load_encoder, save_encoder, storage

CONFIG = EncoderConfig.default("features", channels=6, dim=8, offsets=(-1, 0))


@pytest.fixture
def run(tmp_path):
    save_encoder(build_encoder(CONFIG, seed=1), tmp_path / "run", note="kept")
    return tmp_path / "run"


def edit(run, **changes):
    path = run / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_any_bit_that_changed_is_noticed(run):
    path = run / "encoder.safetensors"
    whole, chance = path.read_bytes(), random.Random(0)
    for at in (*range(0, 900, 15), *(chance.randrange(len(whole)) for _ in range(40))):
        changed = bytearray(whole)
        changed[at] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"encoder\.safetensors: damaged"):
            load_encoder(run)
    path.write_bytes(whole)
    load_encoder(run)


def test_the_hash_is_of_the_file(run):
    config = json.loads((run / "config.json").read_text())
    data = (run / "encoder.safetensors").read_bytes()
    assert config["weights_sha256"] == [hashlib.sha256(data).hexdigest()]
    assert config["note"] == "kept"


def test_a_run_from_before_there_was_a_hash_loads(run):
    expected = load_encoder(run).embed(np.ones((3, 6)))
    path = run / "config.json"
    config = json.loads(path.read_text())
    del config["weights_sha256"]
    path.write_text(json.dumps(config))
    np.testing.assert_array_equal(load_encoder(run).embed(np.ones((3, 6))), expected)
    save_encoder(build_encoder(CONFIG, seed=2), run)
    assert len(json.loads(path.read_text())["weights_sha256"]) == 1


@pytest.mark.parametrize("hashes", ["0" * 64, [], [1], {}])
def test_hashes_that_are_none(run, hashes):
    edit(run, weights_sha256=hashes)
    with pytest.raises(ValueError, match=r"config\.json: weights_sha256 must be a list of hashes"):
        load_encoder(run)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("writes", range(4))
def test_a_run_loads_whenever_its_writer_is_killed(run, monkeypatch, writes):
    """Of three files that are renamed, some are: the encoder is the old or the new one."""
    frames = np.random.default_rng(0).normal(size=(4, 6))
    old, new = load_encoder(run), build_encoder(CONFIG, seed=2)
    done = []

    def replace(source, target):
        if len(done) == writes:
            raise KilledError
        done.append(target.name)
        rename(source, target)

    rename = files.os.replace
    monkeypatch.setattr(files.os, "replace", replace)
    if writes < 3:
        with pytest.raises(KilledError):
            save_encoder(new, run)
    else:
        save_encoder(new, run)
    monkeypatch.undo()
    assert done == ["config.json", "encoder.safetensors", "config.json"][:writes]
    expected = new if writes >= 2 else old
    np.testing.assert_array_equal(load_encoder(run).embed(frames), expected.embed(frames))
    save_encoder(new, run)  # as on --resume
    assert len(json.loads((run / "config.json").read_text())["weights_sha256"]) == 1
    load_encoder(run)


def test_weights_replaced_while_they_are_read(run, monkeypatch):
    """The configuration was read, then both files were replaced."""
    stated = storage.read_config(run)
    new = build_encoder(CONFIG, seed=2)
    save_encoder(new, run)
    answers = iter([stated])
    read = storage.read_config
    monkeypatch.setattr(storage, "read_config", lambda folder: next(answers, None) or read(folder))
    np.testing.assert_array_equal(
        load_encoder(run).embed(np.ones((3, 6))), new.embed(np.ones((3, 6)))
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(run, value):
    encoder = build_encoder(CONFIG)
    encoder.head.layers[3].weight.data[7, 9] = value
    save_encoder(encoder, run)
    with pytest.raises(
        ValueError, match=rf"encoder\.safetensors: head\.layers\.3\.weight holds {value}"
    ):
        load_encoder(run)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(torch.int64, "I64"), (torch.bool, "BOOL"), (torch.float16, "F16"), (torch.float64, "F64")],
)
def test_weights_of_another_type(run, dtype, name):
    path = run / "encoder.safetensors"
    weights = load_file(path)
    save_file(weights | {"head.layers.0.bias": weights["head.layers.0.bias"].to(dtype)}, path)
    with pytest.raises(ValueError, match=rf"head\.layers\.0\.bias is {name}, expected F32"):
        load_encoder(run)


def test_weights_that_are_not_of_the_encoder(run):
    path = run / "encoder.safetensors"
    weights = load_file(path)
    save_file(weights | {"more": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"encoder in config\.json: more is not of it"):
        load_encoder(run)
    del weights["preprocess.std"]
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"encoder in config.json: preprocess\.std is missing"):
        load_encoder(run)


def test_a_configuration_larger_than_its_weights_takes_no_memory(run, monkeypatch):
    edit(run, encoder=CONFIG.to_json() | {"channels": 1_000_000, "offsets": list(range(7))})
    built = []

    class Watched(storage.Encoder):
        def __init__(self, config):
            super().__init__(config)
            built.append({value.device.type for value in self.parameters()})

    monkeypatch.setattr(storage, "Encoder", Watched)
    with pytest.raises(ValueError, match=r"head.layers.0.weight has shape \(256, 12\), expected "):
        load_encoder(run)
    assert built == [{"meta"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offsets": "123"}, "offsets must be a list, got '123'"),
        ({"offsets": [0.5]}, "each of offsets must be a whole number, got 0.5"),
        ({"offsets": [True]}, "each of offsets must be a whole number, got True"),
        ({"dim": "8"}, "dim must be a whole number, got '8'"),
        ({"dim": 8.0}, "dim must be a whole number, got 8.0"),
        ({"channels": None}, "channels must be a whole number, got None"),
        ({"size": float("nan")}, "size must be a whole number, got nan"),
        ({"name": []}, r"encoder must be one of .* got \[\]"),
    ],
)
def test_fields_of_another_type(run, changes, message):
    edit(run, encoder=CONFIG.to_json() | changes)
    with pytest.raises(ValueError, match=rf"config\.json: encoder configuration: {message}"):
        load_encoder(run)


def test_deep_json(run):
    (run / "config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"config\.json: nested too deeply"):
        load_encoder(run)


@pytest.mark.parametrize("name", ["encoder.safetensors", "config.json"])
def test_a_file_of_a_run_is_no_run(run, name):
    with pytest.raises(ValueError, match=rf"{name}: a file; name the folder of the run, .*run"):
        load_encoder(run / name)


def test_weight_files_of_other_types(tmp_path):
    from tacref.encoder.backbones import ResNet50Backbone

    config = EncoderConfig.default("resnet50", size=32, dim=8)
    weights, path = ResNet50Backbone().state_dict(), tmp_path / "weights.pth"
    for value, message in (
        (weights["bn1.weight"].long(), r"bn1\.weight is torch\.int64, expected torch\.float32"),
        (weights["bn1.weight"].bool(), r"bn1\.weight is torch\.bool, expected torch\.float32"),
        (weights["bn1.weight"] * torch.nan, r"weights\.pth: bn1\.weight holds nan"),
    ):
        torch.save(weights | {"bn1.weight": value}, path)
        with pytest.raises(ValueError, match=message):
            build_encoder(config, weights=str(path))
