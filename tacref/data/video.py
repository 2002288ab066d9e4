"""Video files through PyAV: any codec that ffmpeg reads, upright, with their own timestamps."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tacref.files import replacing

# fmt: off
SUFFIXES = frozenset((
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv",
))
# fmt: on


def iter_video(path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """Decode a video file frame by frame.

    Parameters
    ----------
    path : str or Path
        Anything ffmpeg reads. Its first video stream is taken.

    Yields
    ------
    frame : ndarray of uint8, shape (H, W, 3)
        RGB, turned upright as the file's rotation flag says.
    timestamp : float
        Seconds, as in the file; the steps between them need not be equal.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a video, or damaged or cut off; says how much was read.
    """
    try:
        container = av.open(str(path))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such video file") from None
    except (av.FFmpegError, OSError) as error:
        raise ValueError(
            f"{path}: not a video, or cut off before its index: nothing could be read "
            f"({_reason(error)})"
        ) from None
    with container:
        if not container.streams.video:
            raise ValueError(f"{path}: has no video stream")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        interval = float(1 / (stream.average_rate or stream.guessed_rate or Fraction(25)))
        count, timestamp, end = 0, -interval, 0.0

        def read() -> str:
            said = [f"{stream.frames} frames"] if stream.frames else []
            stated = _stated_end(container, stream)
            if stated is not None:
                said.append(f"{stated:.2f} s")
            of = f" of {', '.join(said)}" if said else ""
            return f"{count} frames ({end:.2f} s) were read{of}"

        try:
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    raise ValueError(f"{path}: damaged or cut off: {read()}")
                for frame in packet.decode():
                    # Without a time of its own, a frame follows the one before.
                    timestamp = timestamp + interval if frame.time is None else float(frame.time)
                    end = timestamp + interval
                    if frame.is_corrupt:
                        raise ValueError(f"{path}: damaged: {read()}")
                    count += 1
                    yield _upright(frame), timestamp
        except av.FFmpegError as error:
            raise ValueError(f"{path}: damaged or cut off: {read()} ({_reason(error)})") from None
        if count == 0:
            raise ValueError(f"{path}: has no frames")
        # An edit list may rightly hide some of the stored frames: both counts must say so.
        stated = _stated_end(container, stream)
        frames_miss = stream.frames == 0 or count < stream.frames
        if frames_miss and stated is not None and end < stated - 1.5 * interval:
            raise ValueError(f"{path}: cut off: {read()}")


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float = 25.0) -> None:
    """Write an H.264 mp4 file that browsers play.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    frames : iterable of ndarray of uint8, shape (H, W, 3)
        RGB, all of one even size.
    fps : float
        Frames a second, > 0.

    Raises
    ------
    ValueError
        If there are no frames, or one is not as described.
    """
    if not fps > 0:
        raise ValueError(f"fps must be > 0, got {fps!r}")
    shape: tuple[int, ...] | None = None
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "20"}
        )
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            if shape is None:
                _check_picture(frame)
                shape = frame.shape
                stream.height, stream.width = shape[:2]
            if frame.shape != shape or frame.dtype != np.uint8:
                raise ValueError(
                    f"frames must all be uint8 of shape {shape}, got {frame.dtype} {frame.shape}"
                )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if shape is None:
            raise ValueError("frames must not be empty")
        container.mux(stream.encode(None))


def _check_picture(frame: np.ndarray) -> None:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.shape[0] % 2 or frame.shape[1] % 2:
        raise ValueError(f"frames must have shape (H, W, 3) with even H and W, got {frame.shape}")


def _upright(frame: av.VideoFrame) -> np.ndarray:
    picture = frame.to_ndarray(format="rgb24")
    # The flag is counterclockwise, as rot90 is; players round it to quarter turns, too.
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90) % 4))


def _stated_end(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Seconds at which the file says its video ends, or None where it does not."""
    start = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
    if stream.duration and stream.time_base:
        return start + float(stream.duration * stream.time_base)
    clock = stream.metadata.get("DURATION", "")  # Matroska: "00:00:05.240000000"
    if clock.count(":") == 2:
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    if container.duration and len(container.streams) == 1:
        return start + container.duration / av.time_base
    return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
