"""Checks of times: frame numbers, timestamps, and the length of the video that they are in."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import MAX_TIME, check_not_negative, in_one_line, read_array
from tacref.reference.checks import check_finite, check_vector, refuse

_LARGEST_FLOAT = float(np.finfo(np.float64).max)


def check_times(
    times: ArrayLike | None, video_length: float | None, n: int, suffix: str = ""
) -> tuple[np.ndarray, float]:
    """Return the times of n rows and the video's length in the same unit, by default 0 … n-1 and n.

    Whole frame numbers stay integers; timestamps become float64. `suffix` is that of the
    arguments' names.

    Raises
    ------
    ValueError
        If `times` are not n finite numbers >= 0, or `video_length` is not beyond them, or is not
        a whole number below 2^63 where they are frame numbers.
    """
    name, length_name = f"times{suffix}", f"video_length{suffix}"
    frames = np.arange(n) if times is None else read_array(times, name)
    if frames.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), one a row, got {frames.shape}")
    if frames.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be frame numbers or timestamps, got dtype {frames.dtype}")
    if times is not None and video_length is None:
        raise ValueError(f"{length_name} must be given with {name}, got None")
    if frames.dtype.kind == "f":
        return _check_timestamps(frames.astype(np.float64), video_length, name, length_name)
    first, last = int(frames.min()), int(frames.max())
    if first < 0:
        raise ValueError(f"{name} must be >= 0, got {first}")
    if video_length is None:
        video_length = n
    if not (isinstance(video_length, Integral) and last < video_length < 2**63):
        raise ValueError(
            f"{length_name} must be a whole number > the last frame number {last}, "
            f"got {in_one_line(video_length)}"
        )
    return frames.astype(np.int64), int(video_length)


def _check_timestamps(
    seconds: np.ndarray, video_length: float | None, name: str, length_name: str
) -> tuple[np.ndarray, float]:
    check_finite(seconds, name)
    check_not_negative(float(seconds.min()), name)
    last = float(seconds.max())
    if not (isinstance(video_length, Real) and last < video_length <= _LARGEST_FLOAT):
        raise ValueError(
            f"{length_name} must be finite and > the last timestamp {last}, "
            f"got {in_one_line(video_length)}"
        )
    return seconds, float(video_length)


def check_real_times(times: ArrayLike | None, n: int, name: str) -> np.ndarray:
    """Return the times of n rows as float64, by default 0 … n-1.

    Raises
    ------
    ValueError
        If they are not n finite numbers, of at most `MAX_TIME`.
    """
    real_times = np.arange(n, dtype=np.float64) if times is None else check_vector(times, name)
    if len(real_times) != n:
        raise ValueError(f"{name} must have shape ({n},), one a row, got {real_times.shape}")
    wrong = ~(np.abs(real_times) <= MAX_TIME)
    refuse(real_times, wrong, f"{name} must be finite, at most {MAX_TIME:g} in size")
    return real_times
