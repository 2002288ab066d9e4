"""DTW of two embeddings and its path (equations 1 and 2), in memory linear in their lengths."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.bound import upper_bound
from tacref.alignment.path import find_path, plan_blocks
from tacref.alignment.stepwise import steps_cost, steps_path
from tacref.alignment.sweep import (
    Progress,
    make_borders,
    make_pair,
    no_storage,
    run_sweep,
    whole_area,
)
from tacref.bands import Columns
from tacref.ends import CLOSED, OpenEnds, check_open_ends, find_end
from tacref.reach import check_steps_reach
from tacref.reference.checks import check_embeddings
from tacref.steps import Steps, check_steps
from tacref.terminal import bar_options


def dtw(
    x: ArrayLike,
    y: ArrayLike,
    *,
    cost: str = "sqeuclidean",
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    open_begin: str | None = None,
    open_end: str | None = None,
) -> float:
    """Cost of the cheapest alignment of two sequences.

    The costs are computed as they are needed and not stored, so sequences may be of any length.
    Cells that only paths costlier than a known one cross are left out: nearly all cells of similar
    sequences, none of dissimilar ones. With other `steps` than "any" none is left out, and one
    thread computes them all.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
    cost : {"sqeuclidean", "euclidean", "cosine", "l1"}
        Cost of a pair of frames: ||x - y||^2, ||x - y||, 1 - cos or the sum of |x - y|.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path and their weights, as `tacref.reference.dtw` takes them.
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
        The least sum of costs along a path, as `tacref.reference.dtw` returns it for the same
        costs. It does not depend on the number of threads.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow, or
        `band` is out of range or leaves no path; if no path by `steps` leads to the end; if a row
        is zero and `cost` is "cosine"; or if `open_begin` or `open_end` is unknown.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equations 1 and 2; Silva and
    Batista, "Speeding Up All-Pairwise Dynamic Time Warping Matrix Calculation", SDM 2016, for
    leaving cells out.
    """
    x, y = check_embeddings(x, y)
    checked, open_ends = check_steps(steps), check_open_ends(open_begin, open_end)
    columns = check_steps_reach(checked, len(x), len(y), band, band_shape, open_ends)
    return cost_within(x, y, columns, checked, cost, open_ends)


def dtw_path(
    x: ArrayLike,
    y: ArrayLike,
    *,
    cost: str = "sqeuclidean",
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    open_begin: str | None = None,
    open_end: str | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Path of the cheapest alignment of two sequences.

    Exact, in memory that grows with n + m: the forward pass stores some rows and columns of
    accumulated costs, and the backward pass recomputes only the blocks that the path crosses.
    Cells are left out as in `dtw`.

    Our choice, not the paper's: of equally cheap ends the path takes the earliest one, and one in
    the last row before one in the last column. Going back from there, ties take an open begin
    first, then the diagonal step, then the step in x (up), then the step in y (left). Of other
    `steps`, ties take the one that is listed first.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
    cost : {"sqeuclidean", "euclidean", "cosine", "l1"}
        Cost of a pair of frames: ||x - y||^2, ||x - y||, 1 - cos or the sum of |x - y|.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path and their weights, as `tacref.reference.dtw` takes them.
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
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    ndarray of int64, shape (L, 2)
        Cells (i, j) from (0, 0) to (n-1, m-1), unless a begin or an end is open, as
        `tacref.reference.dtw_path` returns them for the same costs.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow, or
        `band` is out of range or leaves no path; if no path by `steps` leads to the end; if a row
        is zero and `cost` is "cosine"; or if `open_begin` or `open_end` is unknown.
    """
    x, y = check_embeddings(x, y)
    checked, open_ends = check_steps(steps), check_open_ends(open_begin, open_end)
    columns = check_steps_reach(checked, len(x), len(y), band, band_shape, open_ends)
    return path_within(x, y, columns, checked, cost, open_ends, progress=progress)


def cost_within(
    x: np.ndarray,
    y: np.ndarray,
    band: Columns,
    steps: Steps,
    cost: str,
    open_ends: OpenEnds = CLOSED,
    *,
    threads: int | None = None,
) -> float:
    """Return the cost that `dtw` finds, of checked embeddings, columns, steps and open ends."""
    pair = make_pair(x, y, band, cost, open_ends.begin)
    if not steps.are_any:
        return find_end(*steps_cost(pair, steps), open_ends.end).cost
    area = whole_area(pair)
    area = area._replace(bound=upper_bound(x, y, pair, area, open_ends.end, threads=threads))
    row, left = make_borders(pair)
    run_sweep(pair, area, row, left, no_storage(), threads=threads)
    return find_end(row[1:], left[1:], open_ends.end).cost


def path_within(
    x: np.ndarray,
    y: np.ndarray,
    band: Columns,
    steps: Steps,
    cost: str,
    open_ends: OpenEnds,
    *,
    progress: bool = False,
) -> np.ndarray:
    """Return the path that `dtw_path` finds, of options that are checked."""
    pair = make_pair(x, y, band, cost, open_ends.begin)
    if not steps.are_any:
        with path_bar(progress, pair.n) as update:
            return steps_path(pair, steps, open_ends.end, progress=update)
    bound = upper_bound(x, y, pair, whole_area(pair), open_ends.end)
    with path_bar(progress, pair.n) as update:
        return find_path(pair, plan_blocks(pair), bound, open_end=open_ends.end, progress=update)


@contextlib.contextmanager
def path_bar(show: bool, frames: int) -> Iterator[Progress | None]:
    """Yield a function that shows which share of the frames is done, or None."""
    if not show:
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=frames, desc="align", **bar_options("frames")) as bar:
        yield lambda share: bar.update(int(share * frames) - bar.n)
