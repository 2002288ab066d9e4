"""The encoder: unit rows, context with its edge rule, seeds, saving, torchvision weights."""

import json

import numpy as np
import pytest
import torch

from tacref.encoder import EncoderConfig, build_encoder, load_encoder, save_encoder
from tacref.encoder.backbones import ResNet50Backbone


def small_config(**changes):
    return EncoderConfig.default("small", size=32, dim=8, **changes)


def features_config(**changes):
    return EncoderConfig.default("features", channels=6, dim=8, **changes)


def video(length, height=40, width=24, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (length, height, width, 3), dtype=np.uint8)


def rows(length, seed=0):
    return np.random.default_rng(seed).normal(size=(length, 6)).astype(np.float32)


@pytest.mark.parametrize("length", [1, 2, 40])
def test_embeddings_are_unit_rows(length):
    for config, frames in ((small_config(), video(length)), (features_config(), rows(length))):
        embeddings = build_encoder(config).embed(frames)
        assert embeddings.shape == (length, 8)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_context_is_gathered_by_offset_and_clamped_at_the_ends():
    encoder = build_encoder(features_config(offsets=(-2, 0, 3))).eval()
    frames = torch.from_numpy(rows(6))
    windows = torch.tensor([[0, 0, 3], [0, 1, 4], [0, 2, 5], [1, 3, 5], [2, 4, 5], [3, 5, 5]])
    with torch.no_grad():
        torch.testing.assert_close(encoder(frames), encoder(frames, windows))
        shifted = encoder(frames, windows.roll(1, 0))
    assert not torch.allclose(shifted, encoder(frames))


def test_windows_of_any_leading_shape():
    encoder = build_encoder(features_config(offsets=(0,))).eval()
    frames = torch.from_numpy(rows(6))
    windows = torch.tensor([[[[0], [5]]], [[[2], [3]]]])  # (2, 1, 2, K=1)
    with torch.no_grad():
        embeddings = encoder(frames, windows)
        assert embeddings.shape == (2, 1, 2, 8)
        torch.testing.assert_close(embeddings[1, 0, 0], encoder(frames)[2])


def test_same_seed_same_weights_and_global_state_untouched():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two = build_encoder(small_config(), seed=3), build_encoder(small_config(), seed=3)
    assert torch.equal(torch.rand(1), expected)
    other = build_encoder(small_config(), seed=4)
    np.testing.assert_array_equal(one.embed(video(3)), two.embed(video(3)))
    assert not np.allclose(one.embed(video(3)), other.embed(video(3)))


def test_embed_leaves_the_mode_as_it_was():
    encoder = build_encoder(features_config()).train()
    np.testing.assert_array_equal(encoder.embed(rows(9)), encoder.embed(rows(9)))
    assert encoder.training


def test_any_memory_layout():
    encoder, frames = build_encoder(features_config()), rows(9)
    expected = encoder.embed(frames)
    frozen = frames.copy()
    frozen.flags.writeable = False
    for same in (
        frozen,
        np.asfortranarray(frames),
        np.repeat(frames, 2, 0)[::2],
        frames.astype(float),
    ):
        np.testing.assert_array_equal(encoder.embed(same), expected)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
)
def test_memory_that_runs_out(monkeypatch, error):
    def fail(*_):
        raise error

    encoder = build_encoder(features_config()).train()
    monkeypatch.setattr(encoder, "forward", fail)
    with pytest.raises(MemoryError, match=r"not enough memory for frames of shape \(9, 6\)"):
        encoder.embed(rows(9))
    assert encoder.training


@pytest.mark.parametrize(
    ("config", "frames", "message"),
    [
        (
            small_config(),
            np.zeros((4, 32, 32, 3)),
            r"uint8 .*got float64 of shape \(4, 32, 32, 3\)",
        ),
        (small_config(), np.zeros((4, 32, 32, 4), np.uint8), r"\(4, 32, 32, 4\)"),
        (small_config(), np.zeros((0, 32, 32, 3), np.uint8), r"\(0, 32, 32, 3\)"),
        (features_config(), np.zeros((4, 7)), r"shape \(T, 6\), got float64 of shape \(4, 7\)"),
        (features_config(), np.zeros((4, 6), np.int64), "got int64"),
        (features_config(), np.zeros((0, 6)), "must not be empty"),
    ],
)
def test_wrong_frames(config, frames, message):
    with pytest.raises(ValueError, match=message):
        build_encoder(config).embed(frames)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "large", "offsets": (0,)}, "encoder must be one of .* got 'large'"),
        ({"name": "features", "offsets": ()}, "offsets must be"),
        ({"name": "features", "offsets": (3, 0)}, r"rising, got \(3, 0\)"),
        ({"name": "features", "offsets": (0, 0)}, "distinct"),
        ({"name": "features", "offsets": (0,), "dim": 0}, "dim must be from 1 to 65536, got 0"),
        ({"name": "features", "offsets": (0,), "channels": 0}, "channels must be from 1 to"),
        (
            {"name": "small", "offsets": (0,), "size": 8},
            "from 32 to 4096 pixels, got 8",
        ),
    ],
)
def test_wrong_configuration(fields, message):
    with pytest.raises(ValueError, match=message):
        EncoderConfig(**fields)


def test_saved_and_loaded(tmp_path):
    encoder = build_encoder(features_config(offsets=(-1, 0)))
    encoder.preprocess.fit([rows(50)])
    save_encoder(encoder, tmp_path / "run", note="kept")
    loaded = load_encoder(tmp_path / "run")
    assert loaded.config == encoder.config
    assert not loaded.training
    np.testing.assert_array_equal(loaded.embed(rows(9)), encoder.embed(rows(9)))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["note"] == "kept"
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.json",
        "encoder.safetensors",
    }


def test_damaged_runs_are_named(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(FileNotFoundError, match="no such run folder"):
        load_encoder(run)
    save_encoder(build_encoder(features_config()), run)
    weights, config = run / "encoder.safetensors", run / "config.json"
    good = config.read_text()
    for text, message in (
        ("{", "not JSON"),
        ("[]", "not a run's configuration"),
        (good.replace("-40", "-1e400"), r"config\.json: .* must be a whole number, got -inf"),
        (good.replace("-40", "-9000000000000000000"), "offsets must be within 100000 frames"),
        (good.replace('"dim": 8', '"dim": 1e300'), "dim must be a whole number, got 1e[+]300"),
        (good.replace('"features"', '"magic"'), "got 'magic'"),
        (good.replace('"dim": 8', '"dim": 9'), "damaged, or not of the encoder in config.json"),
        (good.replace('"dim"', '"width"'), "must have the keys"),
    ):
        config.write_text(text)
        with pytest.raises(ValueError, match=message):
            load_encoder(run)
    config.write_text(good)
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"encoder\.safetensors: damaged"):
        load_encoder(run)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"encoder\.safetensors: no such file"):
        load_encoder(run)


def torchvision_weights():
    """Parameters as torchvision's resnet50 has them: ours and what lies beyond conv4."""
    state = ResNet50Backbone().state_dict()
    return state | {"layer4.0.conv1.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}


@pytest.fixture(scope="module")
def resnet_config():
    return EncoderConfig.default("resnet50", size=32, dim=8)


def test_torchvision_names():
    names = set(ResNet50Backbone().state_dict())
    # A sample of the names in torchvision's resnet50 state dict.
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.bias",
        "layer2.3.conv2.weight",
        "layer3.5.bn3.num_batches_tracked",
    } <= names
    # conv1, bn1 (5 entries each), 13 blocks of three of both, three shortcuts of one of both.
    assert len(names) == 6 * (1 + 13 * 3 + 3)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_torchvision_weights_load(tmp_path, resnet_config, suffix):
    from safetensors.torch import save_file

    path = tmp_path / f"resnet50{suffix}"
    weights = torchvision_weights()
    save_file(weights, path) if suffix == ".safetensors" else torch.save(weights, path)
    encoder = build_encoder(resnet_config, seed=1, weights=str(path))
    assert torch.equal(encoder.backbone.conv1.weight, weights["conv1.weight"])
    assert torch.equal(encoder.backbone.layer3[5].conv3.weight, weights["layer3.5.conv3.weight"])


def test_weights_that_do_not_fit(tmp_path, resnet_config):
    path = tmp_path / "weights.pth"

    def refused(weights, message, config=resnet_config):
        torch.save(weights, path)
        with pytest.raises(ValueError, match=message):
            build_encoder(config, weights=str(path))

    weights = torchvision_weights()
    refused({k: v for k, v in weights.items() if k != "bn1.weight"}, "1 parameters missing .*bn1")
    refused(weights | {"extra.weight": torch.zeros(1)}, r"1 unknown \['extra.weight'\]")
    refused(weights | {"conv1.weight": torch.zeros(2)}, r"conv1.weight has shape \(2,\)")
    refused([1, 2], "not a dictionary of tensors")
    refused(weights, "weights are for the resnet50 encoder", config=small_config())
    path.write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"weights\.pth: not a weight file"):
        build_encoder(resnet_config, weights=str(path))
    with pytest.raises(FileNotFoundError, match="no such weight file"):
        build_encoder(resnet_config, weights=str(tmp_path / "none.pth"))


def test_weight_file_is_never_unpickled(tmp_path, resnet_config):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="not a weight file"):
        build_encoder(resnet_config, weights=str(tmp_path / "evil.pth"))
    assert not (tmp_path / "pwned").exists()


def test_resnet50_is_the_papers(resnet_config):
    encoder = build_encoder(EncoderConfig.default("resnet50"))
    assert encoder.config.offsets == (-15, 0)
    assert encoder.config.dim == 128
    with torch.no_grad():
        assert encoder.backbone(torch.zeros(1, 3, 224, 224)).shape == (1, 1024, 14, 14)
    embeddings = build_encoder(resnet_config).embed(video(3))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
