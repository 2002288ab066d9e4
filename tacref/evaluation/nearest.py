"""Nearest rows by Euclidean distance, ties to the first, in bounded memory."""

from collections.abc import Iterator

import numpy as np

# Numbers of a block of distances.
BLOCK = 1 << 22


def nearest(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Return the index of the nearest row of `gallery` `(N, d)` for each of `queries` `(T, d)`."""
    return np.concatenate([np.argmin(block, axis=1) for block in _blocks(queries, gallery)])


def k_nearest(queries: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """Return the k nearest rows of `gallery`, nearest first, as indices `(T, min(k, N))`."""
    k = min(k, len(gallery))
    rows = []
    for block in _blocks(queries, gallery):
        farthest = np.partition(block, k - 1, axis=1)[:, k - 1]
        for distances, bound in zip(block, farthest, strict=True):
            # All that tie at the bound are candidates, so that the first of them are taken.
            candidates = np.flatnonzero(distances <= bound)
            order = np.argsort(distances[candidates], kind="stable")
            rows.append(candidates[order[:k]])
    return np.stack(rows)


def _blocks(queries: np.ndarray, gallery: np.ndarray) -> Iterator[np.ndarray]:
    # |a - b|^2 = |a|^2 + |b|^2 - 2 ab, and |a|^2 does not change which b is nearest.
    squares = (gallery**2).sum(1)
    step = max(1, BLOCK // len(gallery))
    for start in range(0, len(queries), step):
        yield squares - 2.0 * queries[start : start + step] @ gallery.T
