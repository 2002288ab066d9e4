"""`tacref inspect-backbone`: what an ONNX model takes and gives, as a backbone for training."""

import json
from collections.abc import Sequence
from typing import Any

from tacref.commands.guard import command
from tacref.commands.options import Parser, add_json
from tacref.encoder.frozen.model import BackboneFile


@command("inspect-backbone")
def main(argv: Sequence[str] | None = None) -> int:
    """Print what a model is; status 1 if it cannot be a backbone as it is."""
    parser = Parser(
        prog="tacref inspect-backbone",
        description="List the inputs and outputs of an ONNX model, and say whether `tacref train "
        "--backbone` can use it and what it would make of its output.",
    )
    parser.add_argument("file", metavar="FILE.onnx", help="an ONNX picture model")
    parser.add_argument(
        "--backbone-output",
        metavar="NAME",
        help="take this output, or any value in the graph (default: the only output)",
    )
    parser.add_argument(
        "--backbone-preprocess",
        metavar="FILE",
        help="read what pictures go through before it from a preprocessor_config.json or TOML "
        "file (default: the model's metadata)",
    )
    parser.add_argument(
        "--backbone-grid",
        type=int,
        default=4,
        metavar="N",
        help="average tokens and maps over at most N x N cells (default: 4)",
    )
    add_json(parser)
    options = parser.parse_args(argv)
    file = BackboneFile(options.file)
    report: dict[str, Any] = {
        "file": options.file,
        "bytes": file.size,
        "sha256": file.sha256,
        "opsets": {each.domain or "ai.onnx": each.version for each in file.model.opset_import},
        "inputs": list(map(str, file.inputs)),
        "outputs": list(map(str, file.outputs)),
    }
    try:
        config, _ = file.configure(
            output=options.backbone_output,
            preprocess=options.backbone_preprocess,
            grid=options.backbone_grid,
        )
    except (ValueError, FileNotFoundError) as error:
        report["problem"] = str(error).removeprefix(f"{file.path}: ")
    else:
        report |= {
            "preprocessing": str(config.preprocessing),
            "output": config.output,
            "form": config.form,
            "shape": list(config.shape),
            "cells": list(config.cells),
            "features": config.width,
        }
    print(json.dumps(report) if options.json else _words(report))
    return 1 if "problem" in report else 0


def _words(report: dict[str, Any]) -> str:
    opsets = ", ".join(f"{domain} {version}" for domain, version in report["opsets"].items())
    lines = {
        "file": f"{report['file']}, {report['bytes'] / 1e6:.1f} MB, opset {opsets}",
        "inputs": "; ".join(report["inputs"]),
        "outputs": "; ".join(report["outputs"]),
    }
    if "problem" in report:
        lines["cannot be used"] = report["problem"]
    else:
        rows, columns = report["cells"]
        kept = f"averaged over {rows}x{columns} cells" if rows * columns > 1 else "one place"
        if report["form"] == "vector":
            kept = "as it is"
        lines["preprocessing"] = report["preprocessing"]
        lines["features"] = (
            f"{report['features']} a frame: {report['form']} {report['output']}, "
            f"{'x'.join(map(str, report['shape']))}, {kept}"
        )
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines.items())
