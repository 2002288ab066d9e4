"""Time the losses on a GPU, in a loop and in a CUDA graph, and compare with their aims.

python -m benchmarks.graphs [--json FILE]
python -m benchmarks.graphs --small     tiny shapes in Triton's interpreter, without a GPU or graphs

Forward and backward in float32, on the inputs "videos". Times are medians by the device's events;
of a graph, one event spans many replays. Memory is what torch allocates beyond the inputs.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.inputs import make_batch
from benchmarks.measure import processor
from benchmarks.tasks import Shape
from tacref.losses import LAVLoss, SoftDTWLoss


class Case(NamedTuple):
    """What is timed, and its aims: milliseconds in a loop, in a graph, and megabytes."""

    loss: type
    shape: Shape
    loop: float | None = None
    graph: float | None = None
    memory: float | None = None


CASES = (
    Case(SoftDTWLoss, (32, 512, 64), loop=2.0, memory=160.0),
    Case(SoftDTWLoss, (1, 8192, 64), loop=30.0),
    Case(LAVLoss, (32, 20, 128), graph=0.12),
    Case(SoftDTWLoss, (32, 20, 128)),
    Case(SoftDTWLoss, (16, 128, 128)),
    Case(LAVLoss, (16, 128, 128)),
    Case(LAVLoss, (32, 512, 64)),
)
SMALL: Shape = (2, 3, 2)
# Calls of a loop, replays between two events, and for how many seconds there are more of them.
CALLS, REPLAYS, BUDGET = 7, 10, 2.0


def forward_and_backward(case: Case, device: str) -> Callable[[], tuple[torch.Tensor, ...]]:
    """Return a call of a case's loss, which returns the value and both gradients."""
    x, y = (
        torch.from_numpy(rows).to(device).requires_grad_()
        for rows in make_batch("videos", case.shape)
    )
    loss = case.loss(backend="triton")

    def call() -> tuple[torch.Tensor, ...]:
        given = loss(x, y)
        value = getattr(given, "loss", given)
        return value.detach(), *torch.autograd.grad(value, (x, y))

    return call


def capture(call: Callable[[], tuple[torch.Tensor, ...]]) -> torch.cuda.CUDAGraph:
    """Record a call in a CUDA graph; check that a replay computes the same bits.

    Raises
    ------
    ValueError
        If it does not.
    """
    side = torch.cuda.Stream()  # compiled on a stream of its own, as capture asks for
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        expected = call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = call()
    graph.replay()
    if not all(torch.equal(*both) for both in zip(outputs, expected, strict=True)):
        raise ValueError("the graph's results differ from the call's")
    return graph


def milliseconds(run: Callable[[], Any], repeats: int, device: str) -> float:
    """Return the median time of a run, of which `repeats` are timed together."""
    taken: list[float] = []
    stop = time.perf_counter() + BUDGET
    while len(taken) < CALLS or time.perf_counter() < stop:
        if device == "cpu":
            start = time.perf_counter()
            run()
            return 1e3 * (time.perf_counter() - start)
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        first.record()
        for _ in range(repeats):
            run()
        last.record()
        torch.cuda.synchronize()
        taken.append(first.elapsed_time(last) / repeats)
    return statistics.median(taken)


def extra_megabytes(call: Callable[[], Any]) -> float:
    """Return what torch allocates on the GPU during a call, at most, beyond what it holds."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def measure(case: Case, device: str) -> dict[str, float]:
    """Return milliseconds in a loop and in a graph, and megabytes; without a GPU, of a call."""
    call = forward_and_backward(case, device)
    call()  # compiles
    if device == "cpu":
        return {"loop": milliseconds(call, 1, device)}
    found = {"memory": extra_megabytes(call), "loop": milliseconds(call, 1, device)}
    return found | {"graph": milliseconds(capture(call).replay, REPLAYS, device)}


UNITS = {"loop": "ms in a loop", "graph": "ms in a CUDA graph", "memory": "MB"}


def line(case: Case, name: str, measured: float) -> str:
    """Return a row in Markdown: what was measured, its aim, and their ratio."""
    aim = getattr(case, name)
    columns = [case.loss.__name__, " x ".join(map(str, case.shape)), UNITS[name], f"{measured:.4g}"]
    if aim is None:
        columns += ["", "", ""]
    else:
        columns += [f"{aim:g}", f"{measured / aim:.2f}", "met" if measured <= aim else "**missed**"]
    return f"| {' | '.join(columns)} |"


def main(argv: list[str] | None = None) -> int:
    """Print a table; return 2 if there is no GPU. Aims that are missed are no error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.graphs", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--small", action="store_true", help="tiny, interpreted: without a GPU")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    options = parser.parse_args(argv)
    if options.small:
        os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
    elif not torch.cuda.is_available():
        print("error: torch finds no CUDA device", file=sys.stderr)
        return 2
    device = "cpu" if options.small else "cuda"
    card = processor(device)
    print(f"{card}; torch {torch.__version__}; float32, forward and backward\n")
    print("| loss | B x n x d | | measured | aim | measured / aim | |")
    print("|---|---|---|---:|---:|---:|---|")
    record = []
    # Of tiny shapes no aim says anything.
    for case in [Case(each.loss, SMALL) for each in CASES[1:3]] if options.small else CASES:
        found = measure(case, device)
        for name, measured in found.items():
            print(line(case, name, measured), flush=True)
        aims = {name: getattr(case, name) for name in UNITS}
        record.append({"loss": case.loss.__name__, "shape": case.shape, "aims": aims} | found)
    if options.json:
        text = json.dumps({"card": card, "cases": record}, indent=1)
        options.json.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
