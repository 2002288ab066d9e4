"""Run an exported encoder with numpy and onnxruntime alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tacref.encoder.config import EncoderConfig

PREFIX = "tacref."
FORMAT = "1"
INPUT, OUTPUT = "frames", "embeddings"
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class EncoderSession:
    """An exported encoder, ready to embed videos.

    Parameters
    ----------
    path : str or Path
        A file that `export_encoder` wrote.
    providers : sequence of {"cpu", "cuda"}
        Where to run, in order of preference. The first one is verified: where onnxruntime does
        not give it, that is an error and never a silent change to the CPU.
    threads : int
        CPU threads; 0 lets onnxruntime choose.

    Attributes
    ----------
    config : EncoderConfig
        The encoder's architecture, as read from the file.
    metadata : dict of str to str
        All that the file says about itself, without the prefix `tacref.`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an encoder of this project, or a provider is unknown or not to be had.
    """

    def __init__(
        self, path: str | Path, *, providers: Sequence[str] = ("cpu",), threads: int = 0
    ) -> None:
        import onnxruntime as ort

        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such ONNX file")
        providers = (providers,) if isinstance(providers, str) else tuple(providers)
        for provider in providers:
            if provider not in _PROVIDERS:
                raise ValueError(f"providers must be of {', '.join(_PROVIDERS)}, got {provider!r}")
        wanted = [_PROVIDERS[provider] for provider in providers]
        missing = [name for name in wanted[:1] if name not in ort.get_available_providers()]
        if not wanted or missing:
            raise ValueError(
                f"providers: this onnxruntime has no {missing or 'provider for an empty list'}; "
                f"it has {ort.get_available_providers()}"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what goes wrong is raised below
        try:
            self._session = ort.InferenceSession(str(path), options, providers=wanted)
        except Exception as error:  # onnxruntime's kinds of error share no public base
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{path}: onnxruntime cannot read it ({reason})") from None
        if self._session.get_providers()[0] != wanted[0]:
            raise ValueError(
                f"providers: asked for {wanted[0]}, but the session got "
                f"{self._session.get_providers()}; its driver or libraries may be missing"
            )
        self.metadata = {
            key.removeprefix(PREFIX): value
            for key, value in self._session.get_modelmeta().custom_metadata_map.items()
            if key.startswith(PREFIX)
        }
        if self.metadata.get("format") != FORMAT or "encoder" not in self.metadata:
            raise ValueError(f"{path}: not an encoder exported by tacref (format {FORMAT})")
        try:
            self.config = EncoderConfig.from_json(json.loads(self.metadata["encoder"]))
        except ValueError as error:
            raise ValueError(f"{path}: damaged metadata ({error})") from None
        inputs = [(each.name, each.type, len(each.shape)) for each in self._session.get_inputs()]
        pictures = self.config.takes_pictures
        if inputs != [(INPUT, "tensor(uint8)", 4) if pictures else (INPUT, "tensor(float)", 2)]:
            raise ValueError(f"{path}: its input {inputs} is not what its metadata says")

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """Embed one video.

        Parameters
        ----------
        frames : ndarray, shape (T, H, W, 3) of uint8 or (T, F) of float32
            One whole video: RGB as decoded, of any size, or feature rows.

        Returns
        -------
        ndarray of float32, shape (T, d)
            One vector of unit length a frame.

        Raises
        ------
        ValueError
            If `frames` is not what the encoder takes.
        """
        (embeddings,) = self._session.run([OUTPUT], {INPUT: self.config.as_frames(frames)})
        return np.asarray(embeddings)
