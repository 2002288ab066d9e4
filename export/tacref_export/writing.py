"""Writing the ONNX file with its metadata, completely or not at all."""

import base64
import dataclasses
import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tacref.files import new_file, replacing
from tacref.runtime import onnxruntime

if TYPE_CHECKING:
    import onnx

    from tacref.encoder.config import EncoderConfig
    from tacref.encoder.encoder import Encoder
    from tacref_export.graph import Graph
    from tacref_export.int8 import TauLoss
    from tacref_export.proof import Parity, Video

Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Export:
    """An exported file and its measurements.

    Parameters
    ----------
    path : Path
        Path of the file.
    precision : {"float32", "float16", "int8"}
        Precision of its layers.
    parity : tuple of Parity
        Difference from torch on each video.
    tau : TauLoss, optional
        Loss in Kendall's tau, for int8.
    weights : Path, optional
        Path of the file with its weights, if one file cannot hold them.
    """

    path: Path
    precision: Precision
    parity: "tuple[Parity, ...]"
    tau: "TauLoss | None" = None
    weights: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "file": str(self.path),
            **({"weights": str(self.weights)} if self.weights else {}),
            "bytes": sum(path.stat().st_size for path in (self.path, self.weights) if path),
            "precision": self.precision,
            "parity": [dataclasses.asdict(each) for each in self.parity],
            **({"tau": dataclasses.asdict(self.tau)} if self.tau else {}),
        }


def write(
    graph: "Graph",
    encoder: "Encoder",
    run: Path,
    export: Export,
    video: "Video",
    *,
    force: bool,
) -> None:
    """Write the file with its metadata, and check it by opening it as a user would.

    With weights in a file of their own, it is written next to them, to be moved together.

    Raises
    ------
    ParityError
        If what was written computes something else.
    ValueError
        If, without `force`, the file exists; another process may have made it in the meantime.
    """
    from tacref_export.metadata import HASH, content_hash
    from tacref_export.proof import ParityError
    from tacref_export.session import EncoderSession

    _describe(graph, encoder.config, run, export)
    _annotate(graph.model, HASH, "")
    graph.model.metadata_props[-1].value = content_hash(graph.model.SerializeToString())
    with ExitStack() as stack:
        if graph.folder is not None:
            temporary = graph.folder / export.path.name
        else:
            temporary = stack.enter_context((replacing if force else new_file)(export.path))
        temporary.write_bytes(graph.model.SerializeToString())
        with EncoderSession(temporary) as session:
            rows = session.embed(video.frames)
        expected = encoder.embed(video.frames)
        if not np.abs(rows - expected).max() <= max(each.max_abs for each in export.parity) + 1e-6:
            raise ParityError(f"{export.path}: not written; read back, it computes something else")


def _describe(graph: "Graph", config: "EncoderConfig", run: Path, export: Export) -> None:
    import torch

    import tacref
    from tacref.encoder.storage import WEIGHTS
    from tacref_export.metadata import FORMAT
    from tacref_export.weights import stated_weights

    model = graph.model
    model.producer_name, model.producer_version = "tacref", tacref.__version__
    for part in (*model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]  # the exporter writes local source paths into them
    if config.backbone is not None:
        preprocessing = (
            f"uint8 RGB; {config.backbone.preprocessing}; antialiased linear interpolation "
            "(triangle filter in integers, rows first)"
        )
    elif config.takes_pictures:
        preprocessing = (
            f"uint8 RGB; resized to {config.size}x{config.size} bytes by antialiased linear "
            "interpolation (triangle filter in integers, rows first), aspect ratio not kept; /255; "
            "ImageNet mean and deviation"
        )
    else:
        preprocessing = "float32 features; mean and deviation of the training set"
    for key, value in {
        "format": FORMAT,
        "version": tacref.__version__,
        "encoder": json.dumps(config.to_json()),
        "precision": export.precision,
        "preprocessing": preprocessing + " (all inside the graph)",
        "parity": json.dumps([dataclasses.asdict(each) for each in export.parity]),
        **({"tau": json.dumps(dataclasses.asdict(export.tau))} if export.tau else {}),
        "weights_sha256": hashlib.sha256((run / WEIGHTS).read_bytes()).hexdigest(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime().__version__,
        "streaming": base64.b64encode(graph.streaming).decode(),
        **stated_weights(graph.folder, export.weights),
    }.items():
        _annotate(model, key, value)


def _annotate(model: "onnx.ModelProto", key: str, value: str) -> None:
    from tacref_export.metadata import PREFIX

    entry = model.metadata_props.add()
    entry.key, entry.value = PREFIX + key, value
