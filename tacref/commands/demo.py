"""`tacref demo`: the whole road on the built-in activity, command by command."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from tacref.commands import align, evaluate, export, train
from tacref.commands.guard import command
from tacref.commands.options import Parser, positive_int
from tacref.files import check_new_folder
from tacref.text_files import read_metrics

# Enough for this activity: see docs/benchmarks.md.
TRAINING_STEPS = 150
_COMMANDS = {
    "train": train.main,
    "evaluate": evaluate.main,
    "export": export.main,
    "align": align.main,
}


@command("demo")
def main(argv: Sequence[str] | None = None) -> int:
    """Train, evaluate, export and align; print a table of what came out."""
    parser = Parser(
        prog="tacref demo",
        description="Train on the built-in activity, evaluate, export to ONNX, align two clips.",
    )
    parser.add_argument(
        "--out", default="demo", metavar="DIR", help="write into this new folder (default: demo)"
    )
    parser.add_argument(
        "--steps",
        type=positive_int,
        default=TRAINING_STEPS,
        help=f"train for this many steps (default: {TRAINING_STEPS})",
    )
    options = parser.parse_args(argv)

    out = check_new_folder(options.out)
    run, model, alignment = out / "run", out / "encoder.onnx", out / "alignment"
    data = run / "data"
    labels = ["--phases", str(data / "val" / "phases.csv")]
    first, second = (str(data / "val" / f"clip_{number:03d}.mp4") for number in (0, 1))
    for name, arguments in (
        ("train", ["--out", str(run), "--steps", str(options.steps)]),
        ("evaluate", [str(run), "--data", str(data)]),
        ("export", [str(run), "-o", str(model)]),
        ("evaluate", [str(model), "--data", str(data), "--no-baselines"]),
        ("align", [first, second, "--encoder", str(model), *labels, "-o", str(alignment)]),
    ):
        print(f"\n$ {shlex.join(('tacref', name, *arguments))}", flush=True)
        status = _COMMANDS[name](arguments)
        if status:
            return status
    print(f"\n{_table(run, model, alignment)}")
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
