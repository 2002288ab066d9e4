"""`tacref demo`: the whole road on the built-in activity, command by command."""

import json
import shlex
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from tacref.commands import align, evaluate, export, train
from tacref.commands.guard import command
from tacref.commands.options import Parser, positive_int
from tacref.data.phases import PHASES_FILE
from tacref.files import check_new_folder
from tacref.text_files import read_metrics

# Enough for this activity: see docs/benchmarks.md.
TRAINING_STEPS = 150
# Trained on other clips of the activity by benchmarks/quick_encoder.sh.
QUICK_ENCODER = Path(__file__).parent / "quick_encoder.onnx"
_QUICK_SIZE = 256  # pixels
_COMMANDS = {
    "train": train.main,
    "evaluate": evaluate.main,
    "export": export.main,
    "align": align.main,
}


@command("demo")
def main(argv: Sequence[str] | None = None) -> int:
    """Train, evaluate, export and align, or only align; print what came out."""
    parser = Parser(
        prog="tacref demo",
        description="Train on the built-in activity, evaluate, export to ONNX, align two clips.",
    )
    road = parser.add_mutually_exclusive_group()
    road.add_argument(
        "--quick",
        action="store_true",
        help="only align two clips, with a small encoder that comes with tacref: needs no torch",
    )
    parser.add_argument(
        "--open", action="store_true", help="show the report in the browser when it is written"
    )
    parser.add_argument(
        "--out", default="demo", metavar="DIR", help="write into this new folder (default: demo)"
    )
    road.add_argument(
        "--steps",
        type=positive_int,
        default=TRAINING_STEPS,
        help=f"train for this many steps (default: {TRAINING_STEPS})",
    )
    options = parser.parse_args(argv)
    out = check_new_folder(options.out)
    status = _align_only(out) if options.quick else _whole_road(out, options.steps)
    if status == 0 and options.open:
        report = out / "alignment" / "report.html"
        if not webbrowser.open(report.resolve().as_uri()):
            print(f"no browser was found: open {report} in any", file=sys.stderr)
    return status


def _align_only(out: Path) -> int:
    from tacref.data.synthetic import make_dataset

    print(f"rendering four clips of the built-in activity to {out / 'data'}", flush=True)
    data = make_dataset(out / "data", train=2, val=2, size=_QUICK_SIZE, progress=True)
    return _align(data, QUICK_ENCODER, out / "alignment")


def _align(data: Path, model: Path, out: Path) -> int:
    first, second = (str(data / "val" / f"clip_{number:03d}.mp4") for number in (0, 1))
    labels = ["--phases", str(data / "val" / PHASES_FILE)]
    return _run("align", [first, second, "--encoder", str(model), *labels, "-o", str(out)])


def _run(name: str, arguments: list[str]) -> int:
    print(f"\n$ {shlex.join(('tacref', name, *arguments))}", flush=True)
    return _COMMANDS[name](arguments)


def _whole_road(out: Path, steps: int) -> int:
    run, model = out / "run", out / "encoder.onnx"
    data = run / "data"
    for name, arguments in (
        ("train", ["--out", str(run), "--steps", str(steps)]),
        ("evaluate", [str(run), "--data", str(data)]),
        ("export", [str(run), "-o", str(model)]),
        ("evaluate", [str(model), "--data", str(data), "--no-baselines"]),
    ):
        if status := _run(name, arguments):
            return status
    if status := _align(data, model, out / "alignment"):
        return status
    print(f"\n{_table(run, model, out / 'alignment')}")
    return 0


def _table(run: Path, model: Path, alignment: Path) -> str:
    from tacref.training import METRICS
    from tacref_export.session import EncoderSession

    taus = [line["mean_tau"] for line in read_metrics(run / METRICS) if "mean_tau" in line]
    parity = json.loads(EncoderSession(model).metadata["parity"])
    largest = max(each["max_abs"] for each in parity)
    sizes = len({tuple(each["shape"]) for each in parity})
    return "\n".join(
        (
            "Kendall's tau on held-out clips of the built-in activity (stride 1)",
            f"  untrained  {taus[0]:.3f}",
            f"  trained    {taus[-1]:.3f}",
            f"ONNX file    {model}, at most {largest:.1e} from torch at {sizes} sizes",
            f"Report       {alignment / 'report.html'}",
        )
    )
