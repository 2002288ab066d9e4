"""Equal encoders are traced once: of most exports, tracing takes nearly all the time."""

import hashlib
from contextlib import contextmanager
from dataclasses import replace

import onnx
import pytest

import tacref_export.graph
from tests.workers import made_once, shared_folder


@contextmanager
def traced_once(tmp_path_factory):
    """Let equal encoders that are exported in this block, by any worker, have one trace."""
    trace = tacref_export.graph._trace
    folder = shared_folder(tmp_path_factory) / "traces"
    folder.mkdir(exist_ok=True)

    def once(encoder, *how):
        def parts():
            model, layers = trace(encoder, *how)
            return model.SerializeToString(), layers

        model, layers = made_once(folder / _digest(encoder, how), parts)
        return onnx.ModelProto.FromString(model), layers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tacref_export.graph, "_trace", once)
        yield


def _digest(encoder, how):
    """Hash all that a trace depends on: of a frozen backbone, neither its weights nor its names."""
    config = encoder.config
    if config.backbone is not None:
        any_file = replace(config.backbone, sha256="0" * 64, input="x", output="y")
        config = replace(config, backbone=any_file)
    state = hashlib.sha256(repr((config, how)).encode())
    for name, value in encoder.state_dict().items():
        state.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        state.update(value.numpy().tobytes())
    return state.hexdigest()
