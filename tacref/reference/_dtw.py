"""Dynamic time warping (equations 1 and 2) with its path."""

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import takes_costs
from tacref.compiled import njit
from tacref.reference.checks import check_path, check_path_cost, check_reached
from tacref.reference.ends import End, border_costs, check_open, find_end


@takes_costs
def dtw(
    D: ArrayLike,
    *,
    band: int | None = None,
    open_begin: str | None = None,
    open_end: str | None = None,
) -> float:
    """Cost of the cheapest alignment of two sequences.

    `dtw = min over A in A(n, m) of <A, D>`, where `A(n, m)` are the 0/1 matrices of monotone
    paths from the top left to the bottom right cell with steps (1, 0), (0, 1), (1, 1).

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames; +inf forbids a cell. Not modified.
    band : int, optional
        Sakoe-Chiba band, >= |n - m|: cells with |i - j| > band are forbidden. By default there is
        no band.
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
        not a whole number >= |n - m|; or if `open_begin` or `open_end` is unknown.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equations 1 and 2; Tormene et
    al., "Matching incomplete time series with dynamic time warping", Artificial Intelligence in
    Medicine 2009, for open ends.
    """
    return _solve(D, band, open_begin, open_end)[1].cost


@takes_costs
def dtw_path(
    D: ArrayLike,
    *,
    band: int | None = None,
    open_begin: str | None = None,
    open_end: str | None = None,
) -> np.ndarray:
    """Path of the cheapest alignment.

    Our choice, not the paper's: of equally cheap ends the path takes the earliest one, and one in
    the last row before one in the last column. Going back from there, ties take an open begin
    first, then the diagonal step, then the step in x (up), then the step in y (left).

    Parameters
    ----------
    D : array_like, shape (n, m)
        Costs between frames; +inf forbids a cell. Not modified.
    band : int, optional
        Sakoe-Chiba band, >= |n - m|: cells with |i - j| > band are forbidden. By default there is
        no band.
    open_begin : "x", "y" or "both", optional
        Which sequence may begin anywhere, at no cost. "y": the path begins at (0, j) for any j;
        "x": at (i, 0) for any i; "both": at either. By default it begins at (0, 0).
    open_end : "x", "y" or "both", optional
        Which sequence may end anywhere. "y": the path ends at (n-1, j) for any j; "x": at
        (i, m-1) for any i; "both": at either. By default it ends at (n-1, m-1).

    Returns
    -------
    ndarray of int64, shape (L, 2)
        Cells (i, j) from (0, 0) to (n-1, m-1), max(n, m) <= L <= n + m - 1, unless a begin or an
        end is open.

    Raises
    ------
    ValueError
        If `D` is not 2-d and non-empty, holds NaN or -inf, or leaves no path free; if `band` is
        not a whole number >= |n - m|; or if `open_begin` or `open_end` is unknown.
    """
    R, end = _solve(D, band, open_begin, open_end)
    return _backtrack(R, end.i, end.j)


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


def _solve(
    D: ArrayLike, band: int | None, open_begin: str | None, open_end: str | None
) -> tuple[np.ndarray, End]:
    """Return R, and where the cheapest path ends."""
    check_open(open_begin, "open_begin")
    check_open(open_end, "open_end")
    R = _accumulate(check_path_cost(D, band), *border_costs(open_begin))
    end = find_end(R[-1, 1:], R[1:, -1], open_end)
    check_reached(end.cost)
    return R, end


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
