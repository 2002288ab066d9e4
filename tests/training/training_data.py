"""A small data set of feature sequences, and what tests read from a run."""

import json

import numpy as np

from tacref.commands import main

# Small, so that a step takes a few milliseconds.
OPTIONS = ["--offsets=-2,0,2", "--dim", "16", "--frames", "10", "--pairs", "4", "--device", "cpu"]


def feature_clip(rng):
    """A path through 4 of 8 dimensions, at a pace of its own; the others are noise."""
    length = int(rng.integers(30, 60))
    pace = np.cumsum(rng.uniform(0.2, 1.8, length))
    time = 3 * pace / pace[-1]
    rows = np.stack([np.sin(time * k + k) for k in range(1, 5)], 1)
    return np.hstack([rows, rng.normal(0, 1, (length, 4))]).astype(np.float32)


def make_features(folder, *, val=0):
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", val)):
        if count:
            (folder / split).mkdir(parents=True)
        for index in range(count):
            np.save(folder / split / f"{index}.npy", feature_clip(rng))
    return folder


def losses_of(run):
    """Step to loss; a step that was written twice is an error."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if "loss" in line]
    assert steps == sorted(set(steps))
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def taus_of(run):
    """Step to tau."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["mean_tau"]) for line in lines if "tau" in line]


def with_a_cut_clip(read):
    """Wrap SideReader.read: 5.npy cannot be read, though it could when it was scanned."""

    def read_side(self, clip, rng):
        if clip.name == "5.npy":
            raise ValueError("5.npy: cut")
        return read(self, clip, rng)

    return read_side


def train(*options):
    return main(["train", *map(str, options)])


def checkpoints_of(run):
    return sorted(int(path.stem[5:]) for path in (run / "checkpoints").glob("step-*.pt"))


def run_of(sequences, run, *options):
    shared = ["train", "--data", str(sequences), "--out", str(run), *OPTIONS, "--steps", "5"]
    assert main([*shared, *options]) == 0
    return run
