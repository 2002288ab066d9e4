"""`tacref export inspect FILE.onnx`: what a file is, and where each part of it would run."""

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


@command("export inspect")
def main(argv: Sequence[str] | None = None) -> int:
    """Print what a file is."""
    parser = Parser(
        prog="tacref export inspect",
        description="Say what an exported file is, and where each part of it would run.",
    )
    parser.add_argument("file", metavar="FILE.onnx", help="a file that tacref export wrote")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    found = inspect(options.file)
    if options.json:
        print(json.dumps(found))
        return 0
    encoder, made = found["encoder"], found["made_with"]
    worst = max(found["parity"], key=lambda each: each["max_abs"])
    cosine = min(each["min_cosine"] for each in found["parity"])
    lines = {
        "file": f"{found['file']}, {found['bytes'] / 1e6:.1f} MB, unchanged since it was proven",
        "encoder": f"{encoder['name']}, {found['precision']}, {encoder['dim']} dimensions, "
        f"context frames {', '.join(map(str, encoder['offsets']))}",
        "input": "; ".join(found["inputs"]),
        "output": "; ".join(found["outputs"]),
        "preprocessing": found["preprocessing"],
        "parity": f"at most {worst['max_abs']:.1e} from torch on {len(found['parity'])} videos, "
        f"smallest cosine {cosine:.6f}",
        **({"tau": f"loss {found['tau']['float32'] - found['tau']['int8']:+.4f} as int8 on "
                   f"{found['tau']['clips']} clips"} if "tau" in found else {}),
        "made with": ", ".join(f"{name} {version}" for name, version in made.items()),
        "weights": f"SHA-256 {found['weights_sha256']}",
    }  # fmt: skip
    for provider, places in found["providers"].items():
        if "missing" in places:
            lines[provider] = f"not available here: {places['missing']}"
            continue
        parts = [
            f"{sum(operators.values())} nodes on {place} ("
            + ", ".join(f"{count} {operator}" for operator, count in operators.items())
            + ")"
            for place, operators in places.items()
        ]
        lines[provider] = "; ".join(parts)
    width = max(map(len, lines))
    print("\n".join(f"{name:<{width}}  {text}" for name, text in lines.items()))
    return 0
