"""Measure one call in this process, which is fresh, and print JSON.

python -m benchmarks.probe {memory,first} TASK CONTESTANT B n d DTYPE DEVICE

memory: the most memory that a call holds beyond its inputs, after the same call on a tiny input,
so that imports and compilation do not count. On the CPU this is the kernel's high-water mark of
resident memory (Linux), on a GPU what torch allocates. first: seconds of the first call, with
imports and compilation, but without the import of torch and the start of CUDA.
"""

import ctypes
import gc
import json
import sys
import time
from pathlib import Path

import torch

from benchmarks.measure import seconds
from benchmarks.tasks import TASKS, prepare

TINY = (8, 4)  # n and d; B stays, since some libraries compile anew for B = 1


def memory(task: str, who: str, shape: tuple[int, int, int], *rest: str) -> dict:
    """Return the call's extra memory in bytes, the process's peak, and the call's seconds."""
    dtype, device = rest
    chosen = next(one for one in TASKS[task].contestants if one.name == who)
    prepare(TASKS[task], chosen, "videos", (shape[0], *TINY), dtype, device)()
    call = prepare(TASKS[task], chosen, "videos", shape, dtype, device)
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        taken = seconds(call, device)
        peak = torch.cuda.max_memory_allocated()
    else:
        # What compilation has freed goes back to the system: the call must not find it there.
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the mark falls to what is held now
        before = _high_water_mark()
        taken = seconds(call, device)
        peak = _high_water_mark()
    return {"extra_bytes": peak - before, "peak_bytes": peak, "seconds": taken}


def first(task: str, who: str, shape: tuple[int, int, int], *rest: str) -> dict:
    """Return the seconds of a contestant's import and first call."""
    dtype, device = rest
    chosen = next(one for one in TASKS[task].contestants if one.name == who)
    torch.zeros(1, device=device)  # starts CUDA
    start = time.perf_counter()
    call = prepare(TASKS[task], chosen, "videos", shape, dtype, device)
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return {"seconds": time.perf_counter() - start}


def _high_water_mark() -> int:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise OSError("/proc/self/status does not say VmHWM")


def main() -> None:
    """Print what is measured."""
    mode, task, who, B, n, d, *rest = sys.argv[1:]
    measure = {"memory": memory, "first": first}[mode]
    print(json.dumps(measure(task, who, (int(B), int(n), int(d)), *rest)))


if __name__ == "__main__":
    main()
