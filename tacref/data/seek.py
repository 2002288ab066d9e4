"""Reading some frames of a long video: each is decoded from the key frame before it."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np

from tacref.data.index import VideoIndex
from tacref.data.picture import PictureReader
from tacref.data.video import iter_video, open_video, packets_of, read_error, video_stream


def read_frames(
    path: str | Path, positions: Sequence[int] | np.ndarray, index: VideoIndex
) -> list[np.ndarray]:
    """Decode the frames at some positions of a video, as decoding all of it would.

    Parameters
    ----------
    path : str or Path
        A video file.
    positions : sequence of int
        Rising positions in [0, index.length).
    index : VideoIndex
        The index of this file.

    Returns
    -------
    list of ndarray of uint8, shape (H, W, 3)
        RGB, upright.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged there, or has changed since it was indexed.
    """
    positions = [int(position) for position in positions]
    distinct = set(positions)
    if index.pts is not None:
        by_time = _seek(path, index.pts[positions], index)
        sizes = {frame.shape for frame in by_time.values()}
        if len(by_time) == len(distinct) and len(sizes) <= 1:
            return [by_time[int(index.pts[position])] for position in positions]
    # The file does not state the positions of its frames, or states wrong ones: decode all of it.
    frames = islice(iter_video(path), max(positions, default=-1) + 1)
    by_position = {k: frame for k, (frame, _) in enumerate(frames) if k in distinct}
    if len(by_position) < len(distinct):
        raise ValueError(f"{path}: has changed: {index.length} frames were found before")
    return [by_position[position] for position in positions]


def _seek(path: str | Path, times: np.ndarray, index: VideoIndex) -> dict[int, np.ndarray]:
    """Return the frames at some times; fewer if a seek leads to the wrong position."""
    frames: dict[int, np.ndarray] = {}
    # The key frame from which each frame can be decoded.
    keys = np.searchsorted(index.key_pts, times, side="right") - 1
    pictures = PictureReader(path)
    with open_video(path) as container:
        stream = video_stream(path, container)
        try:
            for key in np.unique(keys):
                missing = {int(time) for time in times[keys == key]}
                # The first key frame, and frames before it, are near the start of the file.
                if key > 0 and not _seek_to(container, stream, int(index.key_dts[key])):
                    break
                key_pts = int(index.key_pts[key]) if key >= 0 else None
                _decode_until(path, container, stream, key_pts, missing, frames, pictures)
                if missing:
                    break
        except av.FFmpegError as error:
            raise read_error(path, "damaged", error) from None
    return frames


def _seek_to(container: av.container.InputContainer, stream: av.VideoStream, time: int) -> bool:
    try:
        container.seek(time, stream=stream)
    except av.FFmpegError:  # some containers cannot seek to a frame that they list
        return False
    return True


def _decode_until(
    path: str | Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    key_pts: int | None,
    missing: set[int],
    frames: dict[int, np.ndarray],
    pictures: PictureReader,
) -> None:
    """Decode from a key frame at or after the current position until nothing is missing."""
    last = max(missing)
    started = key_pts is None
    for packet in packets_of(container, stream):
        if not started:
            # Some containers land before the key frame, on frames that refer to earlier ones;
            # others after it, so that it never comes.
            if packet.pts is None or packet.pts > last:
                return
            if packet.pts != key_pts:
                continue
            started = True
        if packet.is_corrupt:
            raise ValueError(f"{path}: damaged")
        # Frames to which no other refers are skipped unless they are missing.
        is_missing = packet.pts is None or packet.pts in missing
        stream.codec_context.skip_frame = "DEFAULT" if is_missing else "NONREF"
        for frame in packet.decode():
            if frame.pts in missing:
                if frame.is_corrupt:
                    raise ValueError(f"{path}: damaged")
                frames[frame.pts] = pictures.read(frame)
                missing.remove(frame.pts)
            if not missing or (frame.pts is not None and frame.pts > last):
                return
