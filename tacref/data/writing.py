"""Writing videos that browsers play, in colors that all players show alike."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

from tacref.files import replacing

# The same frames give the same file: libx264's macroblock tree reads uninitialized memory, and the
# number of its threads, by default that of the cores, changes its result.
_REPRODUCIBLE = {"mbtree": "0", "threads": "1"}


@contextmanager
def h264_file(
    path: str | Path,
    size: tuple[int, int],
    *,
    rate: Fraction,
    clock: Fraction,
    codec: Mapping[str, str],
    container: Mapping[str, str] | None = None,
) -> Iterator[Callable[[np.ndarray, int], None]]:
    """Open an H.264 mp4 file and yield a function that writes frames to it.

    The file states its colors: BT.709, limited range. Without that, players guess, and browsers
    assume another matrix from 720 lines on.

    Parameters
    ----------
    path : str or Path
        File to write.
    size : (int, int)
        Width and height in pixels, even. Frames of another size are scaled to it.
    rate : Fraction
        Frames per second that the file states.
    clock : Fraction
        Seconds per tick.
    codec, container : mapping of str to str
        Options of libx264, added to those that make the file reproducible, and of the mp4 file.

    Yields
    ------
    function of (ndarray, int)
        Takes a frame, uint8 `(H, W, 3)` RGB, and its time in ticks; times rise.
    """
    width, height = size
    reformatter = VideoReformatter()  # reuses its setup from frame to frame
    with av.open(f"file:{path}", "w", format="mp4", options=dict(container or {})) as file:
        stream = file.add_stream("libx264", rate=rate, options={**_REPRODUCIBLE, **codec})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = clock
        stream.codec_context.colorspace = 1  # BT.709 in the file; swscale's number differs
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.color_primaries = ColorPrimaries.BT709
        stream.codec_context.color_trc = ColorTrc.BT709

        def write(picture: np.ndarray, ticks: int) -> None:
            frame = reformatter.reformat(
                # Not copied, as it is converted before this returns.
                av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), "rgb24"),
                width,
                height,
                "yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=Interpolation.BILINEAR,
                threads=1,  # else each call starts threads
            )
            frame.pts, frame.time_base = ticks, clock
            file.mux(stream.encode(frame))

        yield write
        file.mux(stream.encode(None))


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float = 25.0) -> None:
    """Write an H.264 mp4 file that browsers play.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    frames : iterable of ndarray of uint8, shape (H, W, 3)
        RGB, all of the same size. An odd height or width, which the format does not allow, is made
        even by repeating the last row or column.
    fps : float
        Frames per second, finite and >= 0.001.

    Raises
    ------
    ValueError
        If there are no frames, or one is not as described.
    """
    if not (math.isfinite(fps) and fps >= 0.001):
        raise ValueError(f"fps must be finite and >= 0.001, got {fps!r}")
    rate = Fraction(fps).limit_denominator(1001)
    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        raise ValueError("frames must not be empty")
    shape = first.shape
    if first.ndim != 3 or shape[2] != 3 or first.size == 0:
        raise ValueError(f"frames must have shape (H, W, 3), got {first.dtype} of shape {shape}")
    odd = (shape[0] % 2, shape[1] % 2)
    size = (shape[1] + odd[1], shape[0] + odd[0])
    with (
        replacing(path) as temporary,
        h264_file(temporary, size, rate=rate, clock=1 / rate, codec={"crf": "18"}) as write,
    ):
        for ticks, frame in enumerate(chain((first,), stream)):
            if frame.shape != shape or frame.dtype != np.uint8:
                raise ValueError(
                    f"frames must all be uint8 of shape {shape}, got {frame.dtype} of shape "
                    f"{frame.shape}"
                )
            if any(odd):
                frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
            write(frame, ticks)
