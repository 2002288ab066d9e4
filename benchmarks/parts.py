"""Where a clip is found in a long video of other activities: errors of begin and end, in frames.

python -m benchmarks.parts [--trials 40]

No encoder is trained: embeddings are the poses of the built-in activity (where hand, jug and glass
are, how they tilt, how full they are), scaled to unit variance, with an offset for each clip and
noise in each frame. The other activities are the same movements turned by a random rotation of
these ten numbers, with their phases in another order. Each clip has its own speeds.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from tacref.alignment import find_matches
from tacref.data.scene import PHASES, pose
from tacref.data.synthetic import draw_timeline

OTHERS = 5
# Standard deviations of a clip's offset and of a frame's noise; 1 is that of the movement.
LEVELS = ((0.1, 0.1), (0.2, 0.3), (0.3, 0.5))
# A match is right if neither end is off by more than this many frames.
NEAR = 5


def clip(
    rng: np.random.Generator, rotation: np.ndarray, order: np.ndarray, level: tuple[float, float]
) -> np.ndarray:
    """Return the embeddings of a new clip of one activity."""
    timeline = draw_timeline(rng)
    rows = np.array([_numbers(phase, p) for phase in order for p in timeline[phase]])
    whole = np.array([_numbers(phase, p) for phase in range(len(PHASES)) for p in _EVEN])
    rows = (rows - whole.mean(axis=0)) / whole.std(axis=0) @ rotation
    offset, noise = (
        scale * rng.normal(size=shape) for scale, shape in zip(level, (10, rows.shape), strict=True)
    )
    return rows + offset + noise


_EVEN = np.linspace(0, 1, 20)


def _numbers(phase: int, progress: float) -> np.ndarray:
    now = pose(phase, progress)
    return np.hstack(
        (now.hand, now.jug, now.jug_tilt, now.jug_level, now.glass, now.glass_tilt, now.glass_level)
    )


def trial(seed: int, level: tuple[float, float]) -> tuple[int, int]:
    """Return by how many frames begin and end of the best match are off."""
    rng = np.random.default_rng(seed)
    order, identity = np.arange(len(PHASES)), np.eye(10)
    short, planted = (clip(rng, identity, order, level) for _ in range(2))
    others = [
        clip(rng, np.linalg.qr(rng.normal(size=(10, 10)))[0], rng.permutation(order), level)
        for _ in range(OTHERS)
    ]
    place = int(rng.integers(0, OTHERS + 1))
    begin = sum(map(len, others[:place]))
    (match,) = find_matches(short, np.concatenate((*others[:place], planted, *others[place:])))
    return abs(match.begin - begin), abs(match.end - begin - len(planted))


def main(argv: Sequence[str] | None = None) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    options = parser.parse_args(argv)
    print("| offset, noise | median error of begin | of end | largest | both within 5 frames |")
    print("|---|---:|---:|---:|---:|")
    for level in LEVELS:
        errors = np.array([trial(seed, level) for seed in range(options.trials)])
        begin, end = np.median(errors, axis=0)
        right = (errors <= NEAR).all(axis=1).sum()
        print(
            f"| {level[0]}, {level[1]} | {begin:g} | {end:g} | {errors.max()} | {right} of "
            f"{len(errors)} |"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
