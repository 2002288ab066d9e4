"""`tacref export`: a run as an ONNX file or a web page; `inspect`: what such a file is."""

import json
import sys
from collections.abc import Sequence

from tacref.commands.guard import command
from tacref.commands.options import Parser, add_json
from tacref.commands.page import add_page, check_page_options, write_page
from tacref_export.convert import export_encoder
from tacref_export.inspection import inspect
from tacref_export.writing import Precision


@command("export")
def main(argv: Sequence[str] | None = None) -> int:
    """Export a run; status 1 if the file would differ from torch."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["inspect"]:
        return _inspect(arguments[1:])
    parser = Parser(
        prog="tacref export",
        description="Write a run's encoder as one ONNX file, once it is proven equal to torch; or "
        "as a web page that follows a performer through a reference.",
        epilog="tacref export inspect FILE.onnx says what such a file is.",
    )
    parser.add_argument(
        "run", help="export the encoder in this run's folder; with --web also of an ONNX file"
    )
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument("-o", "--out", metavar="FILE.onnx", help="write this file")
    output.add_argument(
        "--web", metavar="DIR", help="write a page into this new folder; needs --reference, --ort"
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--fp16", action="store_true", help="compute layers in float16")
    form.add_argument("--int8", action="store_true", help="compute layers in int8; needs --clips")
    parser.add_argument(
        "--clips",
        nargs="+",
        default=[],
        metavar="CLIP",
        help="prove it, and calibrate int8, on these videos (default: the built-in activity)",
    )
    add_page(parser)
    add_json(parser)
    options = parser.parse_args(arguments)
    check_page_options(options)
    precision: Precision = "float16" if options.fp16 else "int8" if options.int8 else "float32"
    if options.int8 and len(options.clips) < 2:
        raise ValueError("--int8 needs --clips with at least two videos of one activity")
    from tacref_export.proof import ParityError

    try:
        if options.web is not None:
            return write_page(options, precision)
        made = export_encoder(
            options.run,
            options.out,
            precision=precision,
            clips=options.clips,
            force=options.force,
            progress=True,
        )
    except ParityError as error:
        print(f"tacref export: {error}", file=sys.stderr)
        return 1
    report = made.to_json()
    if options.json:
        print(json.dumps(report))
        return 0
    files = " and ".join(str(path) for path in (options.out, made.weights) if path)
    print(f"{files}: {precision}, {report['bytes'] / 1e6:.1f} MB; difference from torch")
    print("\n".join(f"  {each}" for each in made.parity))
    cosine = min(each.min_cosine for each in made.parity)
    streaming = max(each.streaming for each in made.parity)
    print(f"  smallest cosine {cosine:.6f}; chunks from the whole {streaming:.1e}")
    if made.tau:
        print(f"  {made.tau}")
    return 0


@command("export inspect")
def _inspect(argv: Sequence[str] | None = None) -> int:
    """Print what a file is."""
    parser = Parser(
        prog="tacref export inspect",
        description="Say what an exported file is, and where each part of it would run.",
    )
    parser.add_argument("file", metavar="FILE.onnx", help="a file that tacref export wrote")
    add_json(parser)
    options = parser.parse_args(argv)
    report = inspect(options.file)
    if options.json:
        print(json.dumps(report))
        return 0
    encoder, made = report["encoder"], report["made_with"]
    worst = max(report["parity"], key=lambda each: each["max_abs"])
    cosine = min(each["min_cosine"] for each in report["parity"])
    lines = {
        "file": f"{report['file']}, {report['bytes'] / 1e6:.1f} MB, unchanged since it was proven",
        "encoder": f"{encoder['name']}, {report['precision']}, {encoder['dim']} dimensions, "
        f"context frames {', '.join(map(str, encoder['offsets']))}",
        "input": "; ".join(report["inputs"]),
        "output": "; ".join(report["outputs"]),
        "preprocessing": report["preprocessing"],
        "parity": f"at most {worst['max_abs']:.1e} from torch on {len(report['parity'])} videos, "
        f"smallest cosine {cosine:.6f}",
        **({"tau": f"loss {report['tau']['float32'] - report['tau']['int8']:+.4f} as int8 on "
                   f"{report['tau']['clips']} clips"} if "tau" in report else {}),
        "made with": ", ".join(f"{name} {version}" for name, version in made.items()),
        "weights": f"SHA-256 {report['weights_sha256']}",
    }  # fmt: skip
    for provider, places in report["providers"].items():
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
