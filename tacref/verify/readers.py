"""What a path or a barycenter is worth, as one number: so that it can be compared with a right one.

A reader takes what the function returned, its inputs and its options; `READERS` has them by name.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from tacref.verify import long_oracle
from tacref.verify.band_cells import cells_inside
from tacref.verify.guard import ReturnedError
from tacref.verify.path_oracle import STEPS

PATH_FORMS = "a path, cells (i, j) from first to last, or (value, path)"


def cost_of_path(
    returned: Any,
    *inputs: np.ndarray,
    steps: str = "any",
    band: float | None = None,
    band_shape: str = "offset",
) -> float:
    """Return what a path costs.

    Raises
    ------
    ReturnedError
        If it is no path from the first cell to the last by these steps, inside the band.
    """
    path, _ = _split(returned)
    D = _costs(inputs)
    n, m = D.shape
    cells = _cells(path)
    inside = cells_inside(n, m, {"band": band, "band_shape": band_shape})
    for i, j in cells:
        if not (0 <= i < n and 0 <= j < m):
            raise ReturnedError(f"returned a path with cell ({i}, {j}) of {n} x {m}")
        if inside is not None and not inside[i, j]:
            raise ReturnedError(f"returned a path through cell ({i}, {j}), outside the band")
    for end, cell, right in (("begins", cells[0], (0, 0)), ("ends", cells[-1], (n - 1, m - 1))):
        if cell != right:
            raise ReturnedError(f"returned a path that {end} at {cell}, not at {right}")
    weights = {(a, b): weight for a, b, weight in STEPS[steps]}
    total = D[0, 0]
    for before, after in pairwise(cells):
        step = after[0] - before[0], after[1] - before[1]
        if step not in weights:
            raise ReturnedError(f"returned a path with a step from {before} to {after}")
        total = total + weights[step] * D[after]
    return float(total)


def value_with_path(returned: Any, *inputs: np.ndarray, **options: Any) -> float:
    """Return the value that comes with a path.

    Raises
    ------
    ReturnedError
        If there is none.
    """
    _, value = _split(returned)
    if value is None:
        raise ReturnedError("returned no value with the path")
    return float(value)


def slope_of_objective(
    returned: Any, sequences: Any, start: np.ndarray, *, gamma: float | None = None
) -> float:
    """Return how far a sequence is from a stationary point of the sum of (soft-)DTW to all.

    It is the largest gradient of a frame, over what it would be if all that pulls at the frame
    pulled the same way by the spread of all frames; `gamma=None` is DTW.

    Raises
    ------
    ReturnedError
        If it does not have the shape of `start`.
    """
    return _slope(_sequence(returned, start), sequences, [1.0] * len(sequences), gamma)


def slope_by_length(
    returned: Any, sequences: Any, start: np.ndarray, *, gamma: float | None = None
) -> float:
    """Return the same where each sequence weighs 1 / its length."""
    weights = [1.0 / len(each) for each in sequences]
    return _slope(_sequence(returned, start), sequences, weights, gamma)


def rise_over_start(
    returned: Any, sequences: Any, start: np.ndarray, *, gamma: float | None = None
) -> float:
    """Return by how much of itself the objective is above that of the start; 0 if it is not."""
    center = _sequence(returned, start)
    found, before = (_objective(each, sequences, gamma) for each in (center, start))
    return max(0.0, (found - before) / (1.0 + abs(before)))


READERS: dict[str, Callable[..., float]] = {
    reader.__name__: reader
    for reader in (
        cost_of_path,
        value_with_path,
        slope_of_objective,
        slope_by_length,
        rise_over_start,
    )
}


def _split(returned: Any) -> tuple[Any, float | None]:
    """Return path and value, in either order, or a path and None."""
    if isinstance(returned, tuple) and len(returned) == 2:
        sizes = [np.size(each) for each in returned]
        if sizes[0] == 1 and sizes[1] != 1:
            return returned[1], float(np.asarray(returned[0]).item())
        if sizes[1] == 1 and sizes[0] != 1:
            return returned[0], float(np.asarray(returned[1]).item())
    return returned, None


def _cells(path: Any) -> list[tuple[int, int]]:
    try:
        array = np.asarray(path)
        whole = array.astype(np.int64)
    except (TypeError, ValueError) as error:
        raise ReturnedError(f"returned {type(path).__name__}, expected {PATH_FORMS}") from error
    if array.ndim != 2 or array.shape[1:] != (2,) or not len(array):
        raise ReturnedError(f"returned shape {array.shape}, expected {PATH_FORMS}")
    if not np.array_equal(whole, array):
        raise ReturnedError("returned a path with cells that are no whole numbers")
    return [(int(i), int(j)) for i, j in whole]


def _costs(inputs: tuple[np.ndarray, ...]) -> np.ndarray:
    if len(inputs) == 1:
        return inputs[0].astype(long_oracle.Wide)
    return long_oracle.squared_distances(*inputs)


def _sequence(returned: Any, start: np.ndarray) -> np.ndarray:
    array = np.asarray(returned)
    if array.dtype.kind not in "fiu" or array.shape != start.shape:
        raise ReturnedError(f"returned shape {array.shape}, expected {start.shape}")
    return array.astype(np.float64)


def _slope(center: np.ndarray, sequences: Any, weights: list[float], gamma: float | None) -> float:
    if not np.isfinite(center).all():
        return math.nan
    total, pull = np.zeros(center.shape, long_oracle.Wide), np.zeros(len(center), long_oracle.Wide)
    for rows, weight in zip(sequences, weights, strict=True):
        _, E = _aligned(center, np.asarray(rows), gamma)
        total += weight * long_oracle.to_embeddings(E, center, np.asarray(rows))[0]
        pull += weight * 2 * E.sum(1)
    frames = np.concatenate([np.asarray(rows, np.float64) for rows in sequences])
    spread = math.sqrt(float(((frames - frames.mean(0)) ** 2).sum(1).mean())) or 1.0
    sizes = np.sqrt((total.astype(np.float64) ** 2).sum(1))
    return float((sizes / (pull.astype(np.float64) * spread)).max())


def _objective(center: np.ndarray, sequences: Any, gamma: float | None) -> float:
    return float(sum(_aligned(center, np.asarray(rows), gamma)[0] for rows in sequences))


def _aligned(x: np.ndarray, y: np.ndarray, gamma: float | None) -> tuple[Any, np.ndarray]:
    """Return (soft-)DTW of two sequences and how often each pair of frames is matched."""
    D = long_oracle.squared_distances(x, y)
    return long_oracle.soft_dtw(D, gamma) if gamma is not None else _hard(D)


def _hard(D: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return DTW and a cheapest path as a matrix of 0 and 1."""
    n, m = D.shape
    R = np.full((n + 1, m + 1), np.inf, D.dtype)
    R[0, 0] = 0
    for i in range(n):
        for j in range(m):
            R[i + 1, j + 1] = D[i, j] + min(R[i, j], R[i, j + 1], R[i + 1, j])
    path, i, j = np.zeros(D.shape, D.dtype), n, m
    while i:
        path[i - 1, j - 1] = 1
        i, j = min(((i - 1, j - 1), (i - 1, j), (i, j - 1)), key=lambda cell: R[cell])
    return R[n, m], path
