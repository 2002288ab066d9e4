"""Some frames of a clip in a row, read like a clip of their own."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice

import numpy as np

from tacref.report.footage import pixel_aspect_of


class Excerpt(Iterator[tuple[np.ndarray, float]]):
    """Frames `start` to `start + count` of a clip, with the times that they have in it.

    Parameters
    ----------
    frames : iterator of (ndarray, float)
        All frames with their times, as `iter_frames` yields them.
    start, count : int
        First frame of the excerpt, and how many frames it has.
    """

    def __init__(self, frames: Iterator[tuple[np.ndarray, float]], start: int, count: int) -> None:
        self._frames = frames
        self._part = islice(frames, start, start + count)

    def __next__(self) -> tuple[np.ndarray, float]:
        """Return the next frame and its time."""
        return next(self._part)

    @property
    def pixel_aspect(self) -> Fraction:
        """Displayed width of a pixel over its height."""
        return pixel_aspect_of(self._frames)
