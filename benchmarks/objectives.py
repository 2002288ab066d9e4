"""What to train with: each objective on the same data, scored on held-out clips.

`python -m benchmarks.objectives DATA` prints a table as docs/benchmarks.md has them: means over the
activities of DATA, and their least and largest over seeds. Videos are seen in two views, as the
recipe of `small` has it, unless `--train` says otherwise. `--sweep` prints Kendall's tau over a
grid of alpha and sigma for each variant of Contrastive-IDM instead.

DATA is a data set (`DATA/{train,val}/…`), or a folder of them, one an activity.
"""

import argparse
import io
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tacref.commands import evaluate, train
from tacref.variants import VARIANTS

OBJECTIVES: dict[str, tuple[str, list[str]]] = {
    **{f"lav:{variant}": (f'LAV, "{variant}"', ["--variant", variant]) for variant in VARIANTS},
    "divergence": ("soft-DTW divergence", ["--loss", "divergence"]),
    "tcc": ("TCC", ["--loss", "tcc"]),
    "lav+tcc": ("LAV + TCC", ["--loss", "lav+tcc"]),
}
BASELINES = {"untrained": "untrained encoder", "raw": "raw frames"}
METRICS = (
    "kendall_tau", "cycle_error",
    "phase_accuracy@10%", "phase_accuracy@50%", "phase_accuracy@100%", "phase_progression",
    "precision_across@5", "precision_across@10", "precision_across@15",
    "average_precision_across@10", "precision_within@10",
)  # fmt: skip
# Of the sweep, in multiples of each variant's defaults.
ALPHAS, SIGMAS = (0.1, 0.3, 1.0, 3.0, 10.0), (0.33, 0.67, 1.0, 1.5)

Scores = dict[str, float]


@dataclass
class Row:
    """Scores of one objective: for each seed, each metric's values over the activities."""

    title: str
    seeds: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def add(self, seed: int, scores: Scores, seconds: float | None = None) -> None:
        """Add the scores of one activity."""
        for metric, value in scores.items():
            self.seeds.setdefault(seed, {}).setdefault(metric, []).append(value)
        if seconds is not None:
            self.seconds.append(seconds)

    def means(self, metric: str) -> list[float]:
        """Mean over activities, seed by seed."""
        return [
            float(np.mean(scores[metric])) for scores in self.seeds.values() if metric in scores
        ]

    def cell(self, metric: str) -> str:
        """Mean over seeds, and in brackets the least and the largest."""
        means = self.means(metric)
        if not means:
            return ""
        if len(means) == 1:
            return f"{means[0]:.3f}"
        return f"{np.mean(means):.3f} [{min(means):.3f}, {max(means):.3f}]"


def find_data_sets(data: Path) -> list[Path]:
    """Return the data sets: `data`, or those in it."""
    found = [data] if (data / "train").is_dir() else sorted(data.glob("*/"))
    found = [path for path in found if (path / "train").is_dir() and (path / "val").is_dir()]
    if not found:
        raise SystemExit(f"{data}: no train and val in it, nor in its folders")
    return found


def call(main: Callable[[Sequence[str]], int], *arguments: object) -> dict[str, Any]:
    """Call a command's main in this process; return what it prints with --json."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        status = main([*map(str, arguments), "--json"])
    if status:
        print(errors.getvalue(), file=sys.stderr)
        raise SystemExit(f"{main.__module__} {' '.join(map(str, arguments))}: status {status}")
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


def train_and_score(
    data: Path, options: Sequence[object], *, baselines: bool = False
) -> tuple[dict[str, Scores], float]:
    """Train once; return scores by column ("trained", …) and the seconds that training took."""
    with tempfile.TemporaryDirectory() as folder:
        # Without val beside it: training then measures nothing that is measured below.
        alone, run = Path(folder, "data"), Path(folder, "run")
        alone.mkdir()
        (alone / "train").symlink_to((data / "train").resolve())
        trained = call(train.main, "--data", alone, "--out", run, *options)
        columns = [] if baselines else ["--no-baselines"]
        report = call(evaluate.main, run, "--data", data, *columns)
    scores = {
        title: {metric: score["value"] for metric, score in column.items()}
        for title, column in report["metrics"].items()
    }
    return scores, trained["seconds"]


def compare(
    data_sets: Sequence[Path], names: Sequence[str], seeds: Sequence[int], extra: Sequence[str]
) -> list[Row]:
    """Train and score every objective; the first one's runs bring the baselines along."""
    rows = {name: Row(OBJECTIVES[name][0]) for name in names}
    baselines = {name: Row(title) for name, title in BASELINES.items()}
    for name in names:
        for seed in seeds:
            for data in data_sets:
                scores, seconds = train_and_score(
                    data,
                    [*OBJECTIVES[name][1], "--seed", seed, *extra],
                    baselines=name == names[0],
                )
                tell(f"{name}, seed {seed}, {data.name}", scores["trained"], seconds)
                rows[name].add(seed, scores["trained"], seconds)
                for baseline, row in baselines.items():
                    if baseline in scores:
                        row.add(seed, scores[baseline])
    return [*rows.values(), *baselines.values()]


def sweep(
    data_sets: Sequence[Path], variant: str, seeds: Sequence[int], extra: Sequence[str]
) -> dict[tuple[float, float], float]:
    """Kendall's tau, mean over activities and seeds, by alpha and sigma."""
    default, taus = VARIANTS[variant].defaults, {}
    for alpha in [round_to(default.alpha * factor) for factor in ALPHAS]:
        for sigma in sorted({max(1.0, round(default.sigma * factor)) for factor in SIGMAS}):
            found = []
            for seed in seeds:
                for data in data_sets:
                    options = ["--variant", variant, "--alpha", alpha, "--sigma", sigma]
                    scores, seconds = train_and_score(data, [*options, "--seed", seed, *extra])
                    tell(
                        f"{variant}, alpha {alpha:g}, sigma {sigma:g}, {data.name}",
                        scores["trained"],
                        seconds,
                    )
                    found.append(scores["trained"]["kendall_tau"])
            taus[alpha, sigma] = float(np.mean(found))
    return taus


def tell(what: str, scores: Scores, seconds: float) -> None:
    """Say how far it is, on stderr."""
    print(
        f"{time.strftime('%H:%M:%S')} {what}: tau {scores['kendall_tau']:.3f}, {seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )


def print_comparison(rows: Sequence[Row]) -> None:
    """Print the markdown table; metrics that nothing has are left out."""
    metrics = [metric for metric in METRICS if any(row.means(metric) for row in rows)]
    print("| " + " | ".join(["trained with", *metrics, "seconds"]) + " |")
    print("|---|" + "---:|" * (len(metrics) + 1))
    for row in rows:
        seconds = f"{np.mean(row.seconds):.0f}" if row.seconds else ""
        print("| " + " | ".join([row.title, *map(row.cell, metrics), seconds]) + " |")


def print_sweep(variant: str, taus: dict[tuple[float, float], float]) -> None:
    """Print a markdown table, a line an alpha."""
    alphas = list(dict.fromkeys(alpha for alpha, _ in taus))
    sigmas = list(dict.fromkeys(sigma for _, sigma in taus))
    print(f'\n| "{variant}" | ' + " | ".join(f"sigma {sigma:g}" for sigma in sigmas) + " |")
    print("|---|" + "---:|" * len(sigmas))
    for alpha in alphas:
        cells = [f"{taus[alpha, sigma]:.3f}" for sigma in sigmas]
        print("| " + " | ".join([f"alpha {alpha:g}", *cells]) + " |")


def round_to(value: float) -> float:
    """Return a value of two digits."""
    return float(f"{value:.2g}")


def main(argv: Sequence[str] | None = None) -> int:
    """Train, score, print."""
    parser = argparse.ArgumentParser(prog="benchmarks.objectives", description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument(
        "--train",
        type=shlex.split,
        default=[],
        metavar="OPTIONS",
        help="of the trainings, as one word: --train='--steps 100 --view-weight 0'",
    )
    parser.add_argument(
        "--sweep", action="store_true", help="alpha x sigma of the lav:… objectives"
    )
    options = parser.parse_args(argv)
    data_sets = find_data_sets(options.data)
    names = ", ".join(data.name for data in data_sets)
    print(f"Activities: {names}. Seeds: {', '.join(map(str, options.seeds))}.")
    if options.train:
        print(f"Trained with {shlex.join(options.train)}.")
    if options.sweep:
        for name in options.objectives:
            if name.startswith("lav:"):
                variant = name.removeprefix("lav:")
                print_sweep(variant, sweep(data_sets, variant, options.seeds, options.train))
        return 0
    print()
    print_comparison(compare(data_sets, options.objectives, options.seeds, options.train))
    return 0


if __name__ == "__main__":
    sys.exit(main())
