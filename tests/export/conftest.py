"""Exported encoders, each traced and proven once."""

from typing import NamedTuple

import pytest
import torch

from tacref.encoder import build_encoder, save_encoder
from tacref_export import export_encoder
from tests.export.exported_encoders import CONFIGS, clip


class Exported(NamedTuple):
    run: str
    path: str
    made: object


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A run and its ONNX file for each encoder, with statistics that are not the initial ones."""
    made = {}
    for name, config in CONFIGS.items():
        run = tmp_path_factory.mktemp(name)
        encoder = build_encoder(config, seed=1)
        if name == "features":
            encoder.preprocess.fit([3 * clip(config, 50) + 1])
        with torch.no_grad():  # a pass in training mode moves the batch statistics
            encoder.train()(torch.from_numpy(clip(config, 30)))
        save_encoder(encoder, run)
        path = run / "encoder.onnx"
        made[name] = Exported(run, path, export_encoder(run, path))
    return made
