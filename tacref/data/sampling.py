"""Drawing frames of a clip: one in each of N equal segments, each with its context."""

from collections.abc import Sequence

import numpy as np


def segment_uniform(length: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one frame in each of `count` equal segments (LAV, section 4).

    Parameters
    ----------
    length : int
        Frames of the clip, >= 1.
    count : int
        Frames to draw, >= 1. If more than `length`, some repeat.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    ndarray of int64, shape (count,)
        Rising positions in [0, length).

    Raises
    ------
    ValueError
        If `length` or `count` is not >= 1.
    """
    for name, value in (("length", length), ("count", count)):
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value!r}")
    positions = (np.arange(count) + rng.random(count)) * (length / count)
    # Rounding may lift the last one to `length`.
    return np.minimum(positions.astype(np.int64), length - 1)


def context_windows(
    indices: np.ndarray, offsets: Sequence[int] | np.ndarray, length: int
) -> np.ndarray:
    """Return the context frames of each frame.

    Parameters
    ----------
    indices : ndarray of int64, shape (N,)
        Frames of a clip.
    offsets : sequence of int, or ndarray of int64, shape (N, K)
        Context frames relative to each frame; an array has separate offsets for each frame.
    length : int
        Frames of the clip. Beyond its ends, its first or last frame is repeated.

    Returns
    -------
    ndarray of int64, shape (N, K)
        Positions in [0, length).
    """
    return np.clip(indices[:, None] + np.asarray(offsets, dtype=np.int64), 0, length - 1)
