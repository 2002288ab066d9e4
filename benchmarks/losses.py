"""Measure the losses and DTW beside other libraries, and print tables in Markdown.

python -m benchmarks.losses [--device cuda] [--json FILE] [--plot FILE] [--long]
python -m benchmarks.losses --only gradient --who ddtw pysdtw      ours and these
python -m benchmarks.losses --small --require-peers     only whether all agree

The other libraries are those of benchmarks/requirements.txt; those that are missing are named, and
left out. Everything runs in one process on the same inputs, ours and another turn by turn; memory
and first calls are measured in processes of their own.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks import measure, scaling
from benchmarks.contestants import Contestant
from benchmarks.inputs import KINDS, SEED
from benchmarks.measure import Skipped, alternate, check_feasible, cold_and_warm, probe
from benchmarks.small import agree
from benchmarks.tasks import (
    PAPER,
    TASKS,
    Answer,
    Shape,
    Task,
    gradient_error,
    prepare,
    read,
    solve,
    value_error,
)

COLUMNS = ("B x n x d", "contestant", "ms", "ns a cell", "x ours", "extra MB")
COLUMNS += ("value error", "gradient error")
LONG: Shape = (1, 50_000, 64)


def main(argv: list[str] | None = None) -> int:
    """Print the tables; return 1 if --small or --require-peers finds something wrong."""
    options = _parse(argv)
    tasks = [TASKS[name] for name in options.only or TASKS]
    print(f"{measure.machine(options.device)}\n")
    missing = _print_contestants(tasks, options.device)
    if missing and options.require_peers:
        print(f"error: not installed: {', '.join(missing)}", file=sys.stderr)
        return 1
    record: dict[str, Any] = {"machine": measure.machine(options.device), "rows": []}
    if options.small:
        good = all([agree(task, options.device, record["rows"]) for task in tasks])
    else:
        good = True
        for task in tasks:
            _measure_task(task, options, record["rows"])
        if not options.no_first_calls:
            _measure_first_calls(tasks, options, record)
    if options.long:
        _measure_long(record, options.small)
    if options.plot:
        present = _present(TASKS["gradient"], options.device)
        record["scaling"] = scaling.curves(present, options.device, options.budget, options.small)
        title = f"Soft-DTW from embeddings, {scaling.DTYPE}; {measure.processor(options.device)}"
        scaling.plot(record["scaling"], options.plot, title)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return 0 if good else 1


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.losses", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--only", nargs="+", choices=list(TASKS), help="tasks; default: all")
    parser.add_argument("--who", nargs="+", metavar="NAME", help="others; default: all there are")
    parser.add_argument(
        "--shapes", nargs="+", type=_shape, metavar="BxNxD", help="default: each task's own"
    )
    parser.add_argument(
        "--inputs", nargs="+", choices=list(KINDS), default=list(KINDS), help="default: all kinds"
    )
    parser.add_argument(
        "--budget", type=float, default=5.0, help="seconds for each pair of times (default: 5)"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=measure.LIMIT,
        help="seconds that a call of another may be estimated to take (default: 60)",
    )
    parser.add_argument(
        "--no-first-calls", action="store_true", help="do not measure compilation and loading"
    )
    parser.add_argument("--small", action="store_true", help="tiny shapes: values, no times")
    parser.add_argument(
        "--require-peers", action="store_true", help="a library that is missing is an error"
    )
    parser.add_argument("--long", action="store_true", help="a DTW path of 50,000 frames, too")
    parser.add_argument("--plot", type=Path, help="file for the scaling figures")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    options = parser.parse_args(argv)
    known = {who.name for task in TASKS.values() for who in task.contestants}
    if unknown := sorted(set(options.who or ()) - known):
        parser.error(f"--who: unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU")
    return options


def _shape(text: str) -> Shape:
    B, n, d = map(int, text.split("x"))
    return B, n, d


def _print_contestants(tasks: list[Task], device: str) -> list[str]:
    """Print who takes part; return the packages that are missing."""
    missing: dict[str, None] = {}
    print("| task | contestant | computes |\n|---|---|---|")
    for task in tasks:
        for who in task.contestants:
            if device in who.devices:
                version = who.version or "not installed"
                print(f"| {task.name} | {who.name} {version} | {who.note} |")
                if not who.installed:
                    missing[who.name] = None
    print()
    return list(missing)


def _present(task: Task, device: str, names: list[str] | None = None) -> list[Contestant]:
    """Return who takes part: ours, and of the others that are there all, or those of `names`."""
    return [
        who
        for who in task.contestants
        if who.installed and device in who.devices
        if names is None or who is task.contestants[0] or who.name in names
    ]


def _measure_task(task: Task, options: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """Print a table for each kind of inputs."""
    present = _present(task, options.device, options.who)
    for kind in options.inputs if present else ():
        print(f"### {task.title}\n\nInputs (seed {SEED}): {KINDS[kind]}.\n")
        print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
        for shape in options.shapes or task.shapes:
            truth = solve(task, kind, shape)
            for who in present:
                for dtype in who.tolerance:
                    row = _measure_row(task, present[0], who, kind, shape, dtype, truth, options)
                    rows.append(row)
                    print(_line(row), flush=True)
        print()


def _measure_row(
    task: Task,
    ours: Contestant,
    who: Contestant,
    kind: str,
    shape: Shape,
    dtype: str,
    truth: Answer,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Measure a contestant at a shape; a row says `skipped` where it could not be."""
    device = options.device
    row: dict[str, Any] = {"task": task.name, "contestant": who.name, "inputs": kind}
    row |= {"shape": shape, "dtype": dtype, "device": device}
    try:
        if who is not ours:
            check_feasible(task.name, who.name, shape, dtype, device, options.limit)
        footprint = probe("memory", task.name, who.name, shape, dtype, device)
        call = prepare(task, who, kind, shape, dtype, device)
        answer = read(task, kind, shape, call())
    except Skipped as reason:
        return row | {"skipped": str(reason)}
    row |= {"extra_bytes": footprint["extra_bytes"], "value_error": value_error(who, answer, truth)}
    row["gradient_error"] = gradient_error(answer, truth)
    row["agrees"] = row["value_error"] <= who.tolerance[dtype]
    mine = prepare(task, ours, kind, shape, dtype, device)
    mine()
    row["seconds_ours"], row["seconds"] = alternate(mine, call, device, options.budget)
    return row


def _line(row: dict[str, Any]) -> str:
    """Return a row in Markdown."""
    B, n, d = row["shape"]
    head = f"| {B} x {n} x {d} | {row['contestant']}, {row['dtype']} |"
    if "skipped" in row:
        return f"{head} {row['skipped']} | | | | | |"
    ours, taken = median(row["seconds_ours"]), median(row["seconds"])
    error = f"{row['value_error']:.0e}" + ("" if row["agrees"] else " DISAGREES")
    gradient = "" if row["gradient_error"] is None else f"{row['gradient_error']:.0e}"
    ratio = "1" if row["contestant"] == "tacref" else f"{taken / ours:.2f}"
    times = f"{taken * 1e3:.2f} | {taken / (B * n * n) * 1e9:.1f} | {ratio}"
    return f"{head} {times} | {row['extra_bytes'] / 1e6:.1f} | {error} | {gradient} |"


def _measure_first_calls(
    tasks: list[Task], options: argparse.Namespace, record: dict[str, Any]
) -> None:
    """Print how long the first call takes, at the paper's shape."""
    record["first_calls"] = []
    print("### First call in a fresh process, seconds, without the import of torch\n")
    print("| task | contestant | nothing compiled before | compiled code of the run before |")
    print("|---|---|---|---|")
    for task in (task for task in tasks if task.gradient):
        for who in _present(task, options.device, options.who):
            try:
                cold, warm = cold_and_warm(task.name, who.name, PAPER, "float32", options.device)
            except Skipped as reason:
                print(f"| {task.name} | {who.name} | {reason} | |")
                continue
            record["first_calls"].append([task.name, who.name, cold, warm])
            print(f"| {task.name} | {who.name} | {cold:.2f} | {warm:.2f} |", flush=True)
    print()


def _measure_long(record: dict[str, Any], small: bool) -> None:
    """Print time and memory of our path through a long pair."""
    shape = (1, 100, 64) if small else LONG
    measured = probe("memory", "path", "tacref", shape, "float64", "cpu")
    record["long"] = measured | {"shape": shape}
    print(f"### DTW path, n = m = {shape[1]}, d = {shape[2]}\n")
    peak, extra = (measured[name] / 1e6 for name in ("peak_bytes", "extra_bytes"))
    print(
        f"{measured['seconds']:.1f} s; peak memory of the process {peak:.0f} MB, of which "
        f"{extra:.0f} MB came with the call\n"
    )


if __name__ == "__main__":
    sys.exit(main())
