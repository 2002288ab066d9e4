"""Count what the Triton backend allocates and launches, at full size and without a GPU.

python -m benchmarks.counts [--json FILE]

Forward and backward of the losses run on the CPU as they would on a GPU, but kernels are counted
instead of run, so that results mean nothing and large shapes take no time. Bytes are what torch
allocates; on a GPU it rounds each tensor up to 512. Nothing here depends on the numbers in tensors.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tacref.losses import LAVLoss, SoftDTWLoss

Shape = tuple[int, int, int]
# What is counted, and the megabytes that it may take at most, where there is an aim.
CALLS: dict[str, tuple[type, Shape, float | None]] = {
    "soft-DTW": (SoftDTWLoss, (32, 512, 64), 160.0),
    "soft-DTW, one long pair": (SoftDTWLoss, (1, 8192, 64), None),
    "LAV": (LAVLoss, (32, 20, 128), None),
}


class Counts(NamedTuple):
    """Bytes that were held at most, beyond what there was before, and launches by kernel."""

    bytes: int
    launches: Counter[str]


def count(call: Callable[[], Any]) -> Counts:
    """Count the peak of what a call allocates, and its launches, which compute nothing."""
    with _counted_launches() as launches:
        return Counts(peak_bytes(call), launches)


def peak_bytes(call: Callable[[], Any]) -> int:
    """Return how many bytes torch's CPU allocator held at most during a call, beyond before."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        result = call()
    del result
    events = profile.profiler.kineto_results.events()
    changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
    held = most = 0
    for _, change in sorted(changes, key=lambda each: each[0]):
        held += change
        most = max(most, held)
    return most


def forward_and_backward(loss: Callable[..., Any], shape: Shape) -> Callable[[], Any]:
    """Return a call of a loss on embeddings of float32, which returns value and gradients."""
    x, y = (torch.zeros(shape, requires_grad=True) for _ in range(2))

    def call() -> Any:
        given = loss(x, y)
        value = getattr(given, "loss", given)
        return value.detach(), *torch.autograd.grad(value, (x, y))

    return call


def main(argv: list[str] | None = None) -> int:
    """Print a table; return 1 if more is held than an aim allows."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.counts", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--json", type=Path, help="file for all numbers")
    options = parser.parse_args(argv)
    # Before Triton is imported: launches go through its interpreter, where they are counted.
    os.environ["TRITON_INTERPRET"] = "1"
    record, good = {}, True
    print("| forward and backward, float32 | B x n x d | MB | aim, MB | launches of kernels |")
    print("|---|---|---:|---:|---|")
    for name, (loss, shape, aim) in CALLS.items():
        counts = count(forward_and_backward(loss(backend="triton"), shape))
        record[name] = {"shape": shape, "bytes": counts.bytes, "launches": counts.launches}
        good = good and (aim is None or counts.bytes <= 1e6 * aim)
        each = ", ".join(f"{times} {kernel}" for kernel, times in counts.launches.items())
        columns = [name, " x ".join(map(str, shape)), f"{counts.bytes / 1e6:.1f}"]
        columns += ["" if aim is None else f"{aim:g}", f"{counts.launches.total()}: {each}"]
        print(f"| {' | '.join(columns)} |")
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return 0 if good else 1


@contextmanager
def _counted_launches() -> Iterator[Counter[str]]:
    from triton.runtime.interpreter import GridExecutor

    from tacref.losses import loss_operator

    launches: Counter[str] = Counter()
    launch, grain = GridExecutor.__call__, loss_operator.TORCH_GRAIN

    def counted(self: Any, *arguments: Any, **options: Any) -> None:
        launches[self.fn.__name__] += 1

    GridExecutor.__call__ = counted
    # On the CPU large gradients are scaled by NumPy, whose memory torch does not count.
    loss_operator.TORCH_GRAIN = sys.maxsize
    try:
        yield launches
    finally:
        GridExecutor.__call__, loss_operator.TORCH_GRAIN = launch, grain


if __name__ == "__main__":
    sys.exit(main())
