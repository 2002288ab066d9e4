"""Checks of features and embeddings, with errors that name the frame."""

import numpy as np

# Largest deviation of an embedding's length from 1: rounding in float16 and TF32 stays below it.
_MAX_LENGTH_ERROR = 1e-3


class FrameError(ValueError):
    """One frame of a video, or its embedding, cannot be used.

    Parameters
    ----------
    frame : int
        Number of the frame, from 0.
    reason : str
        What is wrong with it.
    """

    def __init__(self, frame: int, reason: str) -> None:
        super().__init__(f"frame {frame}: {reason}")
        self.frame, self.reason = frame, reason

    def after(self, frames: int) -> "FrameError":
        """Return the same error in a video with `frames` more frames before these."""
        return FrameError(self.frame + frames, self.reason)


def check_features(features: np.ndarray) -> None:
    """Refuse features `(T, F)` that are not finite.

    Raises
    ------
    FrameError
        Names the first frame and feature.
    """
    finite = np.isfinite(features)
    if not finite.all():
        frame, feature = np.argwhere(~finite)[0]
        raise FrameError(int(frame), f"feature {feature} is {features[frame, feature]}, not finite")


def check_embeddings(rows: np.ndarray) -> None:
    """Refuse embeddings `(T, d)` that are not finite or not of unit length.

    Raises
    ------
    FrameError
        Names the first frame.
    """
    norms = np.sqrt(np.einsum("td,td->t", rows, rows))
    unit = np.abs(norms - 1) <= _MAX_LENGTH_ERROR  # False for NaN
    if not unit.all():
        frame = int(np.argmin(unit))
        raise FrameError(
            frame,
            f"its embedding has length {norms[frame]:.6g} instead of 1; the numbers in these "
            "frames are beyond what the encoder can compute",
        )
