"""A clip for the report: encoded anew, where need be, so that every browser plays and scrubs it."""

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
# Key frames are so close that a seek decodes a few frames. No frame refers to a later one, so that
# the first is at 0.
_H264 = {"crf": "25", "preset": "veryfast", "g": "24", "bf": "0"}
_TICKS = 90_000  # a second


def write_footage(
    path: str | Path,
    frames: Iterable[tuple[np.ndarray, float]],
    wanted: Iterable[int] = (),
    *,
    side: int = 160,
    most: int = MAX_SIDE,
    advance: Callable[[int], object] | None = None,
) -> tuple[int, dict[int, np.ndarray]]:
    """Write a clip as H.264 mp4 with its own timestamps, from 0, and keep some frames as pictures.

    A video that browsers play as it is (see `copying`) is copied; others are encoded.

    Parameters
    ----------
    path : str or Path
        File to write. Not written where frames are rows of features.
    frames : iterable of (ndarray, float)
        Frames, uint8 `(H, W, 3)` RGB, with times in seconds, or rows of features; read once. If it
        has a `pixel_aspect`, as what `iter_video` returns, pixels are that much wider than high;
        what is written has square ones.
    wanted : iterable of int
        Frames to keep.
    side : int
        Longer side of a kept picture, in pixels, at most.
    most : int
        Longer side of the video, in pixels, at most.
    advance : function of int, optional
        Called with 1 after each frame.

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
    if isinstance(frames, VideoFrames):
        index = copy_playable(path, frames, most)
        if index is not None:
            return index.length, _kept(frames.path, index, sorted(wanted), side, advance)
    pictures: dict[int, np.ndarray] = {}
    count = 0

    def counted() -> Iterator[tuple[np.ndarray, float]]:
        nonlocal count
        for frame, timestamp in frames:
            if count in wanted and frame.ndim == 3:
                size = shown_size(frame, pixel_aspect_of(frames), side)
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
        width, height = shown_size(first[0], pixel_aspect_of(frames), most)
        with replacing(path) as temporary:
            _encode(temporary, (max(width // 2 * 2, 2), max(height // 2 * 2, 2)), first, stream)
    else:
        for _ in stream:
            pass
    return count, pictures


def _kept(
    clip: str | Path,
    index: VideoIndex,
    wanted: list[int],
    side: int,
    advance: Callable[[int], object] | None,
) -> dict[int, np.ndarray]:
    pictures = read_frames(clip, [at for at in wanted if at < index.length], index)
    if advance is not None:
        advance(index.length)
    return {
        at: scaled(picture, shown_size(picture, Fraction(1), side))
        for at, picture in zip(wanted, pictures, strict=False)
    }


def pixel_aspect_of(frames: Iterable[object]) -> Fraction:
    """Return how wide a pixel of frames is shown, as a multiple of its height; 1 if unstated.

    A video's is known from its first frame on.
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
        clock=Fraction(1, _TICKS),
        codec=_H264,
        container={"movflags": "+faststart"},  # the index first: plays while it loads
    ) as write:
        start, last = first[1], -1
        for picture, timestamp in chain((first,), rest):
            # Times must rise: of two frames at one time, the second comes a tick later.
            last = max(last + 1, round((timestamp - start) * _TICKS))
            write(picture, last)
