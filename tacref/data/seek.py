"""Some frames of a long video for the price of some frames: from the key frame before each."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np

from tacref.data.index import VideoIndex
from tacref.data.picture import PictureReader
from tacref.data.video import iter_video, open_video, packets_of, unreadable, video_stream


def read_frames(
    path: str | Path, positions: Sequence[int] | np.ndarray, index: VideoIndex
) -> list[np.ndarray]:
    """Decode the frames at some positions of a video, the same as decoding all of it gives.

    Parameters
    ----------
    path : str or Path
        A video file.
    positions : sequence of int
        Rising positions in [0, index.length).
    index : VideoIndex
        Of this file.

    Returns
    -------
    list of ndarray of uint8, shape (H, W, 3)
        RGB, upright.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged where it is read, or has changed since it was indexed.
    """
    wanted = [int(position) for position in positions]
    if index.pts is not None:
        found = _seek(path, index.pts[wanted], index)
        sizes = {frame.shape for frame in found.values()}
        if len(found) == len(set(wanted)) and len(sizes) <= 1:
            return [found[int(index.pts[position])] for position in wanted]
    # The file does not say where its frames are, or not truly: it is decoded from its start.
    every = set(wanted)
    frames = islice(iter_video(path), max(wanted, default=-1) + 1)
    kept = {at: frame for at, (frame, _) in enumerate(frames) if at in every}
    if len(kept) < len(every):
        raise ValueError(f"{path}: has changed: {index.length} frames were found before")
    return [kept[position] for position in wanted]


def _seek(path: str | Path, times: np.ndarray, index: VideoIndex) -> dict[int, np.ndarray]:
    """Return the frames at some times; fewer if a seek leads elsewhere than it should."""
    found: dict[int, np.ndarray] = {}
    # The key frame from which each wanted frame can be decoded, and the wanted ones of each.
    keys = np.searchsorted(index.key_pts, times, side="right") - 1
    pictures = PictureReader(path)
    with open_video(path) as container:
        stream = video_stream(path, container)
        try:
            for key in np.unique(keys):
                missing = {int(time) for time in times[keys == key]}
                # The first key frame, and frames before it, are near to where the file begins.
                if key > 0 and not _seek_to(container, stream, int(index.key_dts[key])):
                    break
                key_pts = int(index.key_pts[key]) if key >= 0 else None
                _decode_until(path, container, stream, key_pts, missing, found, pictures)
                if missing:
                    break
        except av.FFmpegError as error:
            raise unreadable(path, "damaged", error) from None
    return found


def _seek_to(container: av.container.InputContainer, stream: av.VideoStream, time: int) -> bool:
    try:
        container.seek(time, stream=stream)
    except av.FFmpegError:  # some containers have no way to where they say that a frame is
        return False
    return True


def _decode_until(
    path: str | Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    key_pts: int | None,
    missing: set[int],
    found: dict[int, np.ndarray],
    pictures: PictureReader,
) -> None:
    """Decode from a key frame, at or after where the container stands, until nothing is missing."""
    last = max(missing)
    started = key_pts is None
    for packet in packets_of(container, stream):
        if not started:
            # Some containers land before the key frame: what is there refers to frames before.
            # Others land after it: then it never comes.
            if packet.pts is None or packet.pts > last:
                return
            if packet.pts != key_pts:
                continue
            started = True
        if packet.is_corrupt:
            raise ValueError(f"{path}: damaged")
        # Frames that no other refers to need not be decoded unless they are wanted.
        wanted = packet.pts is None or packet.pts in missing
        stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
        for frame in packet.decode():
            if frame.pts in missing:
                if frame.is_corrupt:
                    raise ValueError(f"{path}: damaged")
                found[frame.pts] = pictures.read(frame)
                missing.remove(frame.pts)
            if not missing or (frame.pts is not None and frame.pts > last):
                return
