"""A clip for the report: re-encoded so that every browser plays and scrubs it."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tacref.files import replacing

MAX_SIDE = 720  # pixels
# Key frames are so close that a seek decodes a few frames. The rest makes the same file each time.
_H264 = {"crf": "23", "preset": "veryfast", "g": "12", "bf": "0", "threads": "1", "mbtree": "0"}
_CLOCK = 90_000  # ticks a second


def write_footage(
    path: str | Path,
    frames: Iterable[tuple[np.ndarray, float]],
    wanted: Iterable[int] = (),
    *,
    side: int = 160,
    most: int = MAX_SIDE,
) -> tuple[int, dict[int, np.ndarray]]:
    """Write a clip as H.264 mp4 with its own timestamps, from 0, and keep some frames as pictures.

    Parameters
    ----------
    path : str or Path
        File to write. Not written where frames are rows of features.
    frames : iterable of (ndarray, float)
        Frames, uint8 `(H, W, 3)` RGB, with times in seconds, or rows of features; read once.
    wanted : iterable of int
        Frames to keep.
    side : int
        Longer side of a kept picture, in pixels, at most.
    most : int
        Longer side of the video, in pixels, at most.

    Returns
    -------
    count : int
        How many frames there were.
    pictures : dict of int to ndarray of uint8, shape (h, w, 3)
        The wanted frames; none of features.

    Raises
    ------
    ValueError
        If there are no frames.
    """
    wanted = set(wanted)
    pictures: dict[int, np.ndarray] = {}
    count = 0

    def counted() -> Iterator[tuple[np.ndarray, float]]:
        nonlocal count
        for frame, timestamp in frames:
            if count in wanted and frame.ndim == 3:
                pictures[count] = np.asarray(_fitted(frame, side))
            count += 1
            yield frame, timestamp

    stream = counted()
    first = next(stream, None)
    if first is None:
        raise ValueError("frames must not be empty")
    if first[0].ndim == 3:
        with replacing(path) as temporary:
            _encode(temporary, first, stream, most)
    else:
        for _ in stream:
            pass
    return count, pictures


def _encode(
    path: Path,
    first: tuple[np.ndarray, float],
    rest: Iterator[tuple[np.ndarray, float]],
    most: int,
) -> None:
    options = {"movflags": "+faststart"}  # the index first: plays while it loads
    with av.open(f"file:{path}", "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options=_H264)
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
        width, height = (side // 2 * 2 for side in _fitted(first[0], most).size)
        stream.width, stream.height = max(width, 2), max(height, 2)
        start, last = first[1], -1

        def encode(picture: np.ndarray, timestamp: float) -> None:
            nonlocal last
            image = Image.fromarray(picture)
            if image.size != (stream.width, stream.height):
                image = image.resize((stream.width, stream.height), Image.Resampling.BILINEAR)
            frame = av.VideoFrame.from_image(image)
            # Times must rise: of two frames at one time, the second comes a tick later.
            last = max(last + 1, round((timestamp - start) * _CLOCK))
            frame.pts, frame.time_base = last, Fraction(1, _CLOCK)
            container.mux(stream.encode(frame))

        encode(*first)
        for picture, timestamp in rest:
            encode(picture, timestamp)
        container.mux(stream.encode(None))


def _fitted(frame: np.ndarray, side: int) -> Image.Image:
    image = Image.fromarray(frame)
    image.thumbnail((side, side))
    return image
