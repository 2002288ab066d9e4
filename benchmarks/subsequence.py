"""Find a short video in a long one beside other libraries: time and memory, a process each.

python -m benchmarks.subsequence [--shape 2000 200000 64] [--rounds 3]
python -m benchmarks.subsequence --small --require-peers     only whether all agree

The other libraries are those of benchmarks/requirements.txt; those that are missing are named and
left out. Each call runs in a fresh process, after one on a tiny input, ours and the others' in
turns; the time is the least of all rounds. dtw-python takes no open begin with these steps.
"""

import argparse
import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("planted", "noise")
SMALL_SHAPES = ((1, 40, 3), (30, 400, 8), (100, 100, 2), (150, 3000, 4))
SEED = 0
# Costs of float64, summed in another order.
TOLERANCE = 1e-9
# Bytes of a cell that each contestant stores, for what does not fit into memory.
CELL_BYTES = {"tacref": 0, "dtaidistance": 8, "librosa": 28}
LIMIT = 900.0  # seconds that a process may take

Answer = tuple[int, int, float]


def make_videos(kind: str, n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a short and a long video of frames of unit length.

    "planted": walks, the short one shown somewhere in the long one at an uneven pace. "noise":
    frames without any order, the worst case.
    """
    rng = np.random.default_rng(SEED)
    x, y = (rng.normal(size=(length, d)) for length in (n, m))
    if kind == "planted":
        x, y = x.cumsum(axis=0), y.cumsum(axis=0)
        begin = (m - n) // 3
        y[begin : begin + n] = x[np.sort(rng.integers(0, n, n))]
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    return (x, y + 0.02 * rng.normal(size=y.shape)) if kind == "planted" else (x, y)


def tacref_match(x: np.ndarray, y: np.ndarray) -> Answer:
    """Return begin, end (exclusive) and cost of the best match."""
    from tacref.alignment import find_matches

    (match,) = find_matches(x, y)
    return match.begin, match.end, match.cost


def dtaidistance_match(x: np.ndarray, y: np.ndarray) -> Answer:
    """Return the same by dtaidistance's C library, which takes the root of the cost."""
    from dtaidistance.subsequence.dtw import subsequence_alignment

    found = subsequence_alignment(x, y, penalty=0.0, use_c=True).best_match(minlength=1)
    begin, end = found.segment
    return int(begin), int(end) + 1, float(found.value * len(x)) ** 2


def librosa_match(x: np.ndarray, y: np.ndarray) -> Answer:
    """Return the same by librosa, which gives the path from its last cell."""
    import librosa

    costs, path = librosa.sequence.dtw(x.T, y.T, metric="sqeuclidean", subseq=True)
    return int(path[-1, 1]), int(path[0, 1]) + 1, float(costs[-1].min())


CONTESTANTS: dict[str, Callable[[np.ndarray, np.ndarray], Answer]] = {
    "tacref": tacref_match,
    "dtaidistance": dtaidistance_match,
    "librosa": librosa_match,
}


def installed() -> list[str]:
    """Return the contestants that are there, and print which."""
    names = ["tacref"]
    for name in list(CONTESTANTS)[1:]:
        try:
            print(f"- {name} {importlib.metadata.version(name)}")
            names.append(name)
        except importlib.metadata.PackageNotFoundError:
            print(f"- {name}: not installed")
    return names


def agree(names: Sequence[str]) -> bool:
    """Print a table of costs at small shapes; return whether all agree."""
    print("\n| videos | n x m x d | contestant | begin | end | cost | |")
    print("|---|---|---|---|---|---|---|")
    good = True
    for kind in KINDS:
        for shape in SMALL_SHAPES:
            x, y = make_videos(kind, *shape)
            ours = tacref_match(x, y)
            for name in names:
                begin, end, cost = CONTESTANTS[name](x, y)
                right = (begin, end) == ours[:2] and abs(cost - ours[2]) <= TOLERANCE * (
                    1 + ours[2]
                )
                good &= right
                print(
                    f"| {kind} | {' x '.join(map(str, shape))} | {name} | {begin} | {end} | "
                    f"{cost:.9g} | {'agrees' if right else 'DISAGREES'} |"
                )
    return good


def measure(name: str, kind: str, shape: Sequence[int]) -> dict[str, float]:
    """Return time and peak memory of one call in this process, which is fresh."""
    call = CONTESTANTS[name]
    call(*make_videos(kind, 5, 50, shape[2]))
    x, y = make_videos(kind, *shape)
    start = time.perf_counter()
    begin, end, cost = call(x, y)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak": _peak(), "begin": begin, "end": end, "cost": cost}


def _peak() -> float:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return 1024.0 * int(line.split()[1])
    raise OSError("/proc/self/status does not say VmHWM")


def _free_bytes() -> float:
    for line in Path("/proc/meminfo").read_text("utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return 1024.0 * int(line.split()[1])
    raise OSError("/proc/meminfo does not say MemAvailable")


def _in_a_process(name: str, kind: str, shape: Sequence[int]) -> dict[str, float] | str:
    """Return what `measure` does, or why there is nothing."""
    needed = CELL_BYTES[name] * shape[0] * shape[1]
    if needed > 0.8 * _free_bytes():
        return f"needs {needed / 1e9:.1f} GB"
    arguments = ["--one", name, kind, "--shape", *map(str, shape)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.subsequence", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {LIMIT:.0f} s"
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return f"failed: {lines[-1][:120]}"
    return json.loads(done.stdout)


def compare(names: Sequence[str], kind: str, shape: Sequence[int], rounds: int) -> None:
    """Print rows of a table: time, ratio and peak memory of each contestant."""
    runs: dict[str, list[dict[str, float] | str]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            if not (runs[name] and isinstance(runs[name][-1], str)):
                runs[name].append(_in_a_process(name, kind, shape))
    ours = min(run["seconds"] for run in runs["tacref"] if not isinstance(run, str))
    for name, each in runs.items():
        head = f"| {kind} | {' x '.join(map(str, shape))} | {name} |"
        good = [run for run in each if not isinstance(run, str)]
        if not good:
            print(f"{head} {each[-1]} | | | |")
            continue
        seconds = min(run["seconds"] for run in good)
        peak = max(run["peak"] for run in good) / 1e9
        place = f"{good[0]['begin']} to {good[0]['end']}: {good[0]['cost']:.9g}"
        print(f"{head} {seconds:.2f} | {seconds / ours:.1f} | {peak:.2f} | {place} |", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; return 1 if --small or --require-peers finds something wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", nargs=3, type=int, default=(2000, 200_000, 64), metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="processes each (default: 3)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--small", action="store_true", help="only compare the answers")
    parser.add_argument("--require-peers", action="store_true", help="all must be installed")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "KIND"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one is not None:
        print(json.dumps(measure(*options.one, options.shape)))
        return 0
    names = installed()
    if options.require_peers and len(names) < len(CONTESTANTS):
        print("error: not all are installed", file=sys.stderr)
        return 1
    if options.small:
        return 0 if agree(names) else 1
    print("\n| videos | n x m x d | contestant | seconds | x ours | peak GB | match |")
    print("|---|---|---|---:|---:|---:|---|")
    for kind in options.kinds:
        compare(names, kind, options.shape, options.rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
