"""`tacref export inspect FILE.onnx`: describe a file, and where each part of it would run."""

from collections import Counter
from pathlib import Path
from typing import Any

from tacref_export.exported import ExportedFile, read_exported
from tacref_export.metadata import NEXT_CONTEXT
from tacref_export.providers import PROVIDERS, missing_parts, placement


def inspect(path: str | Path) -> dict[str, Any]:
    """Describe an exported file without running it.

    Parameters
    ----------
    path : str or Path
        A file written by `export_encoder`.

    Returns
    -------
    dict
        Plain JSON values: `file`, `bytes`, `encoder`, `precision`, `preprocessing`, `inputs`,
        `outputs`, `parity`, `tau` (for int8), `made_with`, `weights_sha256`, `content_sha256` and
        `providers`: for each, the number of nodes of each operator that run on each provider after
        optimization, or what is missing here.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an encoder exported by tacref, or was changed since it was written.
    """
    exported = read_exported(path)
    metadata = exported.metadata
    session = _open(exported, "cpu")
    placements: dict[str, Any] = {"cpu": _node_counts(session)}
    for name in PROVIDERS:
        if name not in placements:
            missing = missing_parts(name)
            placements[name] = (
                {"missing": missing} if missing else _node_counts(_open(exported, name))
            )
    return {
        "file": str(path),
        "bytes": exported.size,
        "encoder": exported.config.to_json(),
        "precision": metadata["precision"],
        "preprocessing": metadata["preprocessing"],
        "inputs": [_tensor(each) for each in session.get_inputs()],
        "outputs": [_tensor(each) for each in session.get_outputs() if each.name != NEXT_CONTEXT],
        **exported.measurements,
        "made_with": {name: metadata[name] for name in ("version", "torch", "onnxruntime")},
        "weights_sha256": metadata["weights_sha256"],
        "content_sha256": metadata["content_sha256"],
        "providers": placements,
    }


def _open(exported: ExportedFile, provider: str) -> Any:
    return exported.open((provider,), allow_cpu=True, tf32=True)


def _node_counts(session: Any) -> dict[str, dict[str, int]]:
    return {
        provider: dict(Counter(operators).most_common())
        for provider, operators in placement(session).items()
    }


def _tensor(value: Any) -> str:
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    return f"{value.name}: {kind} ({', '.join(map(str, value.shape))})"
