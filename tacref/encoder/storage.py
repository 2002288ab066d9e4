"""Saving and loading an encoder: `encoder.safetensors` and `config.json` in a run's folder.

The file of a frozen backbone is there, too, as `backbone.onnx`; beyond 2 GiB, its weights are in
`backbone.onnx.data`.
"""

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
from tacref.text_files import read_json

FORMAT = 1
WEIGHTS, CONFIG, BACKBONE = "encoder.safetensors", "config.json", "backbone.onnx"
# Hashes in config.json, one of which is that of the weights: there are two while weights are being
# replaced, so that a run can be loaded even if the process is killed in between.
HASHES = "weights_sha256"


def save_encoder(encoder: Encoder, folder: str | Path, **settings: Any) -> None:
    """Write an encoder into a folder, each file completely or not at all.

    Parameters
    ----------
    encoder : Encoder
        The encoder to save.
    folder : str or Path
        The run's folder, made if necessary.
    **settings
        Further JSON values for config.json, such as the training options.
    """
    from safetensors.torch import save

    folder = Path(folder)
    state = {name: value.contiguous().cpu() for name, value in encoder.state_dict().items()}
    weights = save(state)  # save_file would leave a temporary file if it were killed
    config = {
        "format": FORMAT,
        "tacref": tacref.__version__,
        "encoder": encoder.config.to_json(),
        HASHES: [hashlib.sha256(weights).hexdigest()],
        **settings,
    }
    if encoder.config.backbone is not None:
        _save_backbone(encoder, folder / BACKBONE)
    if earlier := _earlier_hashes(folder):
        _write_config(folder, config | {HASHES: [*config[HASHES], *earlier]})
    with replacing(folder / WEIGHTS) as path:
        path.write_bytes(weights)
    _write_config(folder, config)


def load_encoder(folder: str | Path, *, device: str = "cpu") -> Encoder:
    """Read an encoder from a run's folder.

    Parameters
    ----------
    folder : str or Path
        A folder with `config.json` and `encoder.safetensors`, and `backbone.onnx` where the
        encoder has a frozen backbone.
    device : str
        Torch device of the result.

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
        If there is not enough memory.
    """
    from safetensors.torch import load

    torch_device = check_device(device)
    run_config = read_config(folder)
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {folder} is not a run of tacref")
    config = _encoder_config(folder, run_config)
    with memory_errors(f"the encoder in {folder}"):
        _check_header(path, config)
        weights = path.read_bytes()
        known = run_config.get(HASHES)  # older runs have none
        if known is not None:
            digest = hashlib.sha256(weights).hexdigest()
            # The weights may have been replaced since the configuration was read.
            if digest not in known and digest not in read_config(folder).get(HASHES, []):
                raise ValueError(
                    f"{path}: damaged or changed (its SHA-256 is not the one in {CONFIG})"
                )
        state = load(weights)
        check_finite(state, str(path))
        encoder = Encoder(config)
        encoder.load_state_dict(state)
        if config.backbone is not None:
            _load_backbone(encoder, Path(folder) / BACKBONE)
        return encoder.to(torch_device).eval()


def _save_backbone(encoder: Encoder, path: Path) -> None:
    """Write the file of a frozen backbone, if it is not there: it does not change."""
    from tacref.encoder.frozen.modules import FrozenBackbone

    assert isinstance(encoder.backbone, FrozenBackbone)
    if encoder.backbone.file is not None and not path.exists():
        encoder.backbone.file.save(path)


def _load_backbone(encoder: Encoder, path: Path) -> None:
    from tacref.encoder.frozen.model import BackboneFile
    from tacref.encoder.frozen.modules import FrozenBackbone

    assert isinstance(encoder.backbone, FrozenBackbone)
    encoder.backbone.attach(BackboneFile(path))


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
    config = read_json(path)
    if not isinstance(config, dict) or config.get("format") != FORMAT or "encoder" not in config:
        raise ValueError(f"{path}: not a run's configuration of format {FORMAT}")
    hashes = config.get(HASHES)
    if hashes is not None and not (
        isinstance(hashes, list) and hashes and all(isinstance(each, str) for each in hashes)
    ):
        raise ValueError(f"{path}: {HASHES} must be a list of hashes, got {hashes!r}")
    return config


def read_encoder_config(folder: str | Path) -> EncoderConfig:
    """Read the configuration of a run's encoder.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_config`; or if the encoder's configuration is not valid.
    """
    return _encoder_config(folder, read_config(folder))


def _encoder_config(folder: str | Path, run_config: dict[str, Any]) -> EncoderConfig:
    try:
        return EncoderConfig.from_json(run_config["encoder"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{Path(folder) / CONFIG}: encoder configuration: {error}") from None


def _check_header(path: Path, config: EncoderConfig) -> None:
    """Compare names, shapes and types before memory is allocated as the configuration states."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            stored = {}
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                tensor = file.get_slice(name)
                stored[name] = (tensor.get_dtype(), tuple(tensor.get_shape()))
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged, or not a safetensors file ({error})") from None
    with torch.device("meta"):  # takes no memory
        expected = Encoder(config).state_dict()
    for name in sorted(expected.keys() | stored.keys()):
        if name not in stored or name not in expected:
            wrong = f"{name} is {'missing' if name in expected else 'not of it'}"
        elif stored[name][1] != expected[name].shape:
            wrong = f"{name} has shape {stored[name][1]}, expected {tuple(expected[name].shape)}"
        elif stored[name][0] != _TYPES[expected[name].dtype]:
            wrong = f"{name} is {stored[name][0]}, expected {_TYPES[expected[name].dtype]}"
        else:
            continue
        raise ValueError(f"{path}: damaged, or not of the encoder in {CONFIG}: {wrong}")


_TYPES = {torch.float32: "F32", torch.int64: "I64"}  # in the header of safetensors


def _earlier_hashes(folder: Path) -> list[str]:
    """Return the hashes in the configuration that is about to be replaced, if any."""
    try:
        return read_config(folder).get(HASHES) or []
    except (FileNotFoundError, ValueError):
        return []


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    with replacing(folder / CONFIG) as path:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
