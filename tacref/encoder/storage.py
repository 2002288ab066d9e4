"""A saved encoder: `encoder.safetensors` and `config.json` in a run's folder."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

import tacref
from tacref.encoder.config import EncoderConfig
from tacref.encoder.device import check_device
from tacref.encoder.encoder import Encoder
from tacref.encoder.weights import check_finite
from tacref.files import replacing
from tacref.memory import memory_errors

FORMAT = 1
WEIGHTS, CONFIG = "encoder.safetensors", "config.json"
# Hashes in config.json, of which the weights have one: two while weights are being replaced, so
# that a process that is killed in between leaves a run that loads.
HASHES = "weights_sha256"


def save_encoder(encoder: Encoder, folder: str | Path, **settings: Any) -> None:
    """Write an encoder into a folder, each file whole or not at all.

    Parameters
    ----------
    encoder : Encoder
        What to save.
    folder : str or Path
        The run's folder, made if need be.
    **settings
        Further JSON values to keep in config.json, such as the training options.
    """
    from safetensors.torch import save

    folder = Path(folder)
    state = {name: value.contiguous().cpu() for name, value in encoder.state_dict().items()}
    weights = save(state)  # save_file would leave a file of its own if it were killed
    config = {
        "format": FORMAT,
        "tacref": tacref.__version__,
        "encoder": encoder.config.to_json(),
        HASHES: [hashlib.sha256(weights).hexdigest()],
        **settings,
    }
    if before := _hashes_before(folder):
        _write_config(folder, config | {HASHES: [*config[HASHES], *before]})
    with replacing(folder / WEIGHTS) as path:
        path.write_bytes(weights)
    _write_config(folder, config)


def load_encoder(folder: str | Path, *, device: str = "cpu") -> Encoder:
    """Read an encoder from a run's folder.

    Parameters
    ----------
    folder : str or Path
        A folder with `config.json` and `encoder.safetensors`.
    device : str
        A torch device.

    Returns
    -------
    Encoder
        In evaluation mode, on `device`.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the two files is missing.
    ValueError
        If a file is damaged or does not fit the other, or torch cannot compute on `device`.
    MemoryError
        If there is not enough for it.
    """
    from safetensors.torch import load

    place = check_device(device)
    stated = read_config(folder)
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {folder} is not a run of tacref")
    try:
        config = EncoderConfig.from_json(stated["encoder"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{Path(folder) / CONFIG}: encoder configuration: {error}") from None
    with memory_errors(f"the encoder in {folder}"):
        _check_header(path, config)
        weights = path.read_bytes()
        known = stated.get(HASHES)  # runs from before there was one load without
        if known is not None:
            digest = hashlib.sha256(weights).hexdigest()
            # They may have been replaced since the first look.
            if digest not in known and digest not in read_config(folder).get(HASHES, []):
                raise ValueError(
                    f"{path}: damaged or changed (its SHA-256 is not the one in {CONFIG})"
                )
        state = load(weights)
        check_finite(state, str(path))
        encoder = Encoder(config)
        encoder.load_state_dict(state)
        return encoder.to(place).eval()


def read_config(folder: str | Path) -> dict[str, Any]:
    """Read and check a run's config.json.

    Raises
    ------
    FileNotFoundError
        If the folder or the file is missing.
    ValueError
        If it is not a configuration that this version reads.
    """
    folder = Path(folder)
    if not folder.is_dir():
        if folder.is_file():
            raise ValueError(f"{folder}: a file; name the folder of the run, {folder.parent}")
        raise FileNotFoundError(f"{folder}: no such run folder")
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {folder} is not a run of tacref")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no text, no JSON, too many digits, too deep
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT or "encoder" not in config:
        raise ValueError(f"{path}: not a run's configuration of format {FORMAT}")
    hashes = config.get(HASHES)
    if hashes is not None and not (
        isinstance(hashes, list) and hashes and all(isinstance(each, str) for each in hashes)
    ):
        raise ValueError(f"{path}: {HASHES} must be a list of hashes, got {hashes!r}")
    return config


def _check_header(path: Path, config: EncoderConfig) -> None:
    """Compare names, shapes and types, before anything is as large as the configuration says."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            stored = {}
            for name in file.keys():  # noqa: SIM118 (it is no mapping)
                tensor = file.get_slice(name)
                stored[name] = (tensor.get_dtype(), tuple(tensor.get_shape()))
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged, or not a safetensors file ({error})") from None
    with torch.device("meta"):  # takes no memory
        wanted = Encoder(config).state_dict()
    for name in sorted(wanted.keys() | stored.keys()):
        if name not in stored or name not in wanted:
            wrong = f"{name} is {'missing' if name in wanted else 'not of it'}"
        elif stored[name][1] != wanted[name].shape:
            wrong = f"{name} has shape {stored[name][1]}, expected {tuple(wanted[name].shape)}"
        elif stored[name][0] != _TYPES[wanted[name].dtype]:
            wrong = f"{name} is {stored[name][0]}, expected {_TYPES[wanted[name].dtype]}"
        else:
            continue
        raise ValueError(f"{path}: damaged, or not of the encoder in {CONFIG}: {wrong}")


_TYPES = {torch.float32: "F32", torch.int64: "I64"}  # in safetensors' header


def _hashes_before(folder: Path) -> list[str]:
    """Return what the configuration that is about to be replaced states, if it states any."""
    try:
        return read_config(folder).get(HASHES) or []
    except (FileNotFoundError, ValueError):
        return []


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    with replacing(folder / CONFIG) as path:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
