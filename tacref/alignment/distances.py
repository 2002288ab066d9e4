"""Costs of matching two frames: the distances between embeddings that the alignment offers."""

import numpy as np

from tacref.checks import in_one_line
from tacref.kernels.dtw.cost import EUCLIDEAN, L1, SQEUCLIDEAN

# What a cost is called, and how the kernels compute it. Half the squared distance of two unit
# vectors is 1 - cos, and exactly 0 for equal ones.
COSTS = {"sqeuclidean": SQEUCLIDEAN, "euclidean": EUCLIDEAN, "cosine": SQEUCLIDEAN, "l1": L1}
LABELS = {
    "sqeuclidean": "squared distance",
    "euclidean": "distance",
    "cosine": "1 - cosine",
    "l1": "sum of absolute differences",
}
# Cells whose differences are held at once.
_CELLS_PER_CHUNK = 2**20


def check_cost(cost: str) -> str:
    """Return `cost`, if it is one of `COSTS`.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not isinstance(cost, str) or cost not in COSTS:
        raise ValueError(f"cost must be one of {', '.join(COSTS)}, got {in_one_line(cost)}")
    return cost


def comparable_rows(x: np.ndarray, y: np.ndarray, cost: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the rows between which the kernels compute a cost, and its kind there.

    Raises
    ------
    ValueError
        If `cost` is unknown, or is "cosine" and a row is zero.
    """
    kind = COSTS[check_cost(cost)]
    if cost == "cosine":
        x, y = half_unit_rows(x, "x"), half_unit_rows(y, "y")
    return x, y, kind


def half_unit_rows(rows: np.ndarray, name: str) -> np.ndarray:
    """Return rows scaled to a squared length of 1/2: their squared distance is 1 - cos.

    Raises
    ------
    ValueError
        If a row is zero; names it.
    """
    largest = np.abs(rows).max(axis=1, keepdims=True)
    if (largest == 0).any():
        raise ValueError(
            f"{name} must not hold rows of zeros, which have no cosine, got one at row "
            f"{int(np.flatnonzero(largest == 0)[0])}"
        )
    scaled = rows / largest  # their squares neither overflow nor vanish
    unit: np.ndarray = scaled / np.sqrt(2.0 * (scaled**2).sum(axis=1, keepdims=True))
    return unit


def costs_of_pairs(a: np.ndarray, b: np.ndarray, cost: str) -> np.ndarray:
    """Return the cost of each row of `a` with the same row of `b`, or with all of them.

    Parameters
    ----------
    a, b : ndarray of float64
        Embeddings along the last axis; the other axes are broadcast.
    cost : str
        One of `COSTS`; for "cosine", rows that `half_unit_rows` returns.

    Returns
    -------
    ndarray of float64
        Without the last axis.
    """
    differences = a - b
    if COSTS[cost] == L1:
        return np.abs(differences).sum(axis=-1)
    squares = (differences**2).sum(axis=-1)
    return np.sqrt(squares) if COSTS[cost] == EUCLIDEAN else squares


def distance_matrix(x: np.ndarray, y: np.ndarray, cost: str) -> np.ndarray:
    """Return the costs between all rows.

    Parameters
    ----------
    x, y : ndarray of float64, shapes (n, d) and (m, d)
        Embeddings.
    cost : str
        One of `COSTS`.

    Returns
    -------
    ndarray of float64, shape (n, m)
        Equal rows give exactly 0.

    Raises
    ------
    ValueError
        If `cost` is "cosine" and a row is zero.
    """
    x, y, _ = comparable_rows(x, y, cost)
    D = np.empty((len(x), len(y)))
    rows = max(1, _CELLS_PER_CHUNK // max(1, y.size))
    for start in range(0, len(x), rows):
        D[start : start + rows] = costs_of_pairs(x[start : start + rows, None], y, cost)
    return D
