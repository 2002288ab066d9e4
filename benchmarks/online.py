"""Where the true warp is known: errors of path, online aligner and phase transfer; and its cost.

    python -m benchmarks.online --encoder RUN_OR_ONNX --data DIR     # errors, on a split's clips
    python -m benchmarks.online                                      # time and memory a frame

With `progress.csv` beside the clips, as the built-in activity has it, errors in frames are printed;
with `phases.csv` alone, only the share of frames whose phase is transferred rightly.
"""

import argparse
import csv
import json
import time
import tracemalloc
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from tacref.alignment import OnlineAligner, align
from tacref.alignment.labels import matched_frames, read_labels

LENGTHS = (100, 1_000, 10_000, 100_000)
DIMENSION = 128
LONG = 100_000  # frames that one aligner sees


def errors(encoder: str, folder: Path) -> dict[str, float]:
    """Compare alignments of all ordered pairs of a folder's clips with the truth."""
    from tacref.data.clips import clip_kind
    from tacref.encoder.embedding import embed_clip
    from tacref_export.opening import open_encoder

    opened = open_encoder(encoder)
    paths = [path for path in sorted(folder.iterdir()) if clip_kind(path) is not None]
    videos = {path.name: embed_clip(opened, path)[0] for path in paths}
    labels_by_path = read_labels(
        folder / "phases.csv", {folder / name: len(video) for name, video in videos.items()}
    )
    labels = {path.name: phases for path, phases in labels_by_path.items()}
    progress = read_progress(folder / "progress.csv")
    off: dict[str, list[np.ndarray]] = {"path": [], "online": []}
    right: dict[str, list[float]] = {"path": [], "online": []}
    boundaries: list[int] = []
    for a, b in permutations(sorted(labels), 2):
        x, y = videos[a], videos[b]
        online = OnlineAligner(x)
        found = {
            "path": matched_frames(align(x, y).path),
            "online": np.array([online.update(frame).frame for frame in y]),
        }
        for way, frames in found.items():
            here, truth = (
                np.array(labels[a], dtype=object)[frames],
                np.array(labels[b], dtype=object),
            )
            labeled = np.array([phase is not None for phase in labels[b]])
            right[way].append(float(np.mean((here == truth)[labeled])))
            if a in progress and b in progress:
                true = np.interp(progress[b], progress[a], np.arange(len(x)))
                off[way].append(np.abs(frames - true))
        boundaries += _boundary_errors(labels[a], labels[b], found["path"])
    result = {f"phase accuracy, {way}": float(np.mean(shares)) for way, shares in right.items()}
    for way, found_errors in off.items():
        if found_errors:
            result[f"median error, {way}, frames"] = float(np.median(np.concatenate(found_errors)))
    if boundaries:
        result["median error of a transferred boundary, frames"] = float(np.median(boundaries))
    return result


def cost(length: int, *, frames: int = 50) -> dict[str, float]:
    """Measure one aligner: milliseconds a frame, and the bytes it holds."""
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(length, DIMENSION)).astype(np.float32)
    OnlineAligner(reference[:2]).update(reference[0])  # compiled beforehand
    tracemalloc.start()
    aligner = OnlineAligner(reference)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    seconds = []
    for _ in range(frames):
        frame = rng.normal(size=DIMENSION)
        start = time.perf_counter()
        aligner.update(frame)
        seconds.append(time.perf_counter() - start)
    return {"ms": 1e3 * float(np.median(seconds)), "bytes": float(held)}


def growth() -> float:
    """Return how many bytes an aligner has grown by after `LONG` frames."""
    rng = np.random.default_rng(0)
    aligner = OnlineAligner(rng.normal(size=(100, DIMENSION)))
    frames = rng.normal(size=(64, DIMENSION))
    aligner.update(frames[0])
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for k in range(LONG):
        aligner.update(frames[k % 64])
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(after - before)


def read_progress(path: Path) -> dict[str, list[float]]:
    """Read how much of the activity is done in each frame of each clip; nothing without a file."""
    found: dict[str, list[float]] = {}
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["video"], []).append(float(row["progress"]))
    return found


def _boundary_errors(
    labels_a: list[str | None], labels_b: list[str | None], frames: np.ndarray
) -> list[int]:
    """Distances, in frames of b, of the transferred boundaries from b's own."""
    moved = [labels_a[frame] for frame in frames]
    phases = [phase for phase in dict.fromkeys(labels_b) if phase is not None][1:]
    return [abs(moved.index(phase) - labels_b.index(phase)) for phase in phases if phase in moved]


def main(argv: Sequence[str] | None = None) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", metavar="RUN_OR_ONNX")
    parser.add_argument("--data", metavar="DIR", help="folder of clips with phases.csv")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if (options.encoder is None) != (options.data is None):
        parser.error("--encoder and --data go together")
    if options.encoder is not None:
        result: dict[str, object] = dict(errors(options.encoder, Path(options.data)))
        lines = [f"| {name} | {value:.3g} |" for name, value in result.items()]
        head = "| on all ordered pairs | |\n|---|---|"
    else:
        costs = {length: cost(length) for length in LENGTHS}
        grown = growth()
        result = {"cost": costs, "growth": grown}
        lines = [
            f"| {length} | {each['ms']:.3g} | {each['bytes'] / 2**20:.3g} |"
            for length, each in costs.items()
        ]
        lines.append(f"\nafter {LONG} frames {grown:.0f} bytes more")
        head = "| frames of the reference | ms a frame | MiB held |\n|---|---|---|"
    print(json.dumps(result) if options.json else "\n".join([head, *lines]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
