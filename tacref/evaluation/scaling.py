"""Embeddings to learn from, at a scale at which their squares neither over- nor underflow."""

import numpy as np

# How much larger than the training rows the others may be.
MOST = 1e100


def scaled(train_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both over one power of two, which rounds nothing, so that training rows reach 1.

    Parameters
    ----------
    train_rows, rows : ndarray of float64, of shapes (N, d) and (M, d)
        Embeddings of the frames learned from, and of those to be scored.

    Raises
    ------
    ValueError
        If the latter have another d, or reach more than 1e100 times as far from 0.
    """
    if train_rows.shape[1] != rows.shape[1]:
        raise ValueError(
            f"embeddings must have the d of train_embeddings, {train_rows.shape[1]}, got "
            f"{rows.shape[1]}"
        )
    train_reach, reach = np.abs(train_rows).max(), np.abs(rows).max()
    if 0 < train_reach < reach / MOST:
        raise ValueError(
            f"embeddings must not be more than {MOST:g} times as large as train_embeddings, got "
            f"{reach:g} and {train_reach:g}"
        )
    exponent = int(np.frexp(train_reach)[1])
    return np.ldexp(train_rows, -exponent), np.ldexp(rows, -exponent)
