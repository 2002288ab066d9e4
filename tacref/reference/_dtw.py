"""Dynamic time warping (equations 1 and 2) with its path."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import takes_costs
from tacref.compiled import njit
from tacref.ends import End, OpenEnds, border_costs, check_open_ends, find_end
from tacref.reach import check_moves
from tacref.reference.checks import check_path, check_path_cost, check_reached
from tacref.steps import Steps, check_steps


@takes_costs
def dtw(
    D: ArrayLike,
    *,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    open_begin: str | None = None,
    open_end: str | None = None,
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
        first cell of a path costs `D` there.
    band : int or float, optional
        Frames are matched only within this band, whose width is in frames of the shorter sequence
        ("itakura": the largest slope, >= 1). By default there is no band.
    band_shape : {"diagonal", "offset", "itakura"}
        Around the line from corner to corner, around i = j, or a parallelogram between the
        corners; `tacref.bands.band_columns` defines them.
    open_begin : "x", "y" or "both", optional
        Which sequence may begin anywhere, at no cost. "y": the path begins at (0, j) for any j;
        "x": at (i, 0) for any i; "both": at either. By default it begins at (0, 0).
    open_end : "x", "y" or "both", optional
        Which sequence may end anywhere. "y": the path ends at (n-1, j) for any j; "x": at
        (i, m-1) for any i; "both": at either. By default it ends at (n-1, m-1).

    Returns
    -------
    float
        The least sum of costs along a path, in the unit of `D`.

    Raises
    ------
    ValueError
        If `D` is not 2-d and non-empty, holds NaN or -inf, or leaves no path free; if `band` is
        out of range or leaves no path; if no path by `steps` leads to the end; or if `open_begin`
        or `open_end` is unknown.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equations 1 and 2; Tormene et
    al., "Matching incomplete time series with dynamic time warping", Artificial Intelligence in
    Medicine 2009, for open ends.
    """
    return _solve(D, steps, band, band_shape, check_open_ends(open_begin, open_end)).end.cost


@takes_costs
def dtw_path(
    D: ArrayLike,
    *,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    open_begin: str | None = None,
    open_end: str | None = None,
) -> np.ndarray:
    """Path of the cheapest alignment.

    Our choice, not the paper's: of equally cheap ends the path takes the earliest one, and one in
    the last row before one in the last column. Going back from there, ties take an open begin
    first, then the diagonal step, then the step in x (up), then the step in y (left). Of other
    `steps`, ties take the one that is listed first.

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames; +inf forbids a cell. Not modified.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path: (1, 1), (1, 0), (0, 1); (1, 1), (1, 2), (2, 1), which stay at no frame; or
        (1, 0), (1, 1), (1, 2), which take every frame of x once. Or a list of (rows, columns,
        weight): a step to (i, j) costs `weight * D[i, j]`, and cells between cost nothing. The
        first cell of a path costs `D` there.
    band : int or float, optional
        Frames are matched only within this band, whose width is in frames of the shorter sequence
        ("itakura": the largest slope, >= 1). By default there is no band.
    band_shape : {"diagonal", "offset", "itakura"}
        Around the line from corner to corner, around i = j, or a parallelogram between the
        corners; `tacref.bands.band_columns` defines them.
    open_begin : "x", "y" or "both", optional
        Which sequence may begin anywhere, at no cost. "y": the path begins at (0, j) for any j;
        "x": at (i, 0) for any i; "both": at either. By default it begins at (0, 0).
    open_end : "x", "y" or "both", optional
        Which sequence may end anywhere. "y": the path ends at (n-1, j) for any j; "x": at
        (i, m-1) for any i; "both": at either. By default it ends at (n-1, m-1).

    Returns
    -------
    ndarray of int64, shape (L, 2)
        Cells (i, j) from (0, 0) to (n-1, m-1), unless a begin or an end is open; at most n + m - 1,
        and then at least max(n, m), unless a step skips some.

    Raises
    ------
    ValueError
        If `D` is not 2-d and non-empty, holds NaN or -inf, or leaves no path free; if `band` is
        out of range or leaves no path; if no path by `steps` leads to the end; or if `open_begin`
        or `open_end` is unknown.
    """
    solution = _solve(D, steps, band, band_shape, check_open_ends(open_begin, open_end))
    i, j, _ = solution.end
    if solution.steps.are_any:
        return _backtrack(solution.table, i, j)
    return _backtrack_steps(solution.table, solution.steps.rows, solution.steps.columns, i, j)


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


class _Solution(NamedTuple):
    """Where the cheapest path ends, and what it is traced back in: R, or the step to each cell."""

    end: End
    table: np.ndarray
    steps: Steps


def _solve(
    D: ArrayLike,
    steps: str | Sequence[Sequence[float]],
    band: float | None,
    band_shape: str,
    open_ends: OpenEnds,
) -> _Solution:
    checked = check_steps(steps)
    costs = check_path_cost(D, band, band_shape)
    above, before = border_costs(open_ends.begin)
    if checked.are_any:
        table = _accumulate(costs, above, before)
        R = table[1:, 1:]
    else:
        moves = check_moves(checked, costs.shape, band, band_shape, open_ends)
        R, table = _accumulate_steps(costs, above, before, *moves)
    end = find_end(R[-1], R[:, -1], open_ends.end)
    check_reached(end.cost)
    return _Solution(end, table, checked)


@njit(cache=True)
def _accumulate(D: np.ndarray, above: float, before: float) -> np.ndarray:
    n, m = D.shape
    # A border of inf forces every path to start at (0, 0); one of 0 lets it start anywhere.
    R = np.full((n + 1, m + 1), np.inf)
    R[0, 1:] = above
    R[1:, 0] = before
    R[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            # eq. 2: r(i, j) = D(i, j) + min{ ... }; D is 0-based, R is 1-based
            R[i, j] = D[i - 1, j - 1] + min(R[i - 1, j - 1], R[i - 1, j], R[i, j - 1])
    return R


@njit(cache=True)
def _backtrack(R: np.ndarray, i: int, j: int) -> np.ndarray:
    """Return the path that ends at (i, j)."""
    i, j = i + 1, j + 1
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


@njit(cache=True)
def _accumulate_steps(
    D: np.ndarray,
    above: float,
    before: float,
    rows: np.ndarray,
    columns: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Accumulated costs of each cell, and the step that leads to it; -1 where a path begins."""
    n, m = D.shape
    R, choices = np.full((n, m), np.inf), np.full((n, m), -1, np.int8)
    # What is added is 0 where a path may begin, else inf.
    R[0, :] = above + D[0, :]
    R[:, 0] = before + D[:, 0]
    R[0, 0] = D[0, 0]
    for i in range(n):
        for j in range(m):
            for k in range(len(rows)):
                if rows[k] > i or columns[k] > j or D[i, j] == np.inf:
                    continue
                # r(i, j) = min over steps of r(i - rows, j - columns) + weight D(i, j)
                total = R[i - rows[k], j - columns[k]] + weights[k] * D[i, j]
                if total < R[i, j]:
                    R[i, j], choices[i, j] = total, k
    return R, choices


@njit(cache=True)
def _backtrack_steps(
    choices: np.ndarray, rows: np.ndarray, columns: np.ndarray, i: int, j: int
) -> np.ndarray:
    """Return the path that ends at (i, j)."""
    path = np.empty((i + j + 1, 2), np.int64)
    step = len(path) - 1
    path[step, 0], path[step, 1] = i, j
    while choices[i, j] >= 0:
        k = choices[i, j]
        i, j = i - rows[k], j - columns[k]
        step -= 1
        path[step, 0], path[step, 1] = i, j
    return path[step:].copy()
