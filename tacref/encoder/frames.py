"""Frames and embeddings that are no numbers, named by where in the video they are."""

import numpy as np

# Rounding of float16 layers and of TF32 stays below; a row of NaN or of zeros does not.
_UNIT = 1e-3


class FrameError(ValueError):
    """One frame of a video, or its embedding, cannot be used.

    Parameters
    ----------
    frame : int
        Counted from 0.
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
    unit = np.abs(norms - 1) <= _UNIT  # False for NaN
    if not unit.all():
        frame = int(np.argmin(unit))
        raise FrameError(
            frame,
            f"its embedding has length {norms[frame]:.6g} instead of 1; what the frames hold "
            "is beyond what the encoder can compute",
        )
