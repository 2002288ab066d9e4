"""How things are measured: turn by turn for time, in processes of their own for memory."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.tasks import Shape

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 60.0  # seconds a call of another library may take, unless told otherwise
SHARE = 0.6  # of the memory that is free, which a call may take
REPEATS = 3, 25  # least and most of each contestant, turn by turn
CACHES = "NUMBA_CACHE_DIR", "TRITON_CACHE_DIR"
PAUSE = 0.005  # seconds before each contestant's turn
WARM = 0.02  # seconds of a turn, at most, that are not timed
PROBE_LIMIT = 600.0  # seconds, imports and compilation included
DIRECT = 1 << 19  # cells up to which nothing is estimated first


class Skipped(Exception):
    """A contestant that is not measured at a shape; the message says why."""


def seconds(call: Callable[[], Any], device: str) -> float:
    """Return the time of one call: wall time, or by the GPU's own events."""
    if device == "cpu":
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    first.record()
    call()
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / 1e3


def alternate(
    ours: Callable[[], Any], peer: Callable[[], Any], device: str, budget: float
) -> tuple[list[float], list[float]]:
    """Time two calls turn by turn, ours first, until `budget` seconds are over."""
    times: tuple[list[float], list[float]] = ([], [])
    stop = time.perf_counter() + budget
    least, most = REPEATS
    while len(times[0]) < least or (len(times[0]) < most and time.perf_counter() < stop):
        for call, taken in zip((ours, peer), times, strict=True):
            # Threads spin for a moment after their work: not on the cores that the next one needs.
            time.sleep(PAUSE)
            # Each call that is timed follows one of its own kind, as in training: after the other
            # contestant the caches hold nothing of it, and sleeping cores are slow.
            warm = time.perf_counter() + min(WARM, 2 * statistics.median(taken or [WARM]))
            call()
            while time.perf_counter() < warm:
                call()
            taken.append(seconds(call, device))
    return times


@cache
def probe(
    mode: str, task: str, who: str, shape: Shape, dtype: str, device: str, caches: str = ""
) -> dict[str, Any]:
    """Run `benchmarks.probe` in a fresh process; return what it measured.

    What was measured once with the same arguments is not measured again. Memory on a GPU is what
    torch counts, in this process as well as in another.

    Raises
    ------
    Skipped
        If it fails, is killed or takes too long.
    """
    if mode == "memory" and device == "cuda":
        return _here(task, who, shape, dtype, device)
    arguments = [mode, task, who, *map(str, shape), dtype, device]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.probe", *arguments],
            cwd=ROOT,
            env={**os.environ, **({name: caches for name in CACHES} if caches else {})},
            capture_output=True,
            text=True,
            timeout=PROBE_LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise Skipped(f"stopped after {PROBE_LIMIT:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise Skipped(f"failed: {lines[-1][:160]}")
    return json.loads(done.stdout.splitlines()[-1])


def _here(task: str, who: str, shape: Shape, dtype: str, device: str) -> dict[str, Any]:
    from benchmarks.probe import memory

    try:
        return memory(task, who, shape, dtype, device)
    except Exception as error:  # each library has its own, and may run out of memory
        torch.cuda.empty_cache()
        said = str(error).strip() or type(error).__name__
        raise Skipped(f"failed: {said.splitlines()[0][:160]}") from None


def check_feasible(
    task: str, who: str, shape: Shape, dtype: str, device: str, limit: float = LIMIT
) -> None:
    """Estimate from one short item what a call takes, where it has many cells.

    On a GPU, which computes the items of a batch side by side, from a short batch.

    Raises
    ------
    Skipped
        If it would take too long or too much memory.
    """
    B, n, d = shape
    if B * n * n <= DIRECT:
        return
    part = max(n // 8, 128)
    items = B if device == "cuda" else 1
    measured = probe("memory", task, who, (items, part, d), dtype, device)
    larger = B * n * n / (items * part**2)
    estimated = larger * measured["seconds"]
    if estimated > limit:
        raise Skipped(f"skipped: estimated {estimated:.0f} s")
    needed = larger * measured["extra_bytes"]
    if needed > SHARE * _free_bytes(device):
        raise Skipped(f"skipped: estimated {needed / 1e9:.0f} GB of memory")


def cold_and_warm(
    task: str, who: str, shape: Shape, dtype: str, device: str
) -> tuple[float, float]:
    """Return seconds of the first call in a fresh process: nothing compiled yet, then again."""
    with tempfile.TemporaryDirectory() as folder:
        cold = probe("first", task, who, shape, dtype, device, folder)["seconds"]
        probe.cache_clear()  # the same again, with what it left in the folder
        return cold, probe("first", task, who, shape, dtype, device, folder)["seconds"]


def machine(device: str) -> str:
    """Name what is measured on."""
    names = [f"Python {platform.python_version()}"]
    names += [f"{package} {version(package)}" for package in ("torch", "numpy", "numba", "tacref")]
    if device == "cuda":
        return f"{processor(device)}; " + ", ".join(names)
    import numba

    threads = f"{torch.get_num_threads()} threads of torch, {numba.get_num_threads()} of Numba"
    return f"{processor(device)}, {os.cpu_count()} cores, {threads}; " + ", ".join(names)


def processor(device: str) -> str:
    """Name the CPU or GPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _free_bytes(device: str) -> float:
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    for line in Path("/proc/meminfo").read_text("utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return 1024.0 * int(line.split()[1])
    raise OSError("/proc/meminfo does not say MemAvailable")
