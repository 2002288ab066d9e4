"""Scaling of embeddings, so that their squares neither overflow nor underflow."""

import numpy as np

# How many times larger than the training rows the other rows may be.
MAX_SIZE_RATIO = 1e100


def scaled(train_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both divided by a power of two, which rounds nothing, so that training rows reach 1.

    Parameters
    ----------
    train_rows, rows : ndarray of float64, of shapes (N, d) and (M, d)
        Embeddings of the training frames, and of the frames to score.

    Raises
    ------
    ValueError
        If `rows` have another d, or are more than 1e100 times as large.
    """
    if train_rows.shape[1] != rows.shape[1]:
        raise ValueError(
            f"embeddings must have the d of train_embeddings, {train_rows.shape[1]}, got "
            f"{rows.shape[1]}"
        )
    train_reach, reach = np.abs(train_rows).max(), np.abs(rows).max()
    if 0 < train_reach < reach / MAX_SIZE_RATIO:
        raise ValueError(
            f"embeddings must not be more than {MAX_SIZE_RATIO:g} times as large as "
            f"train_embeddings, got {reach:g} and {train_reach:g}"
        )
    exponent = int(np.frexp(train_reach)[1])
    return np.ldexp(train_rows, -exponent), np.ldexp(rows, -exponent)
