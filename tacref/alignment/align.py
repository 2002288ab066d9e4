"""Align two videos by their frame embeddings: exact DTW, path and matched times."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tacref.reference import cost_matrix, dtw_path

# The costs and their sums along the paths are held whole, 8 bytes a cell each: 4 GiB in all,
# which is two videos of eleven minutes at 25 frames a second.
MAX_CELLS = 2**28


@dataclass(frozen=True, eq=False)  # comparing arrays has no single answer
class Alignment:
    """An alignment of two videos, x with n and y with m frames.

    Parameters
    ----------
    path : ndarray of int64, shape (L, 2)
        Pairs of frames (i, j) from (0, 0) to (n-1, m-1); neither ever goes back.
    D : ndarray of float64, shape (n, m)
        Squared Euclidean distances between all frames.
    times_x, times_y : ndarray of float64, shapes (n,) and (m,)
        Time of each frame, in seconds (or in frames, where none were given).
    """

    path: np.ndarray
    D: np.ndarray
    times_x: np.ndarray
    times_y: np.ndarray

    @property
    def step_costs(self) -> np.ndarray:
        """Cost of each step of the path, shape (L,)."""
        return self.D[self.path[:, 0], self.path[:, 1]]

    @property
    def cost(self) -> float:
        """Sum of the costs along the path: the DTW cost."""
        return float(self.step_costs.sum())

    @property
    def mean_cost(self) -> float:
        """Mean of the costs along the path."""
        return float(self.step_costs.mean())

    @property
    def path_times(self) -> np.ndarray:
        """Time in x and time in y of each step of the path, shape (L, 2)."""
        return np.stack((self.times_x[self.path[:, 0]], self.times_y[self.path[:, 1]]), axis=1)

    @property
    def matches_x(self) -> np.ndarray:
        """Time in y that matches each frame of x, shape (n,): the mean over its steps."""
        return _matches(self.path[:, 0], self.times_y[self.path[:, 1]])

    @property
    def matches_y(self) -> np.ndarray:
        """Time in x that matches each frame of y, shape (m,): the mean over its steps."""
        return _matches(self.path[:, 1], self.times_x[self.path[:, 0]])

    def to_json(self) -> dict[str, Any]:
        """Return everything but the matrix as plain JSON values.

        Returns
        -------
        dict of str to Any
            `frames_x`, `frames_y` (counts), `cost`, `mean_cost`; `path` ([[i, j], ...]),
            `path_times` and `step_costs`, one entry a step; `times_x` and `matches_x`, one a
            frame of x; `times_y` and `matches_y`, one a frame of y.
        """
        return {
            "frames_x": self.D.shape[0],
            "frames_y": self.D.shape[1],
            "cost": self.cost,
            "mean_cost": self.mean_cost,
            "path": self.path.tolist(),
            "path_times": self.path_times.tolist(),
            "step_costs": self.step_costs.tolist(),
            "times_x": self.times_x.tolist(),
            "times_y": self.times_y.tolist(),
            "matches_x": self.matches_x.tolist(),
            "matches_y": self.matches_y.tolist(),
        }


def align(
    x: ArrayLike,
    y: ArrayLike,
    *,
    times_x: ArrayLike | None = None,
    times_y: ArrayLike | None = None,
) -> Alignment:
    """Align two videos by dynamic time warping of their embeddings.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Frame embeddings of one video.
    y : array_like, shape (m, d)
        Frame embeddings of the other.
    times_x, times_y : array_like of float, shapes (n,) and (m,), optional
        Time of each frame in seconds; by default its number.

    Returns
    -------
    Alignment
        The cheapest path; among equally cheap ones that which `tacref.reference.dtw_path` takes.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite, or n * m is above `MAX_CELLS`.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == y.ndim == 2 and len(x) * len(y) > MAX_CELLS:
        raise ValueError(
            f"x and y have {len(x)} and {len(y)} frames; at most {MAX_CELLS} pairs of frames "
            "can be compared: align shorter clips, or every second frame"
        )
    D = cost_matrix(x, y)
    n, m = D.shape
    clocks = _clock(times_x, n, "times_x"), _clock(times_y, m, "times_y")
    return Alignment(dtw_path(D), D, *clocks)


def _clock(times: ArrayLike | None, count: int, name: str) -> np.ndarray:
    clock = np.arange(count, dtype=np.float64) if times is None else np.asarray(times, np.float64)
    if clock.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one a frame, got {clock.shape}")
    if not np.isfinite(clock).all():
        raise ValueError(f"{name} must be finite, got {clock}")
    return clock


def _matches(frames: np.ndarray, times: np.ndarray) -> np.ndarray:
    # Every frame is on the path, so no count is 0.
    return np.bincount(frames, weights=times) / np.bincount(frames)
