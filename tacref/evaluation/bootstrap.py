"""Scores that are means over videos or pairs of videos, with bootstrap intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tacref.evaluation.checks import check_seed

# With fewer videos, resampling them says next to nothing.
MIN_VIDEOS_FOR_INTERVAL = 3
CONFIDENCE_LEVEL = 0.95


class Estimate(NamedTuple):
    """A score and the ends of its 95 % interval over videos (None if there are too few videos)."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Return `0.921 [0.900, 0.940]`."""
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Scores:
    """Sums that make up a score, per video or per pair of videos.

    Parameters
    ----------
    totals : ndarray of float64, shape (V,) or (V, V)
        Contribution of each video, or ordered pair of videos, to the numerator; 0 on the diagonal.
    counts : ndarray of float64, of the same shape
        Its contribution to the denominator.
    """

    totals: np.ndarray
    counts: np.ndarray

    @property
    def value(self) -> float:
        """The score: the sum of totals divided by the sum of counts; NaN if nothing counts."""
        # fsum: the result does not depend on the order of the videos.
        total, count = math.fsum(self.totals.flat), math.fsum(self.counts.flat)
        return total / count if count else math.nan

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """Scores `(R,)` of samples in which video v is drawn `weights[r, v]` times.

        Two draws of the same video do not count as a pair, as in the score itself.
        """
        totals, counts = (
            (weights @ part) if part.ndim == 1 else ((weights @ part) * weights).sum(1)
            for part in (self.totals, self.counts)
        )
        return np.divide(totals, counts, out=np.full(len(weights), np.nan), where=counts > 0)


def estimate(scores: Sequence[Scores], *, seed: int = 0, resamples: int = 1000) -> Estimate:
    """Mean of one score over activities, with its percentile interval by bootstrap over videos.

    Parameters
    ----------
    scores : sequence of Scores
        One for each activity; videos are drawn with replacement, separately for each activity.
    seed : int
        Seed of the draws.
    resamples : int
        Number of draws, >= 1.

    Returns
    -------
    Estimate
        Ends are None if an activity has fewer than three videos that count. Samples in which
        nothing counts are left out. Training videos and the frames searched are not resampled:
        the interval only accounts for the choice of the videos scored.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be >= 1, got {resamples!r}")
    check_seed(seed)
    value = float(np.mean([each.value for each in scores]))
    counting = [
        int((each.counts if each.counts.ndim == 1 else each.counts.sum(1)).astype(bool).sum())
        for each in scores
    ]
    if min(counting) < MIN_VIDEOS_FOR_INTERVAL:
        return Estimate(value, None, None)
    rng = np.random.default_rng(seed)
    draws = np.zeros(resamples)
    for each in scores:
        videos = len(each.totals)
        weights = rng.multinomial(videos, np.full(videos, 1 / videos), size=resamples)
        draws += each.resampled(weights.astype(np.float64)) / len(scores)
    tail = 100 * (1 - CONFIDENCE_LEVEL) / 2
    draws = draws[~np.isnan(draws)]  # samples in which no video or pair counts
    if not draws.size:
        return Estimate(value, None, None)
    low, high = np.percentile(draws, [tail, 100 - tail])
    return Estimate(value, float(low), float(high))
