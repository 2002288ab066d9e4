"""DTW of two embeddings and its path (equations 1 and 2), in memory linear in their lengths."""

import contextlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.bound import upper_bound
from tacref.alignment.path import find_path, plan_blocks
from tacref.alignment.sweep import Progress, as_pair, borders, nothing_kept, run, whole
from tacref.reference.checks import check_embeddings
from tacref.terminal import BAR_DELAY


def dtw(x: ArrayLike, y: ArrayLike, *, band: int | None = None) -> float:
    """Cost of the cheapest alignment of two sequences.

    The costs are squared Euclidean distances. They are computed as they are needed and
    not kept, so that sequences may be of any length. Cells that no path as cheap as a known one
    can cross are left out: where the sequences are alike, nearly all, else none.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
    band : int, optional
        Sakoe-Chiba band, >= |n - m|: cells with |i - j| > band are forbidden. By default there is
        no band.

    Returns
    -------
    float
        The least sum of costs along a path: `tacref.reference.dtw` of the same costs. The same
        for any number of threads.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow, or
        `band` is not a whole number >= |n - m|.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equations 1 and 2; Silva and
    Batista, "Speeding Up All-Pairwise Dynamic Time Warping Matrix Calculation", SDM 2016, for
    leaving cells out.
    """
    x, y = check_embeddings(x, y)
    pair = as_pair(x, y, band)
    area = whole(pair)
    area = area._replace(bound=upper_bound(x, y, pair, area))
    row, left = borders(pair)
    run(pair, area, row, left, nothing_kept())
    return float(row[-1])


def dtw_path(
    x: ArrayLike, y: ArrayLike, *, band: int | None = None, progress: bool = False
) -> np.ndarray:
    """Path of the cheapest alignment of two sequences.

    Exact, in memory that grows with n + m: on the way forward some rows and columns of accumulated
    costs are kept; on the way back, only the blocks that the path crosses are computed again.
    Cells are left out as in `dtw`.

    Our choice, not the paper's: going back from the last cell, ties take the diagonal step
    first, then the step in x (up), then the step in y (left).

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not modified.
    band : int, optional
        Sakoe-Chiba band, >= |n - m|: cells with |i - j| > band are forbidden. By default there is
        no band.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    ndarray of int64, shape (L, 2)
        Cells (i, j) from (0, 0) to (n-1, m-1): `tacref.reference.dtw_path` of the same costs.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow, or
        `band` is not a whole number >= |n - m|.
    """
    x, y = check_embeddings(x, y)
    pair = as_pair(x, y, band)
    bound = upper_bound(x, y, pair, whole(pair))
    with _bar(progress, pair.n) as report:
        return find_path(pair, plan_blocks(pair), bound, progress=report)


@contextlib.contextmanager
def _bar(wanted: bool, frames: int) -> Iterator[Progress | None]:
    """Yield a function that shows the share of the frames that is done, or None."""
    if not wanted:
        yield None
        return
    from tqdm import tqdm

    with tqdm(
        total=frames, desc="align", unit=" frames", delay=BAR_DELAY, leave=False, disable=None
    ) as bar:
        yield lambda share: bar.update(int(share * frames) - bar.n)
