"""Writing videos that browsers play."""

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tacref.files import replacing

# The same frames give the same file: libx264's tree of macroblocks reads memory that it has not
# written, and its threads, as many as there are cores, cut a video differently.
_H264 = {"crf": "18", "threads": "1", "mbtree": "0"}


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float = 25.0) -> None:
    """Write an H.264 mp4 file that browsers play.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    frames : iterable of ndarray of uint8, shape (H, W, 3)
        RGB, all of one size. An odd height or width, which the format cannot hold, is made even
        by repeating the last row or column.
    fps : float
        Frames a second, finite and > 0.

    Raises
    ------
    ValueError
        If there are no frames, or one is not as described.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be finite and > 0, got {fps!r}")
    shape: tuple[int, ...] | None = None
    with (
        replacing(path) as temporary,
        av.open(f"file:{temporary}", "w", format="mp4") as container,
    ):
        stream = container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1001), options=_H264
        )
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            given = f"got {frame.dtype} of shape {frame.shape}"
            if shape is None:
                if frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
                    raise ValueError(f"frames must have shape (H, W, 3), {given}")
                shape = frame.shape
                odd = (shape[0] % 2, shape[1] % 2)
                stream.height, stream.width = shape[0] + odd[0], shape[1] + odd[1]
            if frame.shape != shape or frame.dtype != np.uint8:
                raise ValueError(f"frames must all be uint8 of shape {shape}, {given}")
            if any(odd):
                frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if shape is None:
            raise ValueError("frames must not be empty")
        container.mux(stream.encode(None))
