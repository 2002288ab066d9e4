"""`tacref export inspect FILE.onnx`: what a file is, and where each part of it would run."""

from collections import Counter
from pathlib import Path
from typing import Any

from tacref_export.exported import ExportedFile, read_exported
from tacref_export.metadata import NEXT_CONTEXT
from tacref_export.providers import PROVIDERS, missing_parts, placement


def inspect(path: str | Path) -> dict[str, Any]:
    """Say all that can be said of an exported file without running it.

    Parameters
    ----------
    path : str or Path
        A file that `export_encoder` wrote.

    Returns
    -------
    dict
        Plain JSON values: `file`, `bytes`, `encoder`, `precision`, `preprocessing`, `inputs`,
        `outputs`, `parity`, `tau` (of int8), `made_with`, `weights_sha256`, `content_sha256` and
        `providers`: for each, how many nodes of which operator run where after optimization, or
        what is missing here.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an encoder of this project, or was changed since it was written.
    """
    exported = read_exported(path)
    metadata = exported.metadata
    session = _open(exported, "cpu")
    places: dict[str, Any] = {"cpu": _placed(session)}
    for name in PROVIDERS:
        if name not in places:
            missing = missing_parts(name)
            places[name] = {"missing": missing} if missing else _placed(_open(exported, name))
    return {
        "file": str(path),
        "bytes": exported.size,
        "encoder": exported.config.to_json(),
        "precision": metadata["precision"],
        "preprocessing": metadata["preprocessing"],
        "inputs": [_tensor(each) for each in session.get_inputs()],
        "outputs": [_tensor(each) for each in session.get_outputs() if each.name != NEXT_CONTEXT],
        **exported.measured,
        "made_with": {name: metadata[name] for name in ("version", "torch", "onnxruntime")},
        "weights_sha256": metadata["weights_sha256"],
        "content_sha256": metadata["content_sha256"],
        "providers": places,
    }


def _open(exported: ExportedFile, provider: str) -> Any:
    return exported.open((provider,), allow_cpu=True, tf32=True)


def _placed(session: Any) -> dict[str, dict[str, int]]:
    return {
        place: dict(Counter(operators).most_common())
        for place, operators in placement(session).items()
    }


def _tensor(value: Any) -> str:
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    return f"{value.name}: {kind} ({', '.join(map(str, value.shape))})"
