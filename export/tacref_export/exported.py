"""An exported file, read and opened: a session and `inspect` refuse the same ones."""

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
    read_measured,
    read_metadata,
    streaming_form,
)
from tacref_export.providers import open_session


@dataclass(frozen=True)
class ExportedFile:
    """A file that `export_encoder` wrote, unchanged since.

    Parameters
    ----------
    path : Path
        Where it is.
    model : bytes
        Its streaming form.
    size : int
        Of the file, in bytes.
    metadata : dict of str to str
        What it says about itself, without the prefix `tacref.`.
    config : EncoderConfig
        The encoder's architecture.
    measured : dict
        `parity`, and of int8 `tau`.
    """

    path: Path
    model: bytes
    size: int
    metadata: dict[str, str]
    config: EncoderConfig
    measured: dict[str, Any]

    def open(
        self,
        providers: Sequence[str],
        *,
        allow_cpu: bool = False,
        tf32: bool = False,
        cuda_graph: bool = False,
        threads: int = 0,
    ) -> Any:
        """Open it as `open_session` does.

        Returns
        -------
        onnxruntime.InferenceSession
            Of the streaming form, whose inputs and outputs are those that the metadata says.

        Raises
        ------
        ValueError
            If they are others, or it cannot run as it was asked to.
        MemoryError
            If there is not enough for it.
        """
        session = open_session(
            self.path,
            self.model,
            providers,
            allow_cpu=allow_cpu,
            tf32=tf32,
            cuda_graph=cuda_graph,
            threads=threads,
        )
        if self.config.takes_pictures:
            frames = (INPUT, "tensor(uint8)", ["T", "H", "W", 3])
        else:
            frames = (INPUT, "tensor(float)", ["T", self.config.channels])
        said = [frames, (OUTPUT, "tensor(float)", ["T", self.config.dim])]
        inputs, outputs = session.get_inputs(), session.get_outputs()
        got = [(each.name, each.type, each.shape) for each in (*inputs, *outputs)]
        names = [name for name, *_ in got]
        if got[:2] != said or names != [INPUT, OUTPUT, NEXT_CONTEXT]:
            raise ValueError(
                f"{self.path}: what it takes and gives, {got}, is not what its metadata says"
            )
        return session


def read_exported(path: str | Path) -> ExportedFile:
    """Read a file and check all that can be checked before it is opened.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an encoder of this project, or was changed since it was written.
    MemoryError
        If there is not enough for it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such ONNX file")
    if path.suffix == ".safetensors":
        raise ValueError(f"{path}: weights, not an ONNX file; name the run's folder, {path.parent}")
    with memory_errors(f"{path}, of {path.stat().st_size} bytes"):
        model = path.read_bytes()
        metadata = read_metadata(path, model)
        return ExportedFile(
            path,
            streaming_form(path, model, metadata),
            len(model),
            metadata,
            read_config(path, metadata),
            read_measured(path, metadata),
        )
