"""Align two videos by their frame embeddings: exact DTW, path and matched times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.costs import frame_means, mean_cost_of_all, step_costs
from tacref.alignment.distances import COSTS, distance_matrix
from tacref.alignment.exact import path_within
from tacref.alignment.matching import Matching
from tacref.alignment.plot import notebook_html, plot_alignment
from tacref.alignment.seconds import seconds_columns
from tacref.alignment.stepwise import path_weights
from tacref.alignment.times import check_times
from tacref.ends import check_open_ends
from tacref.kernels.dtw.cost import SQEUCLIDEAN
from tacref.reach import check_steps_reach
from tacref.reference import cost_matrix
from tacref.reference.checks import check_embeddings
from tacref.steps import check_steps

# The whole matrix of costs is computed on demand, up to 1 GiB.
MAX_CELLS = 2**27
# Videos with a higher relative cost hardly show the same activity. Calibrated for squared distances
# (docs/report.md); costs that are distances, not squares, are compared with its square root.
MISMATCH_COST = 0.4


@dataclass(frozen=True, eq=False, repr=False)  # comparing arrays has no single answer
class Alignment:
    """An alignment of two videos, x with n and y with m frames.

    Parameters
    ----------
    path : ndarray of int64, shape (L, 2)
        Pairs of frames (i, j); neither index ever decreases. From (0, 0) to (n-1, m-1), unless a
        begin or an end is open: some frames are then off the path, and match nothing.
    x, y : ndarray of float64, shapes (n, d) and (m, d)
        Frame embeddings.
    times_x, times_y : ndarray of float64, shapes (n,) and (m,)
        Time of each frame in seconds; its number if no times were passed.
    cost_name : str
        Cost of a pair of frames: "sqeuclidean", "euclidean", "cosine" or "l1".
    step_weights : ndarray of float64, shape (L,), optional
        Weight of each step of the path; by default 1.
    """

    path: np.ndarray
    x: np.ndarray
    y: np.ndarray
    times_x: np.ndarray
    times_y: np.ndarray
    cost_name: str = "sqeuclidean"
    step_weights: np.ndarray | None = None

    @property
    def D(self) -> np.ndarray:
        """Costs of all pairs of frames, shape (n, m), computed on each access.

        Raises
        ------
        ValueError
            If n * m is above `MAX_CELLS`; no other attribute needs the matrix.
        """
        n, m = len(self.x), len(self.y)
        if n * m > MAX_CELLS:
            raise ValueError(
                f"D must have at most {MAX_CELLS} cells, got {n} x {m}: "
                "`step_costs` are the costs along the path"
            )
        if self.cost_name == "sqeuclidean":
            return cost_matrix(self.x, self.y)
        return distance_matrix(self.x, self.y, self.cost_name)

    @property
    def step_costs(self) -> np.ndarray:
        """Cost of each step of the path, shape (L,): of its pair of frames, times its weight."""
        costs = step_costs(self.x, self.y, self.path, self.cost_name)
        return costs if self.step_weights is None else self.step_weights * costs

    @property
    def cost(self) -> float:
        """Sum of the costs along the path: the DTW cost."""
        return float(self.step_costs.sum())

    @property
    def mean_cost(self) -> float:
        """Mean of the costs along the path; of weighted steps, the weighted mean."""
        if self.step_weights is None:
            return float(self.step_costs.mean())
        weight = float(self.step_weights.sum())  # not 0: the first cell's weight is 1
        return self.cost / weight

    @property
    def relative_cost(self) -> float:
        """Mean cost on the path as a share of the mean cost of any frame of x and any frame of y.

        0 if the frames on the path are equal; 1 if they are no more alike than frames drawn at
        random. Also near 1 if one of the videos is still: a path can then only stay longer at the
        frames that are least unlike it. Frames before an open begin and after an open end do not
        count.
        """
        (i, j), (i_last, j_last) = self.path[0], self.path[-1]
        x, y = self.x[i : i_last + 1], self.y[j : j_last + 1]
        mean = mean_cost_of_all(x, y, self.cost_name)
        return self.mean_cost / mean if mean > 0 else 1.0

    @property
    def mismatch_cost(self) -> float:
        """Largest relative cost of videos that show the same activity.

        `MISMATCH_COST` for squared distances and cosines, for which it is calibrated; its square
        root for "euclidean" and "l1", which is a guess.
        """
        return MISMATCH_COST if COSTS[self.cost_name] == SQEUCLIDEAN else MISMATCH_COST**0.5

    @property
    def mismatch(self) -> bool:
        """True if the videos hardly show the same activity: `relative_cost > mismatch_cost`."""
        return self.relative_cost > self.mismatch_cost

    @property
    def path_times(self) -> np.ndarray:
        """Time in x and time in y of each step of the path, shape (L, 2)."""
        return np.stack((self.times_x[self.path[:, 0]], self.times_y[self.path[:, 1]]), axis=1)

    @property
    def matches_x(self) -> np.ndarray:
        """Time in y that matches each frame of x, shape (n,): the mean over its steps.

        A frame that a step skips lies between its neighbors on the path. NaN before the path begins
        and after it ends.
        """
        return frame_means(self.path[:, 0], self.times_y[self.path[:, 1]], len(self.x))

    @property
    def matches_y(self) -> np.ndarray:
        """Time in x that matches each frame of y, shape (m,), likewise."""
        return frame_means(self.path[:, 1], self.times_x[self.path[:, 0]], len(self.y))

    def __repr__(self) -> str:
        """Return the lengths and costs, without the arrays."""
        n, m = len(self.x), len(self.y)
        return (
            f"Alignment({n} and {m} frames, {len(self.path)} steps, cost {self.cost:.4g}, "
            f"mean {self.mean_cost:.4g})"
        )

    def _repr_html_(self) -> str:
        return notebook_html(repr(self), self.plot)

    def plot(self, axes: Any = None) -> Any:
        """Draw the costs with the path, and the cost over the time of x, with Matplotlib.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            For the matrix and for the costs. By default a new figure is made.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; `figure.savefig("alignment.png")` writes it.

        Raises
        ------
        ValueError
            If there are not two `axes`.
        """
        return plot_alignment(
            self.x,
            self.y,
            path=self.path,
            times_x=self.times_x,
            times_y=self.times_y,
            step_costs=self.step_costs,
            cost=self.cost_name,
            axes=axes,
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything but the embeddings as plain JSON values.

        Returns
        -------
        dict of str to Any
            `frames_x`, `frames_y` (counts), `cost`, `mean_cost`, `relative_cost`, `mismatch`,
            `cost_name`; `path` ([[i, j], ...]), `path_times` and `step_costs`, one entry per step;
            `times_x` and `matches_x`, one per frame of x; `times_y` and `matches_y`, one per frame
            of y. Frames off the path match None.
        """
        return {
            "frames_x": len(self.x),
            "frames_y": len(self.y),
            "cost": self.cost,
            "mean_cost": self.mean_cost,
            "relative_cost": self.relative_cost,
            "mismatch": self.mismatch,
            "cost_name": self.cost_name,
            "path": self.path.tolist(),
            "path_times": self.path_times.tolist(),
            "step_costs": self.step_costs.tolist(),
            "times_x": self.times_x.tolist(),
            "times_y": self.times_y.tolist(),
            "matches_x": _with_none(self.matches_x),
            "matches_y": _with_none(self.matches_y),
        }


def align(
    x: ArrayLike,
    y: ArrayLike,
    *,
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
    cost: str = "sqeuclidean",
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    band_seconds: float | None = None,
    open_begin: str | None = None,
    open_end: str | None = None,
    progress: bool = False,
) -> Alignment:
    """Align two videos by dynamic time warping of their embeddings.

    They may be of any length: memory grows with n + m.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video. Not copied if it is float64.
    y : array_like, shape (m, d)
        Frame embeddings of the other. Not copied if it is float64.
    times_x, times_y : array_like of float, shapes (n,) and (m,), optional
        Time of each frame in seconds; by default its number.
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
    band_seconds : float, optional
        In place of `band`: frames are matched only if their times, as shares of the two durations,
        differ by at most this many seconds of the shorter one; at least a frame. Needs times.
    open_begin : "x", "y" or "both", optional
        Which video may begin anywhere, at no cost. "y": the path begins at (0, j) for any j; "x":
        at (i, 0) for any i; "both": at either. By default it begins at (0, 0).
    open_end : "x", "y" or "both", optional
        Which video may end anywhere. "y": the path ends at (n-1, j) for any j; "x": at (i, m-1)
        for any i; "both": at either. By default it ends at (n-1, m-1).
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    Alignment
        With the cheapest path; of several, the one that `tacref.reference.dtw_path` takes.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite or so large that costs would overflow, or
        a band is out of range or leaves no path; if no path by `steps` leads to the end; if a row
        is zero and `cost` is "cosine"; or if `open_begin` or `open_end` is unknown.
    """
    x, y = check_embeddings(x, y)
    Matching(cost, steps, band, band_shape, band_seconds).check()
    open_ends = check_open_ends(open_begin, open_end)
    if band_seconds is not None and (times_x is None or times_y is None):
        raise ValueError("band_seconds needs times_x and times_y")
    checked = check_steps(steps)
    seconds_x = check_times(times_x, len(x), "times_x")
    seconds_y = check_times(times_y, len(y), "times_y")
    if band_seconds is None:
        columns = check_steps_reach(checked, len(x), len(y), band, band_shape, open_ends)
    else:
        columns = seconds_columns(seconds_x, seconds_y, band_seconds, checked, open_ends)
    path = path_within(x, y, columns, checked, cost, open_ends, progress=progress)
    weights = None if checked.are_any else path_weights(path, checked)
    return Alignment(path, x, y, seconds_x, seconds_y, cost, weights)


def _with_none(values: np.ndarray) -> list[float | None]:
    """Return numbers as JSON takes them: it has no NaN."""
    return [None if np.isnan(value) else value for value in values.tolist()]
