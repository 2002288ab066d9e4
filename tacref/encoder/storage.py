"""A saved encoder: `encoder.safetensors` and `config.json` in a run's folder."""

import json
from pathlib import Path
from typing import Any

import tacref
from tacref.encoder.config import EncoderConfig
from tacref.encoder.device import check_device
from tacref.encoder.encoder import Encoder
from tacref.files import replacing

FORMAT = 1
WEIGHTS, CONFIG = "encoder.safetensors", "config.json"


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
    with replacing(folder / WEIGHTS) as path:
        path.write_bytes(save(state))  # save_file would leave a file of its own if it were killed
    config = {
        "format": FORMAT,
        "tacref": tacref.__version__,
        "encoder": encoder.config.to_json(),
        **settings,
    }
    with replacing(folder / CONFIG) as path:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


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
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    place = check_device(device)
    config = read_config(folder)
    try:
        encoder = Encoder(EncoderConfig.from_json(config["encoder"]))
    except ValueError as error:
        raise ValueError(f"{Path(folder) / CONFIG}: {error}") from None
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {folder} is not a run of tacref")
    try:
        encoder.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError):
        raise ValueError(f"{path}: damaged, or not of the encoder in {CONFIG}") from None
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
    return config
