"""Dynamic time warping (equations 1 and 2) with its path."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import takes_costs
from tacref.compiled import njit
from tacref.reference.checks import check_path, check_path_cost, check_reached
from tacref.reference.steps import Steps, check_steps, check_steps_reach


@takes_costs
def dtw(
    D: ArrayLike,
    *,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
) -> float:
    """Cost of the cheapest alignment of two sequences.

    `dtw = min over A in A(n, m) of <A, D>`, where `A(n, m)` are the 0/1 matrices of monotone
    paths from the top left to the bottom right cell with steps (1, 0), (0, 1), (1, 1). Other
    `steps` lead along other paths, and their weights multiply the costs.

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames; +inf forbids a cell. Not modified.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path: (1, 1), (1, 0), (0, 1); (1, 1), (1, 2), (2, 1), which stay at no frame; or
        (1, 0), (1, 1), (1, 2), which take every frame of x once. Or a list of (rows, columns,
        weight): a step to (i, j) costs `weight * D[i, j]`, and cells between cost nothing. The
        first cell costs `D[0, 0]`.
    band : int or float, optional
        Frames are matched only within this band, whose width is in frames of the shorter sequence
        ("itakura": the largest slope, >= 1). By default there is no band.
    band_shape : {"diagonal", "offset", "itakura"}
        Around the line from corner to corner, around i = j, or a parallelogram between the
        corners; `tacref.reference.bands.band_columns` defines them.

    Returns
    -------
    float
        The least sum of costs along a path, in the unit of `D`.

    Raises
    ------
    ValueError
        If `D` is not 2-d and non-empty, holds NaN or -inf, or leaves no path free; or if `band`
        is out of range or leaves no path; or if no path by `steps` leads to the last cell.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equations 1 and 2.
    """
    checked = check_steps(steps)
    costs = check_path_cost(D, band, band_shape)
    if checked.are_any:
        return check_reached(float(_accumulate(costs)[-1, -1]))
    R, _ = _accumulate_steps(costs, *_moves(checked, costs.shape, band, band_shape))
    return check_reached(float(R[-1, -1]))


@takes_costs
def dtw_path(
    D: ArrayLike,
    *,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
) -> np.ndarray:
    """Path of the cheapest alignment.

    Our choice, not the paper's: going back from the last cell, ties take the diagonal step
    first, then the step in x (up), then the step in y (left). Of other `steps`, ties take the one
    that is listed first.

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames; +inf forbids a cell. Not modified.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path: (1, 1), (1, 0), (0, 1); (1, 1), (1, 2), (2, 1), which stay at no frame; or
        (1, 0), (1, 1), (1, 2), which take every frame of x once. Or a list of (rows, columns,
        weight): a step to (i, j) costs `weight * D[i, j]`, and cells between cost nothing. The
        first cell costs `D[0, 0]`.
    band : int or float, optional
        Frames are matched only within this band, whose width is in frames of the shorter sequence
        ("itakura": the largest slope, >= 1). By default there is no band.
    band_shape : {"diagonal", "offset", "itakura"}
        Around the line from corner to corner, around i = j, or a parallelogram between the
        corners; `tacref.reference.bands.band_columns` defines them.

    Returns
    -------
    ndarray of int64, shape (L, 2)
        Cells (i, j) from (0, 0) to (n-1, m-1), at most n + m - 1; at least max(n, m), unless a step
        skips some.

    Raises
    ------
    ValueError
        If `D` is not 2-d and non-empty, holds NaN or -inf, or leaves no path free; or if `band`
        is out of range or leaves no path; or if no path by `steps` leads to the last cell.
    """
    checked = check_steps(steps)
    costs = check_path_cost(D, band, band_shape)
    if checked.are_any:
        R = _accumulate(costs)
        check_reached(float(R[-1, -1]))
        return _backtrack(R)
    moves = _moves(checked, costs.shape, band, band_shape)
    R, choices = _accumulate_steps(costs, *moves)
    check_reached(float(R[-1, -1]))
    return _backtrack_steps(choices, *moves[:2])


def alignment_matrix(path: ArrayLike, shape: tuple[int, int]) -> np.ndarray:
    """Write a path as the 0/1 matrix A of equation 1.

    Parameters
    ----------
    path : array_like of int, shape (L, 2)
        A monotone path from (0, 0) to (n-1, m-1), such as `dtw_path` returns.
    shape : (int, int)
        (n, m).

    Returns
    -------
    ndarray of float64, shape (n, m)
        1 on the path, else 0.

    Raises
    ------
    ValueError
        If `path` is not such a path.
    """
    cells = check_path(path, shape)
    A = np.zeros(shape)
    A[cells[:, 0], cells[:, 1]] = 1.0
    return A


@njit(cache=True)
def _accumulate(D: np.ndarray) -> np.ndarray:
    n, m = D.shape
    # The inf border forces every path to start at (0, 0).
    R = np.full((n + 1, m + 1), np.inf)
    R[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            # eq. 2: r(i, j) = D(i, j) + min{ ... }; D is 0-based, R is 1-based
            R[i, j] = D[i - 1, j - 1] + min(R[i - 1, j - 1], R[i - 1, j], R[i, j - 1])
    return R


@njit(cache=True)
def _backtrack(R: np.ndarray) -> np.ndarray:
    i, j = R.shape[0] - 1, R.shape[1] - 1
    path = np.empty((i + j - 1, 2), np.int64)
    step = len(path)
    while i > 0 and j > 0:
        step -= 1
        path[step, 0], path[step, 1] = i - 1, j - 1
        diagonal, up, left = R[i - 1, j - 1], R[i - 1, j], R[i, j - 1]
        if diagonal <= up and diagonal <= left:
            i, j = i - 1, j - 1
        elif up <= left:
            i -= 1
        else:
            j -= 1
    return path[step:].copy()


def _moves(
    steps: Steps, shape: tuple[int, int], band: float | None, band_shape: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and weights of steps that lead to the last cell."""
    check_steps_reach(steps, *shape, band, band_shape)
    return steps.rows, steps.columns, steps.weights


@njit(cache=True)
def _accumulate_steps(
    D: np.ndarray, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Accumulated costs of each cell, and the step that leads to it; -1 for none."""
    n, m = D.shape
    R, choices = np.full((n, m), np.inf), np.full((n, m), -1, np.int8)
    R[0, 0] = D[0, 0]
    for i in range(n):
        for j in range(m):
            for k in range(len(rows)):
                if rows[k] > i or columns[k] > j or D[i, j] == np.inf:
                    continue
                # r(i, j) = min over steps of r(i - rows, j - columns) + weight D(i, j)
                total = R[i - rows[k], j - columns[k]] + weights[k] * D[i, j]
                if total < R[i, j] and (i > 0 or j > 0):
                    R[i, j], choices[i, j] = total, k
    return R, choices


@njit(cache=True)
def _backtrack_steps(choices: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    i, j = choices.shape[0] - 1, choices.shape[1] - 1
    path = np.empty((i + j + 1, 2), np.int64)
    step = len(path) - 1
    path[step, 0], path[step, 1] = i, j
    while choices[i, j] >= 0:
        k = choices[i, j]
        i, j = i - rows[k], j - columns[k]
        step -= 1
        path[step, 0], path[step, 1] = i, j
    return path[step:].copy()
