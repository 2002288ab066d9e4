"""The built-in activity: clips rendered to real mp4 files, with exact labels."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tacref.data.label_table import PHASE_COLUMNS
from tacref.data.phases import PHASES_FILE
from tacref.data.scene import PHASES, Scene, pose
from tacref.data.writing import write_video
from tacref.files import new_folder
from tacref.terminal import progress_bar

MEAN_FRAMES_PER_PHASE = 14.0
PROGRESS_FILE = "progress.csv"
TRAIN_CLIPS, VAL_CLIPS = 24, 8


def make_dataset(
    out_dir: str | Path,
    *,
    train: int = TRAIN_CLIPS,
    val: int = VAL_CLIPS,
    seed: int = 0,
    size: int = 128,
    fps: float = 25.0,
    progress: bool = False,
) -> Path:
    """Render the built-in activity: a person pours a glass from a jug and drinks it.

    Each clip has its own speed in each of the seven phases and non-linear progress within them,
    its own view (mirrored or not), proportions, colors, background, moving distractors, light and
    sensor noise.

    Parameters
    ----------
    out_dir : str or Path
        Folder to make, with `{train,val}/clip_000.mp4 …` and, next to the clips, `phases.csv` and
        `progress.csv` (`video,frame,progress`: the share of the activity done, in [0, 1]).
    train, val : int
        Number of clips of each split, >= 2.
    seed : int
        >= 0. A clip depends only on the seed, its split and its number.
    size : int
        Side of the pictures in pixels, even, >= 32.
    fps : float
        Frames per second, finite and > 0. Does not change the number of frames.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only).

    Returns
    -------
    Path
        `out_dir`.

    Raises
    ------
    ValueError
        If a number is out of range, or `out_dir` is not empty.
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
            shares: list[tuple] = []
            bar = progress_bar(range(count), f"render {split}", count, "clips", enabled=progress)
            for number in bar:
                name = _name(number)
                rng = np.random.default_rng([seed, split_number, number])
                timeline = draw_timeline(rng)
                write_video(folder / split / name, render(timeline, rng, size), fps)
                start = 0
                for phase, moments in zip(PHASES, timeline, strict=True):
                    intervals.append((name, start, start + len(moments), phase))
                    start += len(moments)
                done = np.concatenate([index + p for index, p in enumerate(timeline)])
                shares.extend(
                    (name, frame, f"{share:.6f}") for frame, share in enumerate(done / len(PHASES))
                )
            _write_csv(folder / split / PHASES_FILE, PHASE_COLUMNS, intervals)
            _write_csv(folder / split / PROGRESS_FILE, ("video", "frame", "progress"), shares)
    return Path(out_dir)


def holds_activity(folder: Path) -> bool:
    """Return whether a folder holds exactly the files that `make_dataset` makes by default."""
    expected = {
        f"{split}/{name}" for split in ("train", "val") for name in (PHASES_FILE, PROGRESS_FILE)
    }
    for split, count in (("train", TRAIN_CLIPS), ("val", VAL_CLIPS)):
        expected |= {f"{split}/{_name(number)}" for number in range(count)}
    return expected | {"train", "val"} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*")
    }


def draw_timeline(rng: np.random.Generator) -> list[np.ndarray]:
    """Draw the time warp of a clip: for each phase, the progress at each of its frames."""
    speed = rng.uniform(0.75, 1.4)
    timeline = []
    for _ in PHASES:
        count = max(6, round(MEAN_FRAMES_PER_PHASE / speed * rng.uniform(0.6, 1.7)))
        even = (np.arange(count) + 0.5) / count
        # Fast in the middle or at the ends, and never still.
        bend, start = rng.uniform(-0.75, 0.75), rng.choice((0.0, 0.5))
        timeline.append(
            even
            + bend * (np.sin(2 * np.pi * (even + start)) - np.sin(2 * np.pi * start)) / (2 * np.pi)
        )
    return timeline


def render(timeline: list[np.ndarray], rng: np.random.Generator, size: int) -> Iterator[np.ndarray]:
    """Draw the frames of a timeline, uint8 RGB `(size, size, 3)`, in a new scene."""
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
