"""Exported encoders, each traced and proven once, by whichever worker comes first."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tacref.encoder import build_encoder, save_encoder
from tacref_export import export_encoder
from tests.export.exported_encoders import CONFIGS, clip
from tests.traces import traced_once
from tests.workers import made_once, shared_folder


class Exported(NamedTuple):
    run: Path
    path: Path
    made: object


def _export(name, run):
    config = CONFIGS[name]
    encoder = build_encoder(config, seed=1)
    if name == "features":
        encoder.preprocess.fit([3 * clip(config, 50) + 1])
    with torch.no_grad():  # a pass in training mode moves the batch statistics
        encoder.train()(torch.from_numpy(clip(config, 30)))
    save_encoder(encoder, run)
    path = run / "encoder.onnx"
    return Exported(run, path, export_encoder(run, path))


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A run and its ONNX file for each encoder, with statistics that are not the initial ones."""
    folder = shared_folder(tmp_path_factory) / "exported"
    folder.mkdir(exist_ok=True)
    # All of them at once, for a test may put a fault into the exporter before it asks for one.
    return {
        name: made_once(folder / f"{name}.pickle", partial(_export, name, folder / name))
        for name in CONFIGS
    }


@pytest.fixture(scope="package", autouse=True)
def one_trace(tmp_path_factory):
    """Trace equal encoders once; a fault that a test plants comes on top."""
    with traced_once(tmp_path_factory):
        yield
