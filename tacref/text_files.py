"""JSON and TOML read from files; errors name the file, and in metrics the line."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_STEP = 10**9


def read_text(path: str | Path) -> str:
    """Read a text file in UTF-8.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not UTF-8; names the file and the first wrong byte.
    """
    return _decode(Path(path).read_bytes(), str(path))


def read_json(path: str | Path) -> Any:
    """Read a file of one JSON value.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not JSON; names the file.
    """
    return _parse(read_text(path), str(path))


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a file of TOML.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not TOML; names the file.
    """
    return _parse(read_text(path), str(path), tomllib.loads, "TOML")


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """Read a run's metrics.jsonl, except a last line that a killed process left unfinished.

    Parameters
    ----------
    path : str or Path
        A file of one JSON object per line, each with a "step".

    Returns
    -------
    list of dict
        One per line.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a line is not a JSON object, its step is not a whole number from 0 to 10**9, or its loss
        or mean_tau is not a number; names file and line.
    """
    *complete, _ = Path(path).read_bytes().split(b"\n")  # the rest follows the last line end
    return [
        _check_metrics(_parse(_decode(line, where), where), where)
        for line, where in ((line, f"{path}: line {n}") for n, line in enumerate(complete, 1))
    ]


def _check_metrics(line: Any, where: str) -> dict[str, Any]:
    if not isinstance(line, dict):
        raise ValueError(f"{where}: not a JSON object")
    step = line.get("step")
    if type(step) is not int or not 0 <= step <= MAX_STEP:
        raise ValueError(f"{where}: step must be a whole number from 0 to {MAX_STEP}, "
                         f"got {_short(step)}")  # fmt: skip
    for name in ("loss", "mean_tau"):
        if type(line.get(name, 0.0)) not in (float, int) or abs(line.get(name, 0)) > 1e300:
            raise ValueError(f"{where}: {name} must be a number, got {_short(line[name])}")
    return line


def _decode(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where}: not text in UTF-8 (byte {error.start} is 0x{data[error.start]:02x})"
        ) from None


def _parse(
    text: str, where: str, parse: Callable[[str], Any] = json.loads, kind: str = "JSON"
) -> Any:
    try:
        return parse(text)
    except RecursionError:
        raise ValueError(f"{where}: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{where}: not {kind} ({error})") from None


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # too deep; more digits than Python prints
        return f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
