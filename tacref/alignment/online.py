"""Alignment while a video runs: where in a reference the performer is now."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import check_positive, read_array
from tacref.kernels.online import FRAMES_PER_BLOCK, advance, share_near
from tacref.reference.checks import as_float64

# Ends of the alignment within this share of the reference count as near the best one.
NEAR_SHARE = 0.05
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
        The reference's phase there; None if that frame has none, or the aligner has no phases.
    confidence : float
        In [0, 1]: the share of all alignments, weighted by their cost, that end within a twentieth
        of the reference from `frame`, among all alignments and the possibility that the performer
        has left the script. Below 1/2 if `off_script` is True.
    cost : float
        Sum of squared distances along the cheapest alignment of all frames so far.
    local_cost : float
        Squared distance between the new frame and the reference's frame.
    off_script : bool
        True if the last frames are unlike the reference where they should match it.
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
    tolerance : float
        The performer is off the script if the recent frames cost more than this share of the
        reference's own spread, the mean squared distance between two of its frames (the mean
        squared length of a frame if all are alike); > 0.
    recent_frames : float
        Number of frames over which that cost is averaged, about; >= 1.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite, or an option is out of range.

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
        self._reference = _blocks(array, dtype)
        self._phases = None if phases is None else list(phases)
        self._open_begin = bool(open_begin)
        # Mean squared distance of two frames drawn at random, in closed form; if all are alike,
        # their mean squared length.
        spread = 2.0 * float(array.var(axis=0).sum())
        if spread <= 1e-12 * (lengths := float((array**2).sum(axis=1).mean())):
            spread = lengths
        self._limit = check_positive(tolerance, "tolerance") * spread
        self._gamma = COST_RESOLUTION * spread or 1.0
        self._radius = int(NEAR_SHARE * self._n)
        self._recent_frames = recent_frames
        self._row = np.empty(self._n)
        self._costs = np.empty(self._reference.shape[2])
        self.reset()

    def reset(self) -> None:
        """Forget all frames: the next one is the first."""
        self._frames_seen = 0
        self._recent_cost = 0.0

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
            If the shape does not fit or a value is not finite; the frame is then ignored.
        """
        frame = as_float64(embedding, "embedding")
        if frame.shape != (self._d,):
            raise ValueError(f"embedding must have shape ({self._d},), got {frame.shape}")
        _check_size(frame, "embedding")
        best, local_cost = advance(
            self._reference, frame, self._row, self._costs, self._frames_seen == 0, self._open_begin
        )
        self._frames_seen += 1
        # The mean of the first frames, then a moving average.
        frames = min(self._recent_frames, self._frames_seen)
        self._recent_cost += (local_cost - self._recent_cost) / frames
        # Being off the script costs the limit for each recent frame. The script's share of the
        # weights exp(-cost / gamma) of both:
        excess = frames * (self._recent_cost - self._limit) / self._gamma
        on_script = 0.5 - 0.5 * math.tanh(0.5 * excess)
        share = share_near(self._row, best, self._radius, self._gamma)
        return Position(
            frame=best,
            phase=None if self._phases is None else self._phases[best],
            confidence=on_script * share,
            cost=float(self._row[best]),
            local_cost=local_cost,
            off_script=self._recent_cost > self._limit,
        )


def _blocks(array: np.ndarray, dtype: type) -> np.ndarray:
    """Lay `(n, d)` out as the kernel takes it: blocks `(d, width)`, padded with zeros."""
    n, d = array.shape
    width = min(FRAMES_PER_BLOCK, n)
    padded = np.zeros((-(-n // width) * width, d), dtype=dtype)
    padded[:n] = array
    return np.ascontiguousarray(padded.reshape(-1, width, d).swapaxes(1, 2))


def _check_size(array: np.ndarray, name: str) -> np.ndarray:
    if not (np.abs(array) <= _MAX_ABSOLUTE_VALUE).all():  # false for NaN, too
        raise ValueError(f"{name} must be finite and at most {_MAX_ABSOLUTE_VALUE:g}, got {array}")
    return array
