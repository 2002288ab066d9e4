"""DTW of two embeddings and its path (equations 1 and 2), in memory linear in their lengths."""

import contextlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.bound import upper_bound
from tacref.alignment.path import find_path, plan_blocks
from tacref.alignment.sweep import (
    Progress,
    make_borders,
    make_pair,
    no_storage,
    run_sweep,
    whole_area,
)
from tacref.reference.checks import check_embeddings
from tacref.reference.ends import check_open, find_end
from tacref.terminal import BAR_DELAY


def dtw(
    x: ArrayLike,
    y: ArrayLike,
    *,
    band: int | None = None,
    open_begin: str | None = None,
    open_end: str | None = None,
) -> float:
    """Cost of the cheapest alignment of two sequences.

    The costs are squared Euclidean distances, computed as they are needed and not stored, so
    sequences may be of any length. Cells that only paths costlier than a known one cross are left
    out: nearly all cells of similar sequences, none of dissimilar ones.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
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
        The least sum of costs along a path, as `tacref.reference.dtw` returns it for the same
        costs. It does not depend on the number of threads.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow,
        `band` is not a whole number >= |n - m|, or `open_begin` or `open_end` is unknown.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equations 1 and 2; Silva and
    Batista, "Speeding Up All-Pairwise Dynamic Time Warping Matrix Calculation", SDM 2016, for
    leaving cells out.
    """
    x, y = check_embeddings(x, y)
    pair = make_pair(x, y, band, check_open(open_begin, "open_begin"))
    check_open(open_end, "open_end")
    area = whole_area(pair)
    area = area._replace(bound=upper_bound(x, y, pair, area, open_end))
    row, left = make_borders(pair)
    run_sweep(pair, area, row, left, no_storage())
    return find_end(row[1:], left[1:], open_end).cost


def dtw_path(
    x: ArrayLike,
    y: ArrayLike,
    *,
    band: int | None = None,
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
    first, then the diagonal step, then the step in x (up), then the step in y (left).

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
    band : int, optional
        Sakoe-Chiba band, >= |n - m|: cells with |i - j| > band are forbidden. By default there is
        no band.
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
        If a shape does not fit, a value is not finite or so large that costs would overflow,
        `band` is not a whole number >= |n - m|, or `open_begin` or `open_end` is unknown.
    """
    x, y = check_embeddings(x, y)
    pair = make_pair(x, y, band, check_open(open_begin, "open_begin"))
    check_open(open_end, "open_end")
    bound = upper_bound(x, y, pair, whole_area(pair), open_end)
    with path_bar(progress, pair.n) as update:
        return find_path(pair, plan_blocks(pair), bound, open_end=open_end, progress=update)


@contextlib.contextmanager
def path_bar(show: bool, frames: int) -> Iterator[Progress | None]:
    """Yield a function that shows which share of the frames is done, or None."""
    if not show:
        yield None
        return
    from tqdm import tqdm

    with tqdm(
        total=frames, desc="align", unit=" frames", delay=BAR_DELAY, leave=False, disable=None
    ) as bar:
        yield lambda share: bar.update(int(share * frames) - bar.n)
