"""A clip for the report, re-encoded if necessary so that every browser plays and scrubs it."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np

from tacref.data.index import VideoIndex
from tacref.data.seek import read_frames
from tacref.data.video import VideoFrames
from tacref.data.writing import h264_file
from tacref.files import replacing
from tacref.report.copying import copy_playable
from tacref.report.pictures import scaled, shown_size

MAX_SIDE = 720  # pixels
# Key frames are close, so that a seek decodes few frames. No frame refers to a later one, so that
# the first is at 0.
_H264 = {"crf": "25", "preset": "veryfast", "g": "24", "bf": "0"}
_TICKS_PER_SECOND = 90_000


def write_footage(
    path: str | Path,
    frames: Iterable[tuple[np.ndarray, float]],
    pictured: Iterable[int] = (),
    *,
    picture_side: int = 160,
    max_side: int = MAX_SIDE,
    advance: Callable[[int], object] | None = None,
) -> tuple[int, dict[int, np.ndarray]]:
    """Write a clip as H.264 mp4 with its own timestamps from 0, and return pictures of some frames.

    A video that browsers play as it is (see `copying`) is copied; others are encoded.

    Parameters
    ----------
    path : str or Path
        File to write. Not written if the frames are rows of features.
    frames : iterable of (ndarray, float)
        Frames, uint8 `(H, W, 3)` RGB, with times in seconds, or rows of features; read once. If it
        has a `pixel_aspect`, as `iter_video` does, its pixels are that much wider than high; the
        pixels of the file are square.
    pictured : iterable of int
        Frames to return as pictures.
    picture_side : int
        Longer side of such a picture in pixels, at most.
    max_side : int
        Longer side of the video in pixels, at most.
    advance : function of int, optional
        Called with 1 after each frame.

    Returns
    -------
    count : int
        Number of frames.
    pictures : dict of int to ndarray of uint8, shape (h, w, 3)
        The `pictured` frames; empty for features.

    Raises
    ------
    ValueError
        If there are no frames.
    """
    pictured = set(pictured)
    if isinstance(frames, VideoFrames):
        index = copy_playable(path, frames, max_side)
        if index is not None:
            numbers = sorted(pictured)
            return index.length, _pictures(frames.path, index, numbers, picture_side, advance)
    pictures: dict[int, np.ndarray] = {}
    count = 0

    def counted() -> Iterator[tuple[np.ndarray, float]]:
        nonlocal count
        for frame, timestamp in frames:
            if count in pictured and frame.ndim == 3:
                size = shown_size(frame, pixel_aspect_of(frames), picture_side)
                pictures[count] = scaled(frame, size)
            count += 1
            yield frame, timestamp
            if advance is not None:
                advance(1)

    stream = counted()
    first = next(stream, None)
    if first is None:
        raise ValueError("frames must not be empty")
    if first[0].ndim == 3:
        width, height = shown_size(first[0], pixel_aspect_of(frames), max_side)
        with replacing(path) as temporary:
            _encode(temporary, (max(width // 2 * 2, 2), max(height // 2 * 2, 2)), first, stream)
    else:
        for _ in stream:
            pass
    return count, pictures


def _pictures(
    clip: str | Path,
    index: VideoIndex,
    numbers: list[int],
    picture_side: int,
    advance: Callable[[int], object] | None,
) -> dict[int, np.ndarray]:
    pictures = read_frames(clip, [k for k in numbers if k < index.length], index)
    if advance is not None:
        advance(index.length)
    return {
        k: scaled(picture, shown_size(picture, Fraction(1), picture_side))
        for k, picture in zip(numbers, pictures, strict=False)
    }


def pixel_aspect_of(frames: Iterable[object]) -> Fraction:
    """Return the displayed width of a pixel over its height; 1 if unstated.

    A video states it from its first frame on.
    """
    return getattr(frames, "pixel_aspect", Fraction(1))


def _encode(
    path: Path,
    size: tuple[int, int],
    first: tuple[np.ndarray, float],
    rest: Iterator[tuple[np.ndarray, float]],
) -> None:
    with h264_file(
        path,
        size,
        rate=Fraction(25),
        clock=Fraction(1, _TICKS_PER_SECOND),
        codec=_H264,
        container={"movflags": "+faststart"},  # the index first: plays while it loads
    ) as write:
        start, last = first[1], -1
        for picture, timestamp in chain((first,), rest):
            # Times must rise: of two frames at one time, the second comes a tick later.
            last = max(last + 1, round((timestamp - start) * _TICKS_PER_SECOND))
            write(picture, last)
