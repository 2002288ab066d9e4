"""Alignment while a video runs: where in a reference the performer is now."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.costs import mean_cost_of_all
from tacref.alignment.distances import COSTS, check_cost, costs_of_pairs, half_unit_rows
from tacref.checks import check_positive, in_one_line, read_array
from tacref.kernels.dtw.steps import Moves
from tacref.kernels.online import FRAMES_PER_BLOCK, advance, advance_steps, share_near
from tacref.reference.checks import as_float64, refuse
from tacref.steps import check_steps

# Ends of the alignment within this share of the reference count as near the best one.
NEAR_SHARE = 0.05
# The recent cost counts up to this many times the limit beyond which it is off the script.
MAX_RECENT_COST = 2.0
# Smallest difference in cost that tells two ends apart, as a share of the reference's own spread.
COST_RESOLUTION = 0.1
# Squared distances of larger numbers would overflow when they are summed.
_MAX_ABSOLUTE_VALUE = 1e140


@dataclass(frozen=True)
class Position:
    """Where a performer is in the reference, after one more frame.

    Parameters
    ----------
    frame : int
        Frame of the reference.
    phase : str or None
        The reference's phase there; None if that frame has none, the aligner has no phases, or
        `off_script` is True.
    confidence : float
        In [0, 1]: the share of all alignments, weighted by their cost, that end within a twentieth
        of the reference from `frame`, among all alignments and the possibility that the performer
        has left the script. Below 1/2 if `off_script` is True.
    cost : float
        Sum of costs along the cheapest alignment of all frames so far.
    local_cost : float
        Cost of the new frame and the reference's frame.
    off_script : bool
        True if the performer is in no part of the reference: the last frames are unlike it where
        they should match it. `frame` is then only where the cheapest alignment ends.
    """

    frame: int
    phase: str | None
    confidence: float
    cost: float
    local_cost: float
    off_script: bool


class OnlineAligner:
    """Follow a performer through a reference, frame by frame.

    After every frame, the position is where the cheapest alignment of all frames so far with a
    beginning of the reference ends (open-end DTW, exact). The time per frame and the memory grow
    with the reference, not with the number of frames.

    Parameters
    ----------
    reference : array_like, shape (n, d)
        Frame embeddings of the reference. float32 is stored as it is, everything else as float64.
    phases : sequence of str or None, optional
        Phase of each of the n frames of the reference; None for a frame without one.
    open_begin : bool
        Whether the performer may begin anywhere in the reference, at no cost. By default only at
        its first frame.
    cost : {"sqeuclidean", "euclidean", "cosine", "l1"}
        Cost of a pair of frames, as `tacref.alignment.dtw` takes it.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of the alignment and their weights, as `tacref.reference.dtw` takes them: rows are the
        performer's frames, columns those of the reference. "asymmetric" takes every frame of the
        performer once, and up to two of the reference a frame. With "slope" the performer cannot
        stay at a frame, also not at the last one.
    tolerance : float
        The performer is off the script if the recent frames cost more than this share of the
        reference's own spread, the mean cost of two of its frames (the mean cost of a frame and
        zeros if all are alike); > 0.
    recent_frames : float
        Number of frames over which that cost is averaged, about; >= 1.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite, an option is out of range, or a frame is
        zero and `cost` is "cosine".

    References
    ----------
    Tormene et al., "Matching incomplete time series with dynamic time warping: an algorithm and
    an application to post-stroke rehabilitation", Artificial Intelligence in Medicine 2009, for
    the open end; Dixon, "Live tracking of musical performances using on-line time warping", 2005,
    for its use.
    """

    def __init__(
        self,
        reference: ArrayLike,
        *,
        phases: Sequence[str | None] | None = None,
        open_begin: bool = False,
        cost: str = "sqeuclidean",
        steps: str | Sequence[Sequence[float]] = "any",
        tolerance: float = 0.5,
        recent_frames: float = 10.0,
    ) -> None:
        dtype = np.float32 if read_array(reference, "reference").dtype == np.float32 else np.float64
        array = _check_size(as_float64(reference, "reference"), "reference")
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"reference must have shape (frames, d), not empty, got {array.shape}")
        self._n, self._d = array.shape
        if phases is not None and len(phases) != self._n:
            raise ValueError(f"phases must be {self._n}, one per frame, got {len(phases)}")
        if check_positive(recent_frames, "recent_frames") < 1:
            raise ValueError(f"recent_frames must be >= 1, got {recent_frames!r}")
        self._cost, self._kind = check_cost(cost), COSTS[cost]
        if cost == "cosine":  # in float64, so that equal frames cost exactly 0
            array, dtype = half_unit_rows(array, "reference"), np.float64
        self._steps = check_steps(steps)
        self._reference = _blocks(array, dtype)
        self._phases = None if phases is None else list(phases)
        if not isinstance(open_begin, bool | np.bool_):
            raise ValueError(f"open_begin must be True or False, got {in_one_line(open_begin)}")
        self._open_begin = bool(open_begin)
        # Mean cost of two frames drawn at random; if all are alike, of a frame and zeros.
        spread = mean_cost_of_all(array, array, "sqeuclidean" if cost == "cosine" else cost)
        lengths = float(costs_of_pairs(array, np.zeros(self._d), cost).mean())
        if spread <= 1e-12 * lengths:
            spread = lengths
        self._limit = check_positive(tolerance, "tolerance") * spread
        self._gamma = COST_RESOLUTION * spread or 1.0
        self._radius = int(NEAR_SHARE * self._n)
        self._recent_frames = recent_frames
        self._moves = Moves(self._steps.rows, self._steps.columns, self._steps.weights)
        # Accumulated costs of the last frames, the newest last.
        self._history = np.empty(
            (1 if self._steps.are_any else max(1, int(self._steps.rows.max())), self._n)
        )
        self._costs = np.empty(self._reference.shape[2])
        self.reset()

    def reset(self) -> None:
        """Forget all frames: the next one is the first."""
        self._frames_seen = 0
        self._recent_cost = 0.0
        self._history[:] = np.inf

    @property
    def dim(self) -> int:
        """Length d of an embedding."""
        return self._d

    @property
    def frames_seen(self) -> int:
        """Number of frames so far."""
        return self._frames_seen

    def update(self, embedding: ArrayLike) -> Position:
        """Take the next frame.

        Parameters
        ----------
        embedding : array_like, shape (d,)
            Embedding of the frame.

        Returns
        -------
        Position
            Where the performer is now; the first of several equally cheap frames.

        Raises
        ------
        ValueError
            If the shape does not fit, a value is not finite, the frame is zero and `cost` is
            "cosine", or `steps` lead to no frame of the reference; the frame is then ignored.
        """
        frame = as_float64(embedding, "embedding")
        if frame.shape != (self._d,):
            raise ValueError(f"embedding must have shape ({self._d},), got {frame.shape}")
        _check_size(frame, "embedding")
        if self._cost == "cosine":
            if not frame.any():
                raise ValueError("embedding must not be zeros, which have no cosine")
            frame = half_unit_rows(frame[None], "embedding")[0]
        best, local_cost = self._advance(frame)
        row = self._history[-1]
        self._frames_seen += 1
        # The mean of the first frames, then a moving average.
        frames = min(self._recent_frames, self._frames_seen)
        self._recent_cost += (local_cost - self._recent_cost) / frames
        if self._limit > 0:  # else who was far away would be long in coming back
            self._recent_cost = min(self._recent_cost, MAX_RECENT_COST * self._limit)
        # Being off the script costs the limit for each recent frame. The script's share of the
        # weights exp(-cost / gamma) of both:
        excess = frames * (self._recent_cost - self._limit) / self._gamma
        on_script = 0.5 - 0.5 * math.tanh(0.5 * excess)
        share = share_near(row, best, self._radius, self._gamma)
        off_script = self._recent_cost > self._limit
        return Position(
            frame=best,
            phase=None if self._phases is None or off_script else self._phases[best],
            confidence=on_script * share,
            cost=float(row[best]),
            local_cost=local_cost,
            off_script=off_script,
        )

    def follow(self, rows: Iterable[ArrayLike]) -> Iterator[Position]:
        """Take frames from any iterator, as they come.

        Parameters
        ----------
        rows : iterable of array_like, each of shape (d,)
            Embeddings of the next frames, such as rows of a sensor. The next one is asked for only
            when the position of the last one has been taken.

        Yields
        ------
        Position
            Where the performer is, after each row.

        Raises
        ------
        ValueError
            As `update`; names the row, counted from 0. The frames before it stay taken.

        Examples
        --------
        >>> from tacref.alignment import OnlineAligner
        >>> aligner = OnlineAligner([[0.0], [1.0], [2.0], [3.0]])
        >>> [position.frame for position in aligner.follow(iter([[0.0], [1.1], [1.9]]))]
        [0, 1, 2]
        """
        for number, row in enumerate(rows):
            try:
                position = self.update(row)
            except ValueError as error:
                raise ValueError(f"row {number}: {error}") from None
            yield position

    def _advance(self, frame: np.ndarray) -> tuple[int, float]:
        """Return where the cheapest alignment ends after a frame, and what the frame costs there.

        Raises
        ------
        ValueError
            If no alignment ends at this frame.
        """
        first = self._frames_seen == 0
        if self._steps.are_any:
            return advance(
                self._reference,
                frame,
                self._history[0],
                self._costs,
                self._kind,
                first,
                self._open_begin,
            )
        best, cost = advance_steps(
            self._reference,
            frame,
            self._history,
            self._costs,
            self._kind,
            self._moves,
            first,
            self._open_begin,
        )
        if best < 0:
            raise ValueError(
                f"steps {self._steps.label} lead to no frame of the reference at frame "
                f"{self._frames_seen} of the performer; reset() begins again"
            )
        return best, cost


def _blocks(array: np.ndarray, dtype: type) -> np.ndarray:
    """Lay `(n, d)` out as the kernel takes it: blocks `(d, width)`, padded with zeros."""
    n, d = array.shape
    width = min(FRAMES_PER_BLOCK, n)
    padded = np.zeros((-(-n // width) * width, d), dtype=dtype)
    padded[:n] = array
    return np.ascontiguousarray(padded.reshape(-1, width, d).swapaxes(1, 2))


def _check_size(array: np.ndarray, name: str) -> np.ndarray:
    fits = np.abs(array) <= _MAX_ABSOLUTE_VALUE  # false for NaN, too
    refuse(array, ~fits, f"{name} must be finite and at most {_MAX_ABSOLUTE_VALUE:g}")
    return array
