"""Reading and opening exported files, for a session and for `inspect`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tacref.encoder.config import EncoderConfig
from tacref.memory import memory_errors
from tacref_export.metadata import (
    INPUT,
    NEXT_CONTEXT,
    OUTPUT,
    read_config,
    read_measurements,
    read_metadata,
    streaming_form,
)
from tacref_export.providers import open_session
from tacref_export.weights import checked_weights


@dataclass(frozen=True)
class ExportedFile:
    """A file written by `export_encoder` and unchanged since.

    Parameters
    ----------
    path : Path
        Path of the file.
    model : bytes
        Streaming form of the model.
    size : int
        Size in bytes of the file, and of the one with its weights if there is one.
    weights : Path or None
        The file with its weights, if they are not in the model.
    metadata : dict of str to str
        Metadata, keys without the prefix `tacref.`.
    config : EncoderConfig
        Architecture of the encoder.
    measurements : dict
        `parity` and, for int8, `tau`.
    """

    path: Path
    model: bytes
    size: int
    weights: Path | None
    metadata: dict[str, str]
    config: EncoderConfig
    measurements: dict[str, Any]

    def open(
        self,
        providers: Sequence[str],
        *,
        allow_cpu: bool = False,
        tf32: bool = False,
        cuda_graph: bool = False,
        threads: int = 0,
    ) -> Any:
        """Open the file as `open_session` does.

        Returns
        -------
        onnxruntime.InferenceSession
            A session of the streaming form, with the inputs and outputs that the metadata states.

        Raises
        ------
        ValueError
            If inputs or outputs are others, or the file cannot run as requested.
        MemoryError
            If there is not enough memory.
        """
        session = open_session(
            self.path,
            self.model,
            providers,
            weights_folder=None if self.weights is None else self.weights.parent,
            allow_cpu=allow_cpu,
            tf32=tf32,
            cuda_graph=cuda_graph,
            threads=threads,
        )
        if self.config.takes_pictures:
            frames = (INPUT, "tensor(uint8)", ["T", "H", "W", 3])
        else:
            frames = (INPUT, "tensor(float)", ["T", self.config.channels])
        stated = [frames, (OUTPUT, "tensor(float)", ["T", self.config.dim])]
        inputs, outputs = session.get_inputs(), session.get_outputs()
        actual = [(each.name, each.type, each.shape) for each in (*inputs, *outputs)]
        names = [name for name, *_ in actual]
        if actual[:2] != stated or names != [INPUT, OUTPUT, NEXT_CONTEXT]:
            raise ValueError(
                f"{self.path}: its inputs and outputs, {actual}, are not those of its metadata"
            )
        return session


def read_exported(path: str | Path) -> ExportedFile:
    """Read a file and check everything that can be checked before it is opened.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or the one with its weights is missing.
    ValueError
        If it is not an encoder exported by tacref, or it or its weights were changed since.
    MemoryError
        If there is not enough memory.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such ONNX file")
    if path.suffix == ".safetensors":
        raise ValueError(f"{path}: weights, not an ONNX file; name the run's folder, {path.parent}")
    with memory_errors(f"{path}, of {path.stat().st_size} bytes"):
        model = path.read_bytes()
        metadata = read_metadata(path, model)
        weights = checked_weights(path, model, metadata)
        return ExportedFile(
            path,
            streaming_form(path, model, metadata),
            len(model) + (0 if weights is None else weights.stat().st_size),
            weights,
            metadata,
            read_config(path, metadata),
            read_measurements(path, metadata),
        )
