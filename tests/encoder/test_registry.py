"""An encoder is one entry: built, saved, loaded, trained and exported without another line."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tacref.commands import main
from tacref.encoder import ENCODERS, EncoderConfig, build_encoder, load_encoder, save_encoder
from tacref.encoder.preprocess import Standardize
from tacref.encoder.registry import EncoderKind, Parts, default_encoder
from tacref_export import EncoderSession


class Mean(nn.Module):
    """The mean over the context, through one layer."""

    def __init__(self, width, dim):
        super().__init__()
        self.layer = nn.Linear(width, dim)

    def forward(self, features, windows, whole_video):
        return self.layer(features[windows].mean(1))


def build(shape):
    backbone = nn.Linear(shape.channels, 5)
    return Parts(Standardize(shape.channels), backbone, Mean(5, shape.dim))


def load(backbone, weights, source):
    backbone.load_state_dict(weights)


@pytest.fixture
def mean(monkeypatch):
    kind = EncoderKind(
        build=build, offsets=(-1, 0, 1), size=0, recipe="features", load_weights=load
    )
    monkeypatch.setitem(ENCODERS, "mean", kind)


def test_built_saved_loaded(mean, tmp_path):
    config = EncoderConfig.default("mean", channels=3, dim=4)
    assert config.offsets == (-1, 0, 1)
    assert not config.takes_pictures
    encoder = build_encoder(config, seed=1)
    save_encoder(encoder, tmp_path / "run")
    loaded = load_encoder(tmp_path / "run")
    assert loaded.config == config
    rows = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded.embed(rows), encoder.embed(rows))


def test_weights_of_its_own(mean, tmp_path):
    weights = {"weight": torch.ones(5, 3), "bias": torch.zeros(5)}
    torch.save(weights, tmp_path / "weights.pt")
    config = EncoderConfig.default("mean", channels=3)
    encoder = build_encoder(config, weights=str(tmp_path / "weights.pt"))
    assert torch.equal(encoder.backbone.weight, weights["weight"])
    with pytest.raises(
        ValueError, match="weights are for the resnet50 or mean encoder, not for 'small'"
    ):
        build_encoder(EncoderConfig.default("small"), weights="w.pt")


def test_trained_and_exported(mean, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "data" / "train").mkdir(parents=True)
    for name in "ab":
        np.save(tmp_path / "data" / "train" / f"{name}.npy", rng.normal(size=(30, 3)))
    run, model = tmp_path / "run", tmp_path / "encoder.onnx"
    options = ["--encoder", "mean", "--dim", "4", "--steps", "2", "--pairs", "1"]
    assert main(["train", "--data", str(tmp_path / "data"), "--out", str(run), *options]) == 0
    assert json.loads((run / "config.json").read_text())["encoder"]["name"] == "mean"
    assert main(["export", str(run), "-o", str(model)]) == 0
    rows = rng.normal(size=(9, 3)).astype(np.float32)
    np.testing.assert_allclose(
        EncoderSession(model).embed(rows), load_encoder(run).embed(rows), atol=1e-5
    )


def test_the_first_entry_is_the_default(mean):
    assert default_encoder(takes_pictures=True) == "small"
    assert default_encoder(takes_pictures=False) == "features"
