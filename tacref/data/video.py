"""Video files through PyAV: any codec that ffmpeg reads, upright, with the file's timestamps."""

import errno
import warnings
from collections.abc import Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tacref.data.clock import Clock
from tacref.data.container import is_cut
from tacref.data.damage import Damage, DamageError
from tacref.data.extent import Extent
from tacref.data.fields import may_code_fields
from tacref.data.picture import PictureReader
from tacref.data.writing import write_video

__all__ = ["VideoFrames", "iter_video", "write_video"]

# fmt: off
SUFFIXES = frozenset((
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv",
))
# fmt: on

# ffmpeg's names of the containers that hold frames. Formats that only point to other files
# (playlists, lists of files, session descriptions) or turn text into pictures are refused.
_CONTAINERS = (
    "apng", "asf", "avi", "dv", "flv", "gif", "h264", "hevc", "ivf", "m4v", "matroska", "mov",
    "mpeg", "mpegts", "mpegvideo", "mxf", "nut", "obu", "ogg", "rm", "wtv", "yuv4mpegpipe",
)  # fmt: skip

# Threads of a decoder; 0 means one per core. Processes that decode in parallel share the cores.
decoder_threads = 0


def iter_video(path: str | Path) -> "VideoFrames":
    """Decode a video file frame by frame, from its start.

    Parameters
    ----------
    path : str or Path
        A video in one of the containers that docs/data.md names. The stream marked as default is
        read, or else the one that ffmpeg considers best; cover pictures are not video.

    Returns
    -------
    VideoFrames
        An iterator of (frame, timestamp): uint8 `(H, W, 3)` RGB, turned and mirrored upright as
        the file states, and its time in seconds. Times rise, by steps that need not be equal.

    Raises
    ------
    FileNotFoundError
        When the first frame is read: if there is no such file.
    ValueError
        If it is not a video, or damaged or cut off; states how much was read. (A file cut between
        two frames is recognized by the sizes in its container; some formats, such as MPEG-TS, do
        not state them.)

    Warns
    -----
    UserWarning
        If the file is complete and yet shorter than it states.
    """
    return VideoFrames(path)


class VideoFrames(Iterator[tuple[np.ndarray, float]]):
    """The frames and timestamps of a video file, from `iter_video`."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._aspect, self._is_turned = Fraction(1), False
        self._peeked: list[tuple[np.ndarray, float]] | None = None
        self._rest = self._decode()

    def __next__(self) -> tuple[np.ndarray, float]:
        """Return the next frame and its timestamp."""
        if self._peeked:
            return self._peeked.pop()
        self._peeked = []
        return next(self._rest)

    @property
    def pixel_aspect(self) -> Fraction:
        """Displayed width of a pixel over its height, in the upright picture."""
        self._peek()
        return self._aspect

    @property
    def is_turned(self) -> bool:
        """True if pictures are stored turned or mirrored."""
        self._peek()
        return self._is_turned

    def _peek(self) -> None:
        if self._peeked is None:
            self._peeked = [next(self._rest)]

    def close(self) -> None:
        """Close the file."""
        self._rest.close()

    def _decode(self) -> Generator[tuple[np.ndarray, float]]:
        path = self.path
        with open_video(path) as container:
            stream = video_stream(path, container)
            extent = Extent(container, stream)
            clock = Clock(stream, extent.interval)
            pictures = PictureReader(path)
            shape: tuple[int, ...] | None = None
            try:
                for frame, time in _timed_frames(path, container, stream, clock):
                    picture = pictures.read(frame)
                    if shape is None:
                        shape = picture.shape
                        aspect = Fraction(stream.sample_aspect_ratio or 1)
                        self._aspect = 1 / aspect if pictures.swaps_sides else aspect
                        self._is_turned = not pictures.is_upright
                    if picture.shape != shape:
                        raise ValueError(
                            f"{path}: frames change size, from {shape[1]}x{shape[0]} to "
                            f"{picture.shape[1]}x{picture.shape[0]} at frame {extent.count}"
                        )
                    tick = frame.time_base
                    duration = frame.duration * tick.numerator / tick.denominator if tick else None
                    extent.add(time, duration)
                    yield picture, time
            except DamageError:
                raise ValueError(f"{path}: damaged or cut off: {extent}") from None
            except av.FFmpegError as error:
                raise read_error(path, f"damaged or cut off: {extent}", error) from None
            extent.check(path)


def _timed_frames(
    path: str | Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    clock: Clock,
) -> Iterator[tuple[av.VideoFrame, float]]:
    damage = Damage(container, stream)
    try:
        for packet in packets_of(container, stream):
            damage.note_packet(packet)
            clock.note_packet(packet)
            for frame in packet.decode():
                damage.note_frame(frame)
                yield from clock.add(frame)
    except (DamageError, av.FFmpegError):
        yield from clock.flush()
        raise
    yield from clock.flush()
    if damage.lost_pictures:
        warnings.warn(
            f"{path}: {damage.lost_pictures} of its pictures cannot be decoded: they "
            "are damaged, or refer to others that are not there",
            stacklevel=1,
        )


def packets_of(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.Packet]:
    """Read the packets of a stream; the last one is empty and flushes the decoder."""
    with suppress(
        IndexError
    ):  # PyAV raises it after the last packet if another stream appeared late
        yield from container.demux(stream)


def open_video(path: str | Path) -> av.container.InputContainer:
    """Open a video file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a video.
    """
    if Path(path).exists() and not Path(path).is_file():  # files are read more than once
        raise ValueError(f"{path}: not a video file")
    try:
        # "file:" keeps ffmpeg from taking "12:30.mp4" for a protocol. A tag in another encoding
        # does not matter.
        return av.open(
            f"file:{path}",
            metadata_errors="replace",
            container_options={
                "format_whitelist": ",".join(_CONTAINERS),
                "protocol_whitelist": "file",
            },
        )
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such video file") from None
    except (av.FFmpegError, OSError) as error:
        message = "not a video, or cut off before its index: nothing could be read"
        raise read_error(path, message, error) from None


def video_stream(path: str | Path, container: av.container.InputContainer) -> av.VideoStream:
    """Return the video stream to read from a file, ready to be decoded.

    Raises
    ------
    ValueError
        If there is none, or no decoder for it.
    """
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise ValueError(f"{path}: has no video stream, or is cut off before it")
    best = container.streams.best("video")  # the default stream, or the one with most frames
    stream = next((stream for stream in streams if stream is best), streams[0])
    if stream.codec_context is None:
        if Path(path).is_file() and is_cut(path, container.format.name):
            raise ValueError(f"{path}: not a video, or cut off before its index")
        raise ValueError(f"{path}: its video is in a codec that ffmpeg has no decoder for here")
    context = stream.codec_context
    # Decoding several frames at once reports damage where frames change to fields.
    stream.thread_type = "SLICE" if may_code_fields(context) else "AUTO"
    context.thread_count = decoder_threads
    return stream


def error_reason(error: Exception) -> str:
    """Return the message of ffmpeg or the system, without the file name."""
    return str(getattr(error, "strerror", None) or error)


def read_error(path: str | Path, message: str, error: Exception) -> ValueError:
    """Return the error for a video that cannot be read; names a lack of threads or memory."""
    if getattr(error, "errno", None) in (errno.EAGAIN, errno.ENOMEM):
        message = "cannot be decoded, as this machine has no threads or memory left"
    return ValueError(f"{path}: {message} ({error_reason(error)})")
