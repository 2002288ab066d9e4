"""Open an encoder, whether it is a run (torch) or an ONNX file (onnxruntime)."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tacref.encoder.embedding import Embedder


def open_encoder(path: str | Path, *, device: str = "cpu") -> "Embedder":
    """Open a run's folder (torch) or an `.onnx` file (onnxruntime alone).

    Parameters
    ----------
    path : str or Path
        A run's folder or an ONNX file.
    device : str
        A torch device for a run; "cpu", "cuda" or "tensorrt" for an ONNX file.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is damaged or not an encoder of this project.
    """
    path = Path(path)
    if path.is_dir():
        from tacref.encoder.storage import load_encoder

        return load_encoder(path, device=device)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such run folder or ONNX file")
    if path.suffix != ".onnx" and (path.parent / "config.json").is_file():
        raise ValueError(f"{path}: is a file of a run; name the run's folder, {path.parent}")
    from tacref_export.providers import PROVIDERS, missing_parts
    from tacref_export.session import EncoderSession

    if device not in PROVIDERS:
        raise ValueError(f"device must be {', '.join(PROVIDERS)} for an ONNX file, got {device!r}")
    if device != "cpu" and (missing := missing_parts(device)):
        raise ValueError(
            f"device {device!r}: is not available here: {missing}; --device cpu runs on the CPU"
        )
    return EncoderSession(path, providers=(device,))
