"""Alignment while a video runs: where in a reference the performer is now."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import check_positive, read_array
from tacref.kernels.online import BLOCK, advance, share_near
from tacref.reference.checks import as_float64

# An end of the alignment counts as near the best one within such a share of the reference.
NEARNESS = 0.05
# Costs so much apart, as a share of the reference's own spread, tell two ends from each other.
RESOLUTION = 0.1
# Of numbers beyond it, squared distances would overflow when they are summed.
_LARGEST = 1e140


@dataclass(frozen=True)
class Position:
    """Where a performer is in the reference, after one more frame.

    Parameters
    ----------
    frame : int
        Frame of the reference.
    phase : str or None
        The reference's phase there, where the aligner knows phases.
    confidence : float
        In [0, 1]: the share of all alignments, weighted by their cost, that end within a twentieth
        of the reference from `frame`, among all alignments and the possibility that the performer
        has left the script. Below 1/2 where `off_script` is True.
    cost : float
        Sum of squared distances along the cheapest alignment of all frames so far.
    local_cost : float
        Squared distance between the new frame and the reference's frame.
    off_script : bool
        True if the last frames have been unlike the place where they ought to be.
    """

    frame: int
    phase: str | None
    confidence: float
    cost: float
    local_cost: float
    off_script: bool


class OnlineAligner:
    """Follow a performer through a reference, frame by frame.

    After every frame the position is where the cheapest alignment of all frames so far with a
    beginning of the reference ends (open-end DTW, exact). A frame takes time and the aligner
    memory that grow with the reference alone, not with what was seen.

    Parameters
    ----------
    reference : array_like, shape (n, d)
        Frame embeddings of the reference. float32 is kept as it is, all else as float64.
    phases : sequence of str, optional
        Phase of each frame of the reference, n of them.
    open_begin : bool
        The performer may begin anywhere in the reference, at no cost; by default at its first
        frame.
    tolerance : float
        Off the script is whose recent frames cost more than this share of the reference's own
        spread, the mean squared distance between two of its frames (the mean squared length of
        a frame, if all are alike); > 0.
    recent : float
        Over about how many frames the cost is averaged for that; >= 1.

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
        phases: Sequence[str] | None = None,
        open_begin: bool = False,
        tolerance: float = 0.5,
        recent: float = 10.0,
    ) -> None:
        given = read_array(reference, "reference")
        array = _check_size(as_float64(given, "reference"), "reference")
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"reference must have shape (frames, d), not empty, got {array.shape}")
        self._n, self._d = array.shape
        if phases is not None and len(phases) != self._n:
            raise ValueError(f"phases must be {self._n}, one a frame, got {len(phases)}")
        if check_positive(recent, "recent") < 1:
            raise ValueError(f"recent must be >= 1 frame, got {recent!r}")
        single = given.dtype == np.float32
        self._reference = _blocks(array, np.float32 if single else np.float64)
        self._phases = None if phases is None else list(phases)
        self._open_begin = bool(open_begin)
        # Mean squared distance of two frames, drawn at random, in closed form; where they are all
        # alike, their mean squared length.
        spread = 2.0 * float(array.var(axis=0).sum())
        if spread <= 1e-12 * (lengths := float((array**2).sum(axis=1).mean())):
            spread = lengths
        self._limit = check_positive(tolerance, "tolerance") * spread
        self._gamma = RESOLUTION * spread or 1.0
        self._radius = int(NEARNESS * self._n)
        self._recent_frames = recent
        self._row = np.empty(self._n)
        self._costs = np.empty(self._reference.shape[2])
        self.reset()

    def reset(self) -> None:
        """Forget all frames: the next one is the first."""
        self._seen = 0
        self._recent = 0.0

    @property
    def frames_seen(self) -> int:
        """How many frames have arrived."""
        return self._seen

    def update(self, embedding: ArrayLike) -> Position:
        """Take the next frame.

        Parameters
        ----------
        embedding : array_like, shape (d,)
            Embedding of the frame.

        Returns
        -------
        Position
            Where the performer is now. Of several equally cheap places the first.

        Raises
        ------
        ValueError
            If the shape does not fit or a value is not finite; the frame then does not count.
        """
        frame = as_float64(embedding, "embedding")
        if frame.shape != (self._d,):
            raise ValueError(f"embedding must have shape ({self._d},), got {frame.shape}")
        _check_size(frame, "embedding")
        best, local_cost = advance(
            self._reference, frame, self._row, self._costs, self._seen == 0, self._open_begin
        )
        self._seen += 1
        # The mean of the first frames, then one that forgets.
        frames = min(self._recent_frames, self._seen)
        self._recent += (local_cost - self._recent) / frames
        # To be off the script costs the limit for each recent frame. Of the weights exp(-cost /
        # gamma) of both, the share of the script's:
        excess = frames * (self._recent - self._limit) / self._gamma
        on_script = 0.5 - 0.5 * math.tanh(0.5 * excess)
        share = share_near(self._row, best, self._radius, self._gamma)
        return Position(
            frame=best,
            phase=None if self._phases is None else self._phases[best],
            confidence=on_script * share,
            cost=float(self._row[best]),
            local_cost=local_cost,
            off_script=self._recent > self._limit,
        )


def _blocks(array: np.ndarray, dtype: type) -> np.ndarray:
    """Lay `(n, d)` out as the kernel takes it: block by block `(d, width)`, padded by zeros."""
    n, d = array.shape
    width = min(BLOCK, n)
    padded = np.zeros((-(-n // width) * width, d), dtype=dtype)
    padded[:n] = array
    return np.ascontiguousarray(padded.reshape(-1, width, d).swapaxes(1, 2))


def _check_size(array: np.ndarray, name: str) -> np.ndarray:
    if not (np.abs(array) <= _LARGEST).all():  # NaN is not, either
        raise ValueError(f"{name} must be finite and at most {_LARGEST:g}, got {array}")
    return array
