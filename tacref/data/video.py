"""Video files through PyAV: any codec that ffmpeg reads, upright, with their own timestamps."""

import errno
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

# fmt: off
SUFFIXES = frozenset((
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv",
))
# fmt: on

# Threads of a decoder; 0 is one a core. Processes that decode side by side share the cores.
decoder_threads = 0


def iter_video(path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """Decode a video file frame by frame.

    Parameters
    ----------
    path : str or Path
        Anything ffmpeg reads. Its first video stream is taken; cover pictures are not video.

    Yields
    ------
    frame : ndarray of uint8, shape (H, W, 3)
        RGB, turned and mirrored upright as the file's display matrix says.
    timestamp : float
        Seconds, as in the file; the steps between them need not be equal.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a video, or damaged or cut off; says how much was read. (A file cut between
        two frames is found by the length it states; some formats, such as MPEG-TS, state none.)
    """
    with open_video(path) as container:
        stream = video_stream(path, container)
        read = _Read(container, stream)
        shape: tuple[int, ...] | None = None
        try:
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    raise ValueError(f"{path}: damaged or cut off: {read}")
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise ValueError(f"{path}: damaged: {read}")
                    picture = upright(frame)
                    shape = shape or picture.shape
                    if picture.shape != shape:
                        raise ValueError(
                            f"{path}: frames change size, from {shape[1]}x{shape[0]} to "
                            f"{picture.shape[1]}x{picture.shape[0]} at frame {read.count}"
                        )
                    yield picture, read.add(frame)
        except av.FFmpegError as error:
            raise unreadable(path, f"damaged or cut off: {read}", error) from None
        if read.count == 0:
            raise ValueError(f"{path}: has no frames")
        if read.misses_the_end or _cut_gif(path, container):
            raise ValueError(f"{path}: cut off: {read}")


def open_video(path: str | Path) -> av.container.InputContainer:
    """Open a video file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a video.
    """
    try:
        # "file:" keeps ffmpeg from taking "12:30.mp4" for a protocol; a tag in another
        # encoding is no reason to refuse the video.
        return av.open(f"file:{path}", metadata_errors="replace")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such video file") from None
    except (av.FFmpegError, OSError) as error:
        said = "not a video, or cut off before its index: nothing could be read"
        raise unreadable(path, said, error) from None


def video_stream(path: str | Path, container: av.container.InputContainer) -> av.VideoStream:
    """Return the first stream that is video and not a cover picture.

    Raises
    ------
    ValueError
        If there is none.
    """
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & cover:
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = decoder_threads
            return stream
    raise ValueError(f"{path}: has no video stream, or is cut off before it")


class _Read:
    """What has been read of a stream, held against what the file says it holds."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._container, self._stream = container, stream
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self._interval = self._longest = float(1 / rate)
        self._last: float | None = None
        self.count, self.end = 0, 0.0

    def add(self, frame: av.VideoFrame) -> float:
        """Count a frame and return its timestamp."""
        if frame.time is not None:
            timestamp = float(frame.time)
        else:  # without a time of its own, a frame follows the one before
            timestamp = 0.0 if self._last is None else self._last + self._interval
        if self._last is not None:
            self._longest = max(self._longest, timestamp - self._last)
        duration = self._interval
        if frame.duration and frame.time_base:
            duration = float(frame.duration * frame.time_base)
        self._last, self.end, self.count = timestamp, timestamp + duration, self.count + 1
        return timestamp

    @property
    def misses_the_end(self) -> bool:
        """True if the file says that it goes on after the last frame."""
        # An edit list may rightly hide some of the stored frames: both lengths must say so.
        counted = self._stream.frames > 0 and self.count >= self._stream.frames
        stated = self._stated_end()
        # Where frames come at unequal steps, the last one may be the longest.
        return not counted and stated is not None and self.end < stated - 0.75 * self._longest

    def __str__(self) -> str:
        frames, stated = self._stream.frames, self._stated_end()
        said = [f"{frames} frames"] if frames else []
        said += [] if stated is None else [f"{stated:.2f} s"]
        of = f" of {', '.join(said)}" if said else ""
        return f"{self.count} frames ({self.end:.2f} s) were read{of}"

    def _stated_end(self) -> float | None:
        """Seconds at which the file says its video ends, or None where it does not."""
        container, stream = self._container, self._stream
        start = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
        if stream.duration and stream.time_base:
            return start + float(stream.duration * stream.time_base)
        # Matroska has a tag, hours:minutes:seconds.
        clock = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
        if clock:
            return 3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3])
        if container.duration and len(container.streams) == 1:
            return container.duration / av.time_base  # from 0, wherever the first frame is
        return None


def _cut_gif(path: str | Path, container: av.container.InputContainer) -> bool:
    """Return whether a GIF, which states no length, lacks the byte that ends one."""
    if container.format.name != "gif":
        return False
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b";"


def upright(frame: av.VideoFrame) -> np.ndarray:
    """Return a decoded frame as RGB `(H, W, 3)`, turned as the file's display matrix says."""
    picture = frame.to_ndarray(format="rgb24")
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")  # a buffer
    if matrix is None:
        return picture
    # A pixel at (p, q) is shown at (a p + c q, b p + d q). Players round to quarter turns, too.
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    across, down = a, d
    if abs(b) > abs(a):
        picture, across, down = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def failure(error: Exception) -> str:
    """Return what ffmpeg or the system says went wrong, without the file's name."""
    return str(getattr(error, "strerror", None) or error)


def unreadable(path: str | Path, said: str, error: Exception) -> ValueError:
    """Return the error of a video that cannot be read: that it is `said`, or it is the machine."""
    if getattr(error, "errno", None) in (errno.EAGAIN, errno.ENOMEM):
        said = "cannot be decoded, as this machine has no threads or memory left"
    return ValueError(f"{path}: {said} ({failure(error)})")


def pixel_aspect(path: str | Path) -> Fraction:
    """Return how wide a pixel of a video is shown, as a multiple of its height; 1 if unstated.

    Raises
    ------
    FileNotFoundError, ValueError
        As `open_video`, and if no frame can be decoded.
    """
    with open_video(path) as container:
        stream = video_stream(path, container)
        aspect = stream.sample_aspect_ratio
        return Fraction(aspect) if aspect else Fraction(1)
