"""`tacref export inspect FILE.onnx`: describe a file, and where each part of it would run."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tacref.commands import Parser, command
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


@command("export inspect")
def main(argv: Sequence[str] | None = None) -> int:
    """Print the description of a file."""
    parser = Parser(
        prog="tacref export inspect",
        description="Describe an exported file, and where each part of it would run.",
    )
    parser.add_argument("file", metavar="FILE.onnx", help="a file written by tacref export")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    info = inspect(options.file)
    if options.json:
        print(json.dumps(info))
        return 0
    encoder, versions = info["encoder"], info["made_with"]
    worst = max(info["parity"], key=lambda each: each["max_abs"])
    cosine = min(each["min_cosine"] for each in info["parity"])
    lines = {
        "file": f"{info['file']}, {info['bytes'] / 1e6:.1f} MB, unchanged since it was proven",
        "encoder": f"{encoder['name']}, {info['precision']}, {encoder['dim']} dimensions, "
        f"context frames {', '.join(map(str, encoder['offsets']))}",
        "input": "; ".join(info["inputs"]),
        "output": "; ".join(info["outputs"]),
        "preprocessing": info["preprocessing"],
        "parity": f"at most {worst['max_abs']:.1e} from torch on {len(info['parity'])} videos, "
        f"smallest cosine {cosine:.6f}",
        **({"tau": f"loss {info['tau']['float32'] - info['tau']['int8']:+.4f} as int8 on "
                   f"{info['tau']['clips']} clips"} if "tau" in info else {}),
        "made with": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "weights": f"SHA-256 {info['weights_sha256']}",
    }  # fmt: skip
    for provider, counts in info["providers"].items():
        if "missing" in counts:
            lines[provider] = f"not available here: {counts['missing']}"
            continue
        parts = [
            f"{sum(operators.values())} nodes on {runs_on} ("
            + ", ".join(f"{count} {operator}" for operator, count in operators.items())
            + ")"
            for runs_on, operators in counts.items()
        ]
        lines[provider] = "; ".join(parts)
    width = max(map(len, lines))
    print("\n".join(f"{name:<{width}}  {text}" for name, text in lines.items()))
    return 0
