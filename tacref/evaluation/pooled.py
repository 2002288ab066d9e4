"""R^2 over the frames of all videos, and its bootstrap over videos."""

from dataclasses import dataclass

import numpy as np

from tacref.evaluation.bootstrap import Scores


@dataclass(frozen=True)
class PooledScores(Scores):
    """Sums that make up R^2 over all frames, per video.

    Parameters
    ----------
    totals : ndarray of float64, shape (V, B)
        Sum of squared errors over the frames of each video, for each of B targets.
    counts : ndarray of float64, shape (V,)
        Frames of each video; 0 for a video that does not count.
    sums, squares : ndarray of float64, shape (V, B)
        Sums of the targets and of their squares.
    """

    sums: np.ndarray
    squares: np.ndarray

    @property
    def value(self) -> float:
        """R^2 about the mean of all frames, averaged over targets; NaN if nothing counts."""
        return float(self.resampled(np.ones((1, len(self.counts))))[0])

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """Scores `(R,)` of samples in which video v is drawn `weights[r, v]` times."""
        frames = (weights @ self.counts)[:, None]
        errors, sums, squares = (weights @ part for part in (self.totals, self.sums, self.squares))
        spread = squares - sums**2 / np.maximum(frames, 1)  # sum of (y - mean)^2
        shares = np.divide(errors, spread, out=np.full(spread.shape, np.nan), where=frames > 0)
        return (1 - shares).mean(1) if shares.shape[1] else np.full(len(weights), np.nan)
