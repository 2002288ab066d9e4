"""What the contestants compute on: embeddings of unit length, the same for a seed everywhere.

All are float32 numbers, so that float64 contestants compute on exactly the same.
"""

import zlib

import numpy as np

SEED = 0
KINDS = {
    "videos": "two synthetic videos a pair: a smooth random walk that returns to the origin, and "
    "the same walk at an uneven pace with noise of a tenth of its size; unit length",
    "random": "independent random directions, unit length",
}
RETURN = 0.04  # share of the way to the origin, a frame: it forgets in some 25 frames
SMOOTH = 9  # frames over which the steps of a walk are averaged
NOISE = 0.1


def make_batch(kind: str, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings x and y, both float32 of `shape` (B, n, d)."""
    B, n, d = shape
    rng = np.random.default_rng([SEED, zlib.crc32(kind.encode()), B, n, d])
    if kind == "random":
        x, y = rng.normal(size=(2, B, n, d))
    else:
        pairs = [_videos(n, d, rng) for _ in range(B)]
        x, y = (np.stack(videos) for videos in zip(*pairs, strict=True))
    return _unit(x), _unit(y)


def _videos(n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    places = rng.normal(size=(n + SMOOTH, d))
    places[0] /= np.sqrt(2 * RETURN)  # about its size everywhere
    for step in range(1, len(places)):
        places[step] += (1 - RETURN) * places[step - 1]
    sums = np.concatenate((np.zeros((1, d)), places.cumsum(0)))
    walk = (sums[SMOOTH : SMOOTH + n] - sums[:n]) / SMOOTH
    pace = rng.exponential(size=n).cumsum()
    times = (pace - pace[0]) / max(pace[-1] - pace[0], 1e-9) * (n - 1)
    before = np.minimum(times.astype(int), max(n - 2, 0))
    share = (times - before)[:, None]
    warped = (1 - share) * walk[before] + share * walk[np.minimum(before + 1, n - 1)]
    size = np.linalg.norm(warped, axis=1, keepdims=True) / np.sqrt(d)
    return walk, warped + NOISE * size * rng.normal(size=(n, d))


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
