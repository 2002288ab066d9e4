"""Costs of long videos without their matrix: along a path, or averaged to the size of a picture."""

import numpy as np

from tacref.reference import cost_matrix

_STEPS_PER_CHUNK = 2**12


def step_costs(x: np.ndarray, y: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance of each step of a path.

    Parameters
    ----------
    x, y : ndarray of float64, shapes (n, d) and (m, d)
        Embeddings.
    path : ndarray of int64, shape (L, 2)
        Pairs of frames.

    Returns
    -------
    ndarray of float64, shape (L,)
        In the order of the path.
    """
    costs = np.empty(len(path))
    for start in range(0, len(path), _STEPS_PER_CHUNK):  # not all differences at once
        i, j = path[start : start + _STEPS_PER_CHUNK].T
        costs[start : start + _STEPS_PER_CHUNK] = ((x[i] - y[j]) ** 2).sum(axis=1)
    return costs


def mean_costs(x: np.ndarray, y: np.ndarray, max_side: int) -> np.ndarray:
    """Average the costs between all frames to a smaller matrix.

    The mean of a block needs none of its costs: it is the squared distance between the two mean
    embeddings, plus the mean squared distances of the frames from their means.

    Parameters
    ----------
    x, y : ndarray of float64, shapes (n, d) and (m, d)
        Embeddings.
    max_side : int
        Blocks along the longer side of the result, at most. Both sides are divided by about the
        same number.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        Means over blocks of consecutive frames; the costs themselves if both videos are short.
    """
    longest = max(len(x), len(y))
    scale = min(1.0, max_side / longest)
    mean_x, spread_x = _blocks(x, max(1, round(scale * len(x))))
    mean_y, spread_y = _blocks(y, max(1, round(scale * len(y))))
    return cost_matrix(mean_x, mean_y) + np.add.outer(spread_x, spread_y)


def _blocks(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each block of rows, and the mean squared distance of the rows from it."""
    blocks = np.array_split(x, count)
    means = np.stack([block.mean(axis=0) for block in blocks])
    pairs = zip(blocks, means, strict=True)
    return means, np.array([((block - mean) ** 2).sum(axis=1).mean() for block, mean in pairs])
