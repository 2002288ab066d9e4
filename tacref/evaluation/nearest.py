"""Nearest rows by Euclidean distance, ties to the first, in bounded memory."""

from collections.abc import Iterator, Sequence

import numpy as np

# Numbers of a block of distances.
BLOCK = 1 << 22


def nearest(videos: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Return, for videos a and b, the nearest frame in b of each frame of a, as `[a][b]` `(T_a,)`.

    Parameters
    ----------
    videos : sequence of ndarray, each of shape (T_v, d)
        Frame embeddings.
    """
    # One product with all videos at once: threads of BLAS cost more than a product of two is worth.
    gallery = np.concatenate(videos)
    starts = np.cumsum([len(video) for video in videos])[:-1]
    found = []
    for video in videos:
        blocks = [
            [np.argmin(part, axis=1) for part in np.split(block, starts, axis=1)]
            for block in _blocks(video, gallery)
        ]
        found.append([np.concatenate(parts) for parts in zip(*blocks, strict=True)])
    return found


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
