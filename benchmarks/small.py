"""Whether all contestants agree with the reference, at a tiny shape."""

from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.inputs import KINDS
from benchmarks.tasks import SMALL, Answer, Task, gradient_error, prepare, read, solve, value_error

EXACT_GRADIENT = 1e-10  # allowed of our gradient in float64, over its largest entry


def agree(task: Task, device: str, rows: list[dict[str, Any]]) -> bool:
    """Print a table of errors; return whether all values, and our gradients, are right."""
    print(f"### {task.title}: errors at {' x '.join(map(str, SMALL))}\n")
    print("| inputs | contestant | value (allowed) | gradient | |\n|---|---|---|---|---|")
    good = True
    for kind in KINDS:
        truth = solve(task, kind, SMALL)
        for who in task.contestants:
            if device not in who.devices or not who.installed:
                continue
            for dtype, allowed in who.tolerance.items():
                row = _judge(task, who, kind, dtype, device, truth)
                rows.append(row)
                good &= row["agrees"]
                gradient = row.get("gradient_error")
                print(
                    f"| {kind} | {who.name}, {dtype} | {row.get('value_error', float('nan')):.1e} "
                    f"({allowed:.0e}) | {'' if gradient is None else f'{gradient:.1e}'} "
                    f"| {row.get('failed') or ('agrees' if row['agrees'] else 'DISAGREES')} |"
                )
    print()
    return good


def _judge(
    task: Task, who: Contestant, kind: str, dtype: str, device: str, truth: Answer
) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task.name, "contestant": who.name, "inputs": kind}
    row |= {"shape": SMALL, "dtype": dtype, "device": device}
    try:
        answer = read(task, kind, SMALL, prepare(task, who, kind, SMALL, dtype, device)())
    except Exception as error:  # whatever another library raises, the others are judged, too
        return row | {"failed": f"{type(error).__name__}: {error}", "agrees": False}
    row["value_error"] = value_error(who, answer, truth)
    row["gradient_error"] = gradient_error(answer, truth)
    row["agrees"] = row["value_error"] <= who.tolerance[dtype]
    if who.package is None and dtype == "float64" and task.gradient:
        row["agrees"] &= row["gradient_error"] <= EXACT_GRADIENT
    return row
