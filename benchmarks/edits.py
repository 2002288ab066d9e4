"""Slope-limited steps on clips that have a pause or a cut: errors where the warp is known.

    python -m benchmarks.edits --out DATA      # features of the built-in activity
    python -m benchmarks.edits --encoder RUN_OR_ONNX --data DIR

DIR holds clips and `progress.csv`, as a split of the built-in activity does. `--out` writes such
splits without pictures, for which an encoder is trained in seconds: where hand, jug and glass are
as seen from each clip's own view, how they are tilted and filled, and noise. Of every ordered pair,
the second clip is edited before it is embedded: a frame is held (the performer pauses), or frames
are cut out. The error of a frame is how far, in frames of the first clip, its match is from the
frame that shows the same moment; during a pause that moment stands still.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.online import read_progress
from tacref.alignment import align
from tacref.data import iter_frames
from tacref.data.clips import clip_kind
from tacref.data.scene import pose
from tacref.data.synthetic import PROGRESS_FILE, draw_timeline
from tacref.encoder.embedding import Embedder, embed_frames
from tacref_export.opening import open_encoder

STEPS = ("any", "slope", "asymmetric")
# Frames of a pause and of a cut, at 25 a second, in clips of about 100 frames.
LENGTHS = (12, 25, 50)
SEED = 0


# Noise of the features, in sides of the picture.
NOISE = 0.02


class Clip(NamedTuple):
    """Embeddings of a clip, and how much of the activity is done in each frame."""

    rows: np.ndarray
    progress: np.ndarray


def make_features(folder: Path, train: int = 24, val: int = 16) -> None:
    """Write splits of clips of features, with their true progress."""
    for number, (split, count) in enumerate({"train": train, "val": val}.items()):
        (folder / split).mkdir(parents=True)
        with (folder / split / PROGRESS_FILE).open("w", encoding="utf-8") as file:
            file.write("video,frame,progress\n")
            for clip in range(count):
                rng = np.random.default_rng([SEED, number, clip])
                timeline = draw_timeline(rng)
                name = f"clip_{clip:03d}.npy"
                np.save(folder / split / name, features(timeline, rng))
                done = np.concatenate([phase + p for phase, p in enumerate(timeline)])
                for frame, share in enumerate(done / len(timeline)):
                    file.write(f"{name},{frame},{share:.6f}\n")


def features(timeline: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return a row of numbers per frame: points in the clip's own view, tilts and levels."""
    mirror, scale = rng.choice((-1.0, 1.0)), rng.uniform(0.7, 1.3)
    shift = rng.uniform(-0.2, 0.2, 2)
    rows = []
    for phase, moments in enumerate(timeline):
        for moment in moments:
            seen = pose(phase, moment)
            points = np.stack((seen.hand, seen.jug, seen.glass)) - 0.5
            points = scale * points * (mirror, 1.0) + shift
            levels = seen.jug_tilt, seen.jug_level, mirror * seen.glass_tilt, seen.glass_level
            rows.append((*points.ravel(), *levels))
    array = np.array(rows)
    return (array + NOISE * rng.normal(size=array.shape)).astype(np.float32)


def pause(frames: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Return which frames a clip shows that stops in its middle half."""
    held = int(rng.integers(frames // 4, 3 * frames // 4))
    return np.concatenate((np.arange(held), np.full(length, held), np.arange(held, frames)))


def cut(frames: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Return which frames a clip shows that lacks some in its middle."""
    length = min(length, frames // 2)
    begin = int(rng.integers(frames // 4, frames - frames // 4 - length + 1))
    return np.concatenate((np.arange(begin), np.arange(begin + length, frames)))


EDITS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "pause": pause,
    "cut": cut,
}


def embed_edited(
    encoder: Embedder, path: Path, progress: np.ndarray, shown: np.ndarray | None = None
) -> Clip:
    """Embed a clip, or those of its frames that are shown, as its own video."""
    frames = [frame for frame, _ in iter_frames(path)]
    chosen = np.arange(len(frames)) if shown is None else shown
    rows = np.concatenate(list(embed_frames(encoder, (frames[k] for k in chosen), 32)))
    return Clip(rows.astype(np.float64), progress[chosen])


def errors(x: Clip, y: Clip, steps: str) -> np.ndarray | None:
    """Return the error of each frame of y, None if no path by these steps leads to the end."""
    try:
        aligned = align(x.rows, y.rows, steps=steps)
    except ValueError:
        return None
    true = np.interp(y.progress, x.progress, np.arange(len(x.rows)))
    return np.abs(aligned.matches_y - true)


def measure(encoder: Embedder, folder: Path) -> Iterator[tuple[str, str, int, int, np.ndarray]]:
    """Yield edit, steps, pairs without a path by these steps, all pairs, and errors of all frames.

    The errors are those of the pairs that have a path by each kind of steps, so that all are
    judged by the same.
    """
    progress = {
        name: np.array(shares) for name, shares in read_progress(folder / PROGRESS_FILE).items()
    }
    names = [path.name for path in sorted(folder.iterdir()) if clip_kind(path) is not None]
    clips = {name: embed_edited(encoder, folder / name, progress[name]) for name in names}
    cases: list[tuple[str, dict[str, Clip]]] = [("none", clips)]
    for edit, shown in EDITS.items():
        for length in LENGTHS:
            rng = np.random.default_rng([SEED, length])
            edited = {
                name: embed_edited(
                    encoder,
                    folder / name,
                    progress[name],
                    shown(len(progress[name]), length, rng),
                )
                for name in names
            }
            cases.append((f"{edit}, {length} frames", edited))
    for edit, edited in cases:
        pairs = list(permutations(names, 2))
        found = {steps: [errors(clips[a], edited[b], steps) for a, b in pairs] for steps in STEPS}
        common = [k for k in range(len(pairs)) if all(found[s][k] is not None for s in STEPS)]
        for steps, each in found.items():
            off = np.concatenate([error for k in common if (error := each[k]) is not None])
            yield edit, steps, sum(error is None for error in each), len(pairs), off


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="DATA")
    parser.add_argument("--encoder", metavar="RUN_OR_ONNX")
    parser.add_argument("--data", type=Path, metavar="DIR")
    options = parser.parse_args(argv)
    if options.out:
        make_features(options.out)
        return 0
    if not options.encoder or not options.data:
        parser.error("needs --out, or --encoder and --data")
    print(
        "| edit | steps | median error | mean error | 90 % of frames within | pairs without path |"
    )
    print("|---|---|---:|---:|---:|---:|")
    for edit, steps, failed, pairs, off in measure(open_encoder(options.encoder), options.data):
        numbers = np.median(off), off.mean(), np.quantile(off, 0.9)
        shown = " | ".join(f"{number:.2f}" for number in numbers)
        print(f"| {edit} | {steps} | {shown} | {failed} of {pairs} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
