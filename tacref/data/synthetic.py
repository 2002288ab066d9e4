"""The built-in activity: clips rendered to real mp4 files, with exact labels."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tacref.data import phases
from tacref.data.scene import PHASES, Scene, pose
from tacref.data.writing import write_video
from tacref.files import new_folder

FRAMES_A_PHASE = 14.0
PROGRESS = "progress.csv"
TRAIN, VAL = 24, 8  # clips


def make_dataset(
    out_dir: str | Path,
    *,
    train: int = TRAIN,
    val: int = VAL,
    seed: int = 0,
    size: int = 128,
    fps: float = 25.0,
) -> Path:
    """Render the built-in activity: a person pours a glass from a jug and drinks it.

    Each clip has its own speed in each of the seven phases and non-linear progress within them,
    its own view (mirrored or not), proportions, colors, background, moving distractors, light and
    sensor noise.

    Parameters
    ----------
    out_dir : str or Path
        Folder to make: `{train,val}/clip_000.mp4 …`, beside them `phases.csv` and `progress.csv`
        (`video,frame,progress`, the share of the activity done, in [0, 1]).
    train, val : int
        Number of clips of each split, >= 2.
    seed : int
        >= 0. A clip depends on seed, split and its own number alone.
    size : int
        Side of the pictures in pixels, even, >= 32.
    fps : float
        Frames a second, finite and > 0. The number of frames does not depend on it.

    Returns
    -------
    Path
        `out_dir`.

    Raises
    ------
    ValueError
        If a number is out of range, or `out_dir` holds something.
    """
    counts = {"train": train, "val": val}
    for name, count in counts.items():
        if count < 2:
            raise ValueError(f"{name} must be >= 2 clips, got {count!r}")
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed!r}")
    if size < 32 or size % 2:
        raise ValueError(f"size must be even and >= 32 pixels, got {size!r}")
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be finite and > 0, got {fps!r}")
    with new_folder(out_dir) as folder:
        for split_number, (split, count) in enumerate(counts.items()):
            (folder / split).mkdir()
            intervals: list[tuple] = []
            progress: list[tuple] = []
            for number in range(count):
                name = _name(number)
                rng = np.random.default_rng([seed, split_number, number])
                timeline = draw_timeline(rng)
                write_video(folder / split / name, render(timeline, rng, size), fps)
                start = 0
                for phase, moments in zip(PHASES, timeline, strict=True):
                    intervals.append((name, start, start + len(moments), phase))
                    start += len(moments)
                done = np.concatenate([index + p for index, p in enumerate(timeline)])
                progress.extend(
                    (name, frame, f"{share:.6f}") for frame, share in enumerate(done / len(PHASES))
                )
            _write_csv(folder / split / phases.FILE, phases.COLUMNS, intervals)
            _write_csv(folder / split / PROGRESS, ("video", "frame", "progress"), progress)
    return Path(out_dir)


def holds_activity(folder: Path) -> bool:
    """Return whether a folder holds what `make_dataset` makes by default, and nothing else."""
    made = {f"{split}/{name}" for split in ("train", "val") for name in (phases.FILE, PROGRESS)}
    for split, count in (("train", TRAIN), ("val", VAL)):
        made |= {f"{split}/{_name(number)}" for number in range(count)}
    return made | {"train", "val"} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*")
    }


def draw_timeline(rng: np.random.Generator) -> list[np.ndarray]:
    """Draw one clip's time warp: for each phase, the progress through it at each of its frames."""
    speed = rng.uniform(0.75, 1.4)
    timeline = []
    for _ in PHASES:
        count = max(6, round(FRAMES_A_PHASE / speed * rng.uniform(0.6, 1.7)))
        even = (np.arange(count) + 0.5) / count
        # Fast in the middle or at the ends, and never at rest.
        bend, start = rng.uniform(-0.75, 0.75), rng.choice((0.0, 0.5))
        timeline.append(
            even
            + bend * (np.sin(2 * np.pi * (even + start)) - np.sin(2 * np.pi * start)) / (2 * np.pi)
        )
    return timeline


def render(timeline: list[np.ndarray], rng: np.random.Generator, size: int) -> Iterator[np.ndarray]:
    """Draw the frames of a timeline, uint8 RGB `(size, size, 3)`, in a scene of their own."""
    scene = Scene(rng, size)
    moments = [(phase, p) for phase, progress in enumerate(timeline) for p in progress]
    return (scene.draw(pose(phase, p), time) for time, (phase, p) in enumerate(moments))


def _name(number: int) -> str:
    return f"clip_{number:03d}.mp4"


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
