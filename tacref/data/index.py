"""Where the frames of a video file are: read from its packets, without decoding them."""

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from tacref.data.video import iter_video, open_video, unreadable, video_stream

# One packet of these is one shown frame, so that packets can be counted instead of frames. (VP8,
# for one, has packets that are never shown.)
_ONE_FRAME_A_PACKET = frozenset(
    ("av1", "ffv1", "gif", "h264", "hevc", "mjpeg", "mpeg4", "png", "vp9")
)


class VideoIndex(NamedTuple):
    """The frames of a video, in the order in which they are shown.

    Parameters
    ----------
    length : int
        Number of frames.
    pts : ndarray of int64, shape (length,), or None
        Presentation time of each frame, rising, in the stream's time base; None where the file
        does not tell without being decoded.
    key_pts, key_dts : ndarray of int64, shape (k,)
        Presentation and decoding times of the frames from which decoding can start, rising.
    """

    length: int
    pts: np.ndarray | None
    key_pts: np.ndarray
    key_dts: np.ndarray


def index_video(path: str | Path) -> VideoIndex:
    """Find the frames of a video file.

    Its packets are read and not decoded, which takes about a hundredth of the time; a format
    that does not tell its frames that way is decoded.

    Parameters
    ----------
    path : str or Path
        Anything ffmpeg reads.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a video, has no frames, or is cut off.
    """
    none = np.empty(0, np.int64)
    with open_video(path) as container:
        stream = video_stream(path, container)
        if stream.codec_context.name in _ONE_FRAME_A_PACKET or (
            stream.codec_context.codec.canonical_name in _ONE_FRAME_A_PACKET
        ):
            pts: list[int | None] = []
            keys: list[tuple[int, int]] = []
            try:
                for packet in container.demux(stream):
                    if packet.size == 0 or packet.is_discard:
                        continue
                    if packet.is_corrupt:
                        raise ValueError(f"{path}: damaged or cut off after {len(pts)} frames")
                    pts.append(packet.pts)
                    if packet.is_keyframe and packet.pts is not None:
                        keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
            except av.FFmpegError as error:
                said = f"damaged or cut off after {len(pts)} frames"
                raise unreadable(path, said, error) from None
            stated = stream.frames
            if stated and len(pts) < stated and container.format.name.startswith("mov"):
                # An edit list may rightly hide some: then the file is decoded to be sure.
                return VideoIndex(sum(1 for _ in iter_video(path)), None, none, none)
            if pts and None not in pts and len(set(pts)) == len(pts) and keys:
                by_time = np.array(sorted(keys), np.int64)
                return VideoIndex(
                    len(pts), np.sort(np.array(pts, np.int64)), by_time[:, 0], by_time[:, 1]
                )
    return VideoIndex(sum(1 for _ in iter_video(path)), None, none, none)
