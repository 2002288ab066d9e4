"""Figures of cost a cell: against the length, the batch, and the threads."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.contestants import Contestant
from benchmarks.measure import Skipped, alternate, check_feasible
from benchmarks.tasks import SMALL, TASKS, Shape, prepare
from tacref.figures import load_matplotlib

TASK = TASKS["gradient"]
DTYPE = "float32"
WIDTH = 64  # d
SLOW = 15.0  # seconds of a call from which a contestant is followed no further
LENGTHS = [(4, n, WIDTH) for n in (16, 32, 64, 128, 256, 512, 1024, 2048)]
BATCHES = [(B, 128, WIDTH) for B in (1, 2, 4, 8, 16, 32, 64, 128)]
CORES = (16, 256, WIDTH)

Curve = list[tuple[int, float]]  # (where, ns a cell)


def curves(
    contestants: list[Contestant], device: str, budget: float, small: bool
) -> dict[str, dict[str, Curve]]:
    """Measure all figures' curves, by figure and contestant; ours is the first contestant."""
    lengths, batches, cores = (
        ([(2, 8, 4), SMALL], [(1, 8, 4), (2, 8, 4)], (2, 8, 4))
        if small
        else (LENGTHS, BATCHES, CORES)
    )
    names = (
        f"rows n (B = {lengths[0][0]}, d = {lengths[0][2]})",
        f"batch B (n = {batches[0][1]}, d = {batches[0][2]})",
        "threads (B = {}, n = {}, d = {})".format(*cores),
    )
    measured: dict[str, dict[str, Curve]] = {
        name: {who.name: [] for who in contestants}
        for name in (names if device == "cpu" else names[:2])
    }
    for who in contestants:
        for name, shapes, side in ((names[0], lengths, 1), (names[1], batches, 0)):
            curve = _along(contestants[0], who, shapes, device, budget)
            measured[name][who.name] = [(shape[side], ns) for shape, ns in curve]
    for count in _counts() if device == "cpu" else ():
        with _threads(count):
            for who in contestants:
                for _, ns in _along(contestants[0], who, [cores], device, budget):
                    measured[names[2]][who.name].append((count, ns))
    return measured


def plot(measured: dict[str, dict[str, Curve]], path: Path, title: str) -> None:
    """Draw the curves side by side, on logarithmic axes."""
    load_matplotlib().use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure, axes = pyplot.subplots(1, len(measured), figsize=(4 * len(measured), 3.6), sharey=True)
    for axis, (name, by_contestant) in zip(axes, measured.items(), strict=True):
        for label, curve in by_contestant.items():
            if not curve:
                continue
            style = {"linewidth": 2.5} if label == "tacref" else {"linewidth": 1.2}
            axis.plot(*zip(*curve, strict=True), marker="o", markersize=3, label=label, **style)
        axis.set(xscale="log", yscale="log", xlabel=name)
        axis.set_xticks(sorted({where for curve in by_contestant.values() for where, _ in curve}))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", labelsize=7)
        axis.grid(True, which="both", linewidth=0.3)
    axes[0].set_ylabel("ns a cell, forward and backward")
    axes[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _along(
    ours: Contestant, who: Contestant, shapes: list[Shape], device: str, budget: float
) -> Iterator[tuple[Shape, float]]:
    """Yield ns a cell at each shape, until a call gets slow or large."""
    for shape in shapes:
        if who is not ours:
            try:
                check_feasible(TASK.name, who.name, shape, DTYPE, device)
            except Skipped:
                return
        calls: list[Callable[[], Any]] = [
            prepare(TASK, one, "videos", shape, DTYPE, device) for one in (ours, who)
        ]
        for call in calls:  # compiles, and fills caches
            call()
        taken = median(alternate(*calls, device, budget)[1])
        B, n, _ = shape
        yield shape, taken / (B * n * n) * 1e9
        if taken > SLOW / 4:  # the next shape has up to four times the cells
            return


def _counts() -> list[int]:
    """1, 2, 4, ... and all cores."""
    cores = len(os.sched_getaffinity(0))
    counts = [1 << power for power in range(cores.bit_length()) if 1 << power <= cores]
    return counts if counts[-1] == cores else [*counts, cores]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give torch and Numba so many threads."""
    import numba

    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(count)
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])
