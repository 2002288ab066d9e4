"""Frames as they come: from a camera, or from a clip read like one."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from tacref.data.clips import iter_frames

# How ffmpeg calls the cameras of an operating system, and the first of them there.
_CAMERAS = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}


def is_camera(source: str | Path) -> bool:
    """Say whether a source is a camera: its number, or a device such as /dev/video0."""
    text = str(source)
    return text.isdecimal() or re.fullmatch(r"/dev/video\d+|video=.+", text) is not None


def iter_live(source: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """Read frames one by one, from a camera until it stops, or from a clip of any kind.

    Parameters
    ----------
    source : str or Path
        A camera's number or device (/dev/video0), or a clip as `iter_frames` takes it.

    Yields
    ------
    frame : ndarray of uint8, shape (H, W, 3), or of float32, shape (F,)
        A picture (RGB) or a row of features.
    timestamp : float
        Seconds since the first frame.

    Raises
    ------
    FileNotFoundError
        If there is no such clip.
    ValueError
        If the camera does not open or fails, or the clip is damaged.
    """
    if is_camera(source):
        format_name, device = _CAMERAS.get(sys.platform, _CAMERAS["linux"])
        text = str(source)
        name = device.format(text) if text.isdecimal() else text
        frames = iter_device(name, format_name)
    else:
        frames = iter_frames(source)
    start: float | None = None
    for frame, timestamp in frames:
        start = timestamp if start is None else start
        yield frame, timestamp - start


def iter_device(name: str, format_name: str) -> Iterator[tuple[np.ndarray, float]]:
    """Read frames of a capture device.

    Parameters
    ----------
    name : str
        What ffmpeg calls the device.
    format_name : str
        The kind of device, one of ffmpeg's input formats.

    Yields
    ------
    frame : ndarray of uint8, shape (H, W, 3)
        RGB.
    timestamp : float
        Seconds, of the device's own clock.

    Raises
    ------
    ValueError
        If it does not open, gives no pictures, or fails.
    """
    try:
        container = av.open(name, format=format_name)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ValueError(f"camera {name}: does not open ({_reason(error)})") from None
    with container:
        if not container.streams.video:
            raise ValueError(f"camera {name}: gives no pictures")
        last = 0.0
        try:
            for frame in container.decode(video=0):
                last = last if frame.time is None else float(frame.time)
                yield frame.to_ndarray(format="rgb24"), last
        except av.FFmpegError as error:
            raise ValueError(f"camera {name}: failed ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
