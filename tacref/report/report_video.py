"""A video as the report takes it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tacref.alignment.deviations import Deviation


@dataclass(frozen=True)
class ReportVideo:
    """A video of the report.

    Parameters
    ----------
    name : str
        Its name. Any text; escaped.
    frames : iterable of (ndarray, float)
        All frames with their times, read once, as `write_footage` takes them: uint8 `(H, W, 3)`
        RGB. For rows of features no pictures are shown, only numbers and times.
    labels : sequence of str or None, optional
        Phase of each frame, None for a frame without one. Any text; escaped.
    transferred : bool
        Whether the labels come from another video, along a path.
    deviations : sequence of Deviation, optional
        Where it stands out against the other videos, if that was sought; none of the reference.
    """

    name: str
    frames: Iterable[tuple[np.ndarray, float]]
    labels: Sequence[str | None] | None = None
    transferred: bool = False
    deviations: Sequence[Deviation] | None = None
