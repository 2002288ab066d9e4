"""Live frames: from a camera, standard input or a URL, or from a clip read in the same way."""

import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from tacref.data.clips import iter_frames
from tacref.data.clock import Clock
from tacref.data.picture import PictureReader
from tacref.data.rows import rows_on
from tacref.data.video import error_reason, video_stream

STDIN = "-"
_PIPE_HINT = "; an mp4 whose index is at its end cannot be read from a pipe, MPEG-TS can"
SCHEMES = ("rtsp", "http", "https", "udp", "tcp", "rtmp", "srt")
# A URL has failed after this long without data.
TIMEOUT_SECONDS = 10.0

# ffmpeg's input format for the cameras of an operating system, and its names of them.
_CAMERAS = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}
# Formats accepted from outside: containers and bare streams. Playlists (HLS, DASH, concat, SDP) are
# refused: they could make this machine open any file or address.
_FORMATS = (
    "avi,flv,h264,hevc,ivf,live_flv,matroska,webm,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpjpeg,"
    "mpegvideo,m4v,nut,ogg,rtsp,yuv4mpegpipe"
)
_PROTOCOLS = "rtsp,rtp,http,https,udp,tcp,tls,rtmp,srt"


def is_camera(source: str | Path) -> bool:
    """Return whether a source is a camera: its number, or a device such as /dev/video0."""
    text = str(source)
    return text.isdecimal() or re.fullmatch(r"/dev/video\d+|video=.+", text) is not None


def is_live(source: str | Path) -> bool:
    """Return whether a source is live: a camera, "-" for standard input, or a URL."""
    return is_camera(source) or str(source) == STDIN or _scheme(source) is not None


def source_name(source: str | Path) -> str:
    """Return the name of a source for messages; a URL without its password."""
    text = str(source)
    if text == STDIN:
        return "standard input"
    return text if _scheme(text) is None else re.sub(r"//[^/]*@", "//***@", text)


def iter_live(source: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """Read frames one by one, from a camera or a stream until it ends, or from a clip of any kind.

    Parameters
    ----------
    source : str or Path
        A camera's number or device (/dev/video0), "-" for a video or rows of numbers on standard
        input, a URL of one of `SCHEMES`, or a clip as `iter_frames` takes it. Rows are lines of
        JSON, `[...]` or `{"time": seconds, "row": [...]}`, or a .npy array `(T, F)`; the first
        byte tells.

    Yields
    ------
    frame : ndarray of uint8, shape (H, W, 3), or of float32, shape (F,)
        An RGB picture or a row of features.
    timestamp : float
        Seconds since the first frame.

    Raises
    ------
    FileNotFoundError
        If there is no such clip.
    ValueError
        If the camera or the stream does not open or fails, or the clip or a row is damaged.
    """
    if is_camera(source):
        format_name, device = _CAMERAS.get(sys.platform, _CAMERAS["linux"])
        text = str(source)
        name = device.format(text) if text.isdecimal() else text
        frames = iter_device(name, format_name)
    elif str(source) == STDIN:
        frames = _iter_stdin()
    elif _scheme(source) is not None:
        frames = iter_url(str(source))
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
        ffmpeg's name of the device.
    format_name : str
        ffmpeg's input format for it.

    Yields
    ------
    frame : ndarray of uint8, shape (H, W, 3)
        RGB.
    timestamp : float
        Seconds, by the clock of the device.

    Raises
    ------
    ValueError
        If it does not open, gives no pictures, or fails.
    """
    yield from _iter_stream(f"camera {name}", name, format=format_name)


def iter_url(url: str) -> Iterator[tuple[np.ndarray, float]]:
    """Read frames of a video from a network.

    Parameters
    ----------
    url : str
        Its scheme is one of `SCHEMES`. It must lead to a video: playlists are refused.

    Yields
    ------
    frame : ndarray of uint8, shape (H, W, 3)
        RGB.
    timestamp : float
        Seconds, by the clock of the stream.

    Raises
    ------
    ValueError
        If it has another scheme, does not open, or fails.
    """
    scheme = _scheme(url)
    name = source_name(url)
    if scheme not in SCHEMES:
        raise ValueError(f"{name}: must begin with one of {', '.join(SCHEMES)}, got {scheme!r}")
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": _PROTOCOLS}
    yield from _iter_stream(name, url, options=options, timeout=TIMEOUT_SECONDS)


def _iter_stdin() -> Iterator[tuple[np.ndarray, float]]:
    """Read frames of a video, or rows of numbers, from standard input as they arrive."""
    descriptor, name = 0, source_name(STDIN)
    if os.isatty(descriptor):
        raise ValueError(
            f"{name}: is a terminal; write a video or rows of numbers into it, as from ffmpeg"
        )
    # A read returns what is there instead of waiting for a full buffer.
    with io.BufferedReader(io.FileIO(descriptor, closefd=False)) as file:
        begin = os.lseek(descriptor, 0, os.SEEK_CUR) if file.seekable() else None
        rows = rows_on(name, file)
        if rows is not None:
            yield from rows
            return
        source: Any = _Pipe(file)
        if begin is not None:  # a file, unlike a pipe, can be read by seeking, as mp4 needs
            source = file.raw
            source.seek(begin)
        # Files and addresses that the video names are not opened.
        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
        yield from _iter_stream(name, source, options=options)


class _Pipe:
    """What av needs of a stream of which the first bytes have been looked at."""

    def __init__(self, file: "io.BufferedReader[Any]") -> None:
        self.read = file.read1


def _iter_stream(name: str, source: Any, **options: Any) -> Iterator[tuple[np.ndarray, float]]:
    """Open and decode a stream; damaged packets are left out, as the stream goes on after them."""
    try:
        container = av.open(source, metadata_errors="replace", **options)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = _reason(error)
        if "options" in options and getattr(error, "errno", None) == errno.EINVAL:
            reason = "a playlist, or another format that is not read from a stream"
        raise ValueError(f"{name}: does not open ({reason})") from None
    with container:
        if not container.streams.video:
            raise ValueError(f"{name}: gives no pictures")
        stream = video_stream(name, container)
        stream.thread_type = "SLICE"  # decoding several frames at once would delay them
        shape: tuple[int, ...] | None = None
        clock = Clock(stream, 1 / float(stream.average_rate or 25), live=True)
        pictures = PictureReader(name)
        try:
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    continue
                for frame, time in (timed for new in frames for timed in clock.add(new)):
                    picture = pictures.read(frame)
                    shape = shape or picture.shape
                    if picture.shape != shape:
                        raise ValueError(
                            f"{name}: frames change size, from {shape[1]}x{shape[0]} to "
                            f"{picture.shape[1]}x{picture.shape[0]}"
                        )
                    yield picture, time
        except av.FFmpegError as error:
            hint = _PIPE_HINT if isinstance(source, _Pipe | io.FileIO) and shape is None else ""
            raise ValueError(f"{name}: failed ({_reason(error)}){hint}") from None
        if shape is None:
            raise ValueError(f"{name}: gives no pictures")


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.ExitError):  # PyAV's, after the timeout
        return f"nothing came for {TIMEOUT_SECONDS:g} seconds"
    return error_reason(error)


def _scheme(source: str | Path) -> str | None:
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", str(source))
    return match[1].lower() if match else None
