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
from tacref.reference.checks import check_embeddings
from tacref.steps import Steps, check_steps, check_steps_reach
from tacref.terminal import BAR_DELAY


def dtw(
    x: ArrayLike,
    y: ArrayLike,
    *,
    cost: str = "sqeuclidean",
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
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

    Returns
    -------
    float
        The least sum of costs along a path, as `tacref.reference.dtw` returns it for the same
        costs. It does not depend on the number of threads.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow, or
        `band` is out of range or leaves no path; if no path by `steps` leads to the last cell; or
        if a row is zero and `cost` is "cosine".

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equations 1 and 2; Silva and
    Batista, "Speeding Up All-Pairwise Dynamic Time Warping Matrix Calculation", SDM 2016, for
    leaving cells out.
    """
    x, y = check_embeddings(x, y)
    checked = check_steps(steps)
    columns = check_steps_reach(checked, len(x), len(y), band, band_shape)
    return cost_within(x, y, columns, checked, cost)


def dtw_path(
    x: ArrayLike,
    y: ArrayLike,
    *,
    cost: str = "sqeuclidean",
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    progress: bool = False,
) -> np.ndarray:
    """Path of the cheapest alignment of two sequences.

    Exact, in memory that grows with n + m: the forward pass stores some rows and columns of
    accumulated costs, and the backward pass recomputes only the blocks that the path crosses.
    Cells are left out as in `dtw`.

    Our choice, not the paper's: going back from the last cell, ties take the diagonal step
    first, then the step in x (up), then the step in y (left). Of other `steps`, ties take the one
    that is listed first.

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
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    ndarray of int64, shape (L, 2)
        Cells (i, j) from (0, 0) to (n-1, m-1), as `tacref.reference.dtw_path` returns them for the
        same costs.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow, or
        `band` is out of range or leaves no path; if no path by `steps` leads to the last cell; or
        if a row is zero and `cost` is "cosine".
    """
    x, y = check_embeddings(x, y)
    checked = check_steps(steps)
    columns = check_steps_reach(checked, len(x), len(y), band, band_shape)
    return path_within(x, y, columns, checked, cost, progress=progress)


def cost_within(
    x: np.ndarray,
    y: np.ndarray,
    band: Columns,
    steps: Steps,
    cost: str,
    *,
    threads: int | None = None,
) -> float:
    """Return the cost that `dtw` finds, of checked embeddings, columns and steps."""
    pair = make_pair(x, y, band, cost)
    if not steps.are_any:
        return float(steps_cost(pair, steps)[-1])
    area = whole_area(pair)
    area = area._replace(bound=upper_bound(x, y, pair, area, threads=threads))
    row, left = make_borders(pair)
    run_sweep(pair, area, row, left, no_storage(), threads=threads)
    return float(row[-1])


def path_within(
    x: np.ndarray,
    y: np.ndarray,
    band: Columns,
    steps: Steps,
    cost: str,
    *,
    progress: bool = False,
) -> np.ndarray:
    """Return the path that `dtw_path` finds, of checked embeddings, columns and steps."""
    pair = make_pair(x, y, band, cost)
    if not steps.are_any:
        with _progress_bar(progress, pair.n) as update:
            return steps_path(pair, steps, progress=update)
    bound = upper_bound(x, y, pair, whole_area(pair))
    with _progress_bar(progress, pair.n) as update:
        return find_path(pair, plan_blocks(pair), bound, progress=update)


@contextlib.contextmanager
def _progress_bar(show: bool, frames: int) -> Iterator[Progress | None]:
    """Yield a function that shows which share of the frames is done, or None."""
    if not show:
        yield None
        return
    from tqdm import tqdm

    with tqdm(
        total=frames, desc="align", unit=" frames", delay=BAR_DELAY, leave=False, disable=None
    ) as bar:
        yield lambda share: bar.update(int(share * frames) - bar.n)
