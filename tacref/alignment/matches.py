"""Find a short video in a long one: the cheapest places that do not overlap (subsequence DTW)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.bound import MIN_SECONDS_FOR_BOUND, average, bound_near
from tacref.alignment.exact import path_bar
from tacref.alignment.path import (
    MIN_BLOCK_SIDE,
    Blocks,
    make_checkpoints,
    plan_blocks,
    restore_borders,
    trace_path,
)
from tacref.alignment.stepwise import path_weights
from tacref.alignment.stepwise_matches import find_paths_by_steps
from tacref.alignment.sweep import (
    Progress,
    estimate_seconds,
    make_area,
    make_borders,
    make_pair,
    run_sweep,
)
from tacref.alignment.times import check_times
from tacref.checks import in_one_line
from tacref.ends import SUBSEQUENCE, End
from tacref.kernels.dtw.pair import Pair
from tacref.kernels.dtw.tile import TILE
from tacref.reach import check_steps_reach
from tacref.reference.checks import check_embeddings
from tacref.steps import Steps, check_steps

# Share of the work in the first sweep; the rest is paths, and what they change.
_SWEEP_SHARE = 0.9


@dataclass(frozen=True, eq=False)  # comparing arrays has no single answer
class Match:
    """A place of a short video x in a long video y.

    Parameters
    ----------
    begin, end : int
        First frame of y in the match, and one beyond the last.
    begin_time, end_time : float
        Time at which the first of these frames begins, and at which the last one ends, in seconds;
        frame numbers if no times were passed.
    cost : float
        Sum of the costs along the path.
    mean_cost : float
        Mean of the costs along the path; of weighted steps, the weighted mean.
    path : ndarray of int64, shape (L, 2)
        Pairs of frames of x and y, from (0, begin) to (n-1, end-1).
    path_times : ndarray of float64, shape (L, 2)
        Time in x and time in y of each step of the path.
    """

    begin: int
    end: int
    begin_time: float
    end_time: float
    cost: float
    mean_cost: float
    path: np.ndarray
    path_times: np.ndarray


def find_matches(
    x: ArrayLike,
    y: ArrayLike,
    *,
    matches: int = 1,
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
    cost: str = "sqeuclidean",
    steps: str | Sequence[Sequence[float]] = "any",
    progress: bool = False,
) -> list[Match]:
    """Find the places of a short video in a long one.

    The first match is the cheapest alignment of all of x with any stretch of y; each later one is
    the cheapest of those that share no frame of y with an earlier one. Exact, at any length, in
    memory that grows with n + m.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of the short video. Not modified.
    y : array_like, shape (m, d)
        Frame embeddings of the long one. Not modified.
    matches : int
        How many places to find, >= 1. There is always one more as long as y has a frame left; it
        may be a poor one, so look at its `mean_cost`.
    times_x, times_y : array_like of float, shapes (n,) and (m,), optional
        Time of each frame in seconds; by default its number.
    cost : {"sqeuclidean", "euclidean", "cosine", "l1"}
        Cost of a pair of frames: ||x - y||^2, ||x - y||, 1 - cos or the sum of |x - y|.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path and their weights, as `tacref.reference.dtw` takes them. With others than
        "any", one thread computes all costs, and for each further match those after the last one.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    list of Match
        Sorted by cost. Of equally cheap places, the one that ends earliest; ties along the path as
        in `dtw_path`.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow; if
        `matches` is not a whole number >= 1 or more than fit into y; if no path by `steps` fits
        into y; or if a row is zero and `cost` is "cosine".

    References
    ----------
    Müller, "Information Retrieval for Music and Motion", 2007, section 4.4, for subsequence DTW.
    """
    x, y = check_embeddings(x, y)
    starts_x = check_times(times_x, len(x), "times_x")
    starts_y = check_times(times_y, len(y), "times_y")
    if isinstance(matches, bool) or not (isinstance(matches, Integral) and matches >= 1):
        raise ValueError(f"matches must be a whole number >= 1, got {in_one_line(matches)}")
    if matches > len(y):
        raise ValueError(f"matches must be at most {len(y)}, the frames of y, got {matches}")
    checked = check_steps(steps)
    check_steps_reach(checked, len(x), len(y), None, open_ends=SUBSEQUENCE)
    if checked.are_any:
        pair = make_pair(x, y, cost=cost, open_begin="y")
        bound = _upper_bound(x, y, pair, int(matches))
        with path_bar(progress, pair.m) as update:
            found = find_paths(pair, int(matches), bound, progress=update)
    else:
        with path_bar(progress, len(y)) as update:
            found = find_paths_by_steps(x, y, checked, cost, int(matches), progress=update)
    if len(found) < matches:
        raise ValueError(
            f"matches must be at most {len(found)}, as many as fit without overlap once the "
            f"cheapest are taken, got {matches}"
        )
    step = float(np.median(np.diff(starts_y))) if len(y) > 1 else 1.0
    ends_y = np.append(starts_y[1:], starts_y[-1] + step)
    return [
        Match(
            begin=int(path[0, 1]),
            end=int(path[-1, 1]) + 1,
            begin_time=float(starts_y[path[0, 1]]),
            end_time=float(ends_y[path[-1, 1]]),
            cost=total,
            mean_cost=total / _weight(path, checked),
            path=path,
            path_times=np.stack((starts_x[path[:, 0]], starts_y[path[:, 1]]), axis=1),
        )
        for total, path in found
    ]


def _weight(path: np.ndarray, steps: Steps) -> float:
    return float(len(path)) if steps.are_any else float(path_weights(path, steps).sum())


def find_paths(
    pair: Pair,
    matches: int,
    bound: float = math.inf,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[tuple[float, np.ndarray]]:
    """Find the paths of matches that do not overlap, at most as many as fit.

    Parameters
    ----------
    pair : Pair
        Open at the begin of y; frames of y that are taken become infinite in it.
    matches : int
        How many to find.
    bound : float
        Where a match is not costlier than this, cells above it are left out. Any number is right:
        if it turns out to be too low, all cells are looked at.
    threads, progress
        As for `run_sweep`.

    Returns
    -------
    list of (float, ndarray of int64, shape (L, 2))
        Cost and path of each, the cheapest first.
    """
    search = _Search(pair, bound, threads)
    search.sweep_all(progress)
    found: list[tuple[float, np.ndarray]] = []
    while len(found) < matches:
        end = search.best_end()
        if math.isinf(end.cost) and math.isinf(search.bound):
            break  # no frame of y is left
        if end.cost > search.bound:
            # Costs above the bound may be too high: cheaper paths may have been left out.
            search.bound = math.inf
            search.sweep_all(None)
            continue
        path = trace_path(pair, search.blocks, search.checkpoints, end, threads=threads)
        found.append((end.cost, path))
        if len(found) < matches:
            search.take(int(path[0, 1]), end.j + 1)
        if progress is not None:
            progress(_SWEEP_SHARE + (1.0 - _SWEEP_SHARE) * len(found) / matches)
    return found


class _Search:
    """R of the last row of a pair, kept up to date while frames of y are taken."""

    def __init__(self, pair: Pair, bound: float, threads: int | None) -> None:
        self.pair, self.bound, self.threads = pair, bound, threads
        self.blocks = _plan(pair)
        self.checkpoints = make_checkpoints(pair, self.blocks)
        self.last_row = np.full(pair.m, np.inf)
        self._row, self._left = make_borders(pair)

    def sweep_all(self, progress: Progress | None) -> None:
        """Accumulate the costs of all cells."""
        scaled = None if progress is None else lambda share: progress(_SWEEP_SHARE * share)
        self._sweep(0, self.pair.m, scaled)

    def best_end(self) -> End:
        """Return where the cheapest path ends, and its cost: +inf if there is none."""
        j = int(self.last_row.argmin())
        return End(self.pair.n - 1, j, float(self.last_row[j]))

    def take(self, begin: int, end: int) -> None:
        """Forbid frames of y; accumulate the costs that this changes.

        It changes nothing before the frames. After them it does as far as paths came through them:
        up to the first column of checkpoints that is as before.
        """
        pair, width = self.pair, self.blocks.columns
        frames = np.arange(begin, end)
        # Infinite frames cost +inf: no path enters their columns, and none steps over one.
        pair.y.reshape(-1, pair.d, TILE)[frames // TILE, :, frames % TILE] = np.inf
        for start in range(begin // width * width, pair.m, width):
            stop = min(start + width, pair.m)
            before = self._column(stop)
            self._sweep(start, stop, None)
            if stop >= end and stop < pair.m and np.array_equal(before, self._column(stop)):
                return

    def _column(self, stop: int) -> np.ndarray:
        """Return a copy of the checkpoints left of a column, as far as they matter."""
        if stop == self.pair.m:
            return np.empty(0)
        column = self.checkpoints.columns[stop // self.blocks.columns - 1]
        return np.where(column <= self.bound, column, np.inf)

    def _sweep(self, start: int, stop: int, progress: Progress | None) -> None:
        area = make_area(self.pair, (0, self.pair.n), (start, stop), self.bound)
        restore_borders(self.pair, area, self.checkpoints, self._row, self._left)
        run_sweep(
            self.pair,
            area,
            self._row,
            self._left,
            self.checkpoints,
            threads=self.threads,
            progress=progress,
        )
        self.last_row[start:stop] = self._row[start + 1 : stop + 1]


def _plan(pair: Pair) -> Blocks:
    """Choose blocks as for a path, but always with checkpoints, by which `take` knows its end."""
    blocks = plan_blocks(pair)
    columns = -(-MIN_BLOCK_SIDE // TILE) * TILE
    return blocks._replace(columns=columns) if blocks.columns >= pair.m else blocks


def _upper_bound(x: np.ndarray, y: np.ndarray, pair: Pair, matches: int) -> float:
    """Return a cost that the matches will hardly exceed, or +inf if finding it is not worth it.

    It is the largest cost near the matches of averaged frames.
    """
    if estimate_seconds(pair.n * pair.m, pair.d) < MIN_SECONDS_FOR_BOUND:
        return math.inf
    coarse = average(x, y, pair)
    found = find_paths(coarse.pair, matches)
    if len(found) < matches:
        return math.inf
    return max(bound_near(pair, coarse, path, "y") for _, path in found)
