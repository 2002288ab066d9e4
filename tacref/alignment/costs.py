"""Costs of long videos without their matrix: along a path, or averaged to the size of a picture."""

import numpy as np

from tacref.alignment.distances import (
    COSTS,
    comparable_rows,
    costs_of_pairs,
    distance_matrix,
    half_unit_rows,
)
from tacref.kernels.dtw.cost import SQEUCLIDEAN
from tacref.reference import cost_matrix

_STEPS_PER_CHUNK = 2**12
# Where the mean cost of all pairs has no closed form, it is that of this many frames of each.
_FRAMES_SAMPLED = 1024


def step_costs(
    x: np.ndarray, y: np.ndarray, path: np.ndarray, cost: str = "sqeuclidean"
) -> np.ndarray:
    """Cost of the pair of frames at each step of a path.

    Parameters
    ----------
    x, y : ndarray of float64, shapes (n, d) and (m, d)
        Embeddings.
    path : ndarray of int64, shape (L, 2)
        Pairs of frames.
    cost : str
        One of `tacref.alignment.distances.COSTS`.

    Returns
    -------
    ndarray of float64, shape (L,)
        In the order of the path.
    """
    costs = np.empty(len(path))
    for start in range(0, len(path), _STEPS_PER_CHUNK):  # not all differences at once
        i, j = path[start : start + _STEPS_PER_CHUNK].T
        a, b = x[i], y[j]
        if cost == "cosine":
            a, b = half_unit_rows(a, "x"), half_unit_rows(b, "y")
        costs[start : start + _STEPS_PER_CHUNK] = costs_of_pairs(a, b, cost)
    return costs


def frame_means(frames: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Average the values of the steps of a path for each frame of one of its videos.

    Parameters
    ----------
    frames : ndarray of int64, shape (L,)
        The frame of each step; never decreases.
    values : ndarray of float64, shape (L,)
        A value for each step.
    count : int
        Number of frames of the video.

    Returns
    -------
    ndarray of float64, shape (count,)
        The mean over each frame's steps. A frame that a step skips lies on the straight line
        between its neighbors on the path; frames before and after the path get NaN.
    """
    counts = np.bincount(frames, minlength=count)
    on_path = np.flatnonzero(counts)
    means = np.bincount(frames, weights=values)[on_path] / counts[on_path]
    return np.interp(np.arange(count), on_path, means, left=np.nan, right=np.nan)


def mean_cost_of_all(x: np.ndarray, y: np.ndarray, cost: str = "sqeuclidean") -> float:
    """Return the mean cost of any frame of x and any frame of y; 0 if it is only rounding.

    Of "euclidean" and "l1", that of up to 1024 evenly spaced frames of each.
    """
    if COSTS[cost] != SQEUCLIDEAN:
        every_x, every_y = (-(-len(rows) // _FRAMES_SAMPLED) for rows in (x, y))
        return float(distance_matrix(x[::every_x], y[::every_y], cost).mean())
    x, y, _ = comparable_rows(x, y, cost)
    center_x, center_y = x.mean(axis=0), y.mean(axis=0)
    # Mean squared distance of all pairs in closed form: between the centers plus around them.
    mean = float(((center_x - center_y) ** 2).sum() + x.var(0).sum() + y.var(0).sum())
    lengths = float((center_x**2).sum() + (center_y**2).sum())
    return mean if mean > 1e-12 * lengths else 0.0


def mean_costs(
    x: np.ndarray, y: np.ndarray, max_side: int, cost: str = "sqeuclidean"
) -> np.ndarray:
    """Average the costs between all frames to a smaller matrix.

    The mean of a block needs none of its costs: it is the squared distance between the two mean
    embeddings, plus the mean squared distances of the frames from their means. Of "euclidean" and
    "l1", a block shows the cost between its two mean embeddings instead, which is at most the mean.

    Parameters
    ----------
    x, y : ndarray of float64, shapes (n, d) and (m, d)
        Embeddings.
    max_side : int
        Blocks along the longer side of the result, at most. Both sides are divided by about the
        same number.
    cost : str
        One of `tacref.alignment.distances.COSTS`.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        Means over blocks of consecutive frames; the costs themselves if both videos are short.
    """
    x, y, kind = comparable_rows(x, y, cost)
    longest = max(len(x), len(y))
    scale = min(1.0, max_side / longest)
    mean_x, spread_x = _blocks(x, max(1, round(scale * len(x))))
    mean_y, spread_y = _blocks(y, max(1, round(scale * len(y))))
    if kind != SQEUCLIDEAN:
        return distance_matrix(mean_x, mean_y, cost)
    return cost_matrix(mean_x, mean_y) + np.add.outer(spread_x, spread_y)


def _blocks(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each block of rows, and the mean squared distance of the rows from it."""
    blocks = np.array_split(x, count)
    means = np.stack([block.mean(axis=0) for block in blocks])
    pairs = zip(blocks, means, strict=True)
    return means, np.array([((block - mean) ** 2).sum(axis=1).mean() for block, mean in pairs])
