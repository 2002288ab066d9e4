"""Times of frames, as functions of embeddings take them."""

import numpy as np
from numpy.typing import ArrayLike

from tacref.reference.checks import as_float64, refuse


def check_times(times: ArrayLike | None, count: int, name: str) -> np.ndarray:
    """Return the times of so many frames as float64; by default their numbers.

    Raises
    ------
    ValueError
        If there are not as many, or one is not finite.
    """
    checked = np.arange(count, dtype=np.float64) if times is None else as_float64(times, name)
    if checked.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one per frame, got {checked.shape}")
    refuse(checked, ~np.isfinite(checked), f"{name} must be finite")
    return checked
