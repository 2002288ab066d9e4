"""Where the frames of a video file are: read from its packets, without decoding them."""

from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from tacref.data.extent import Extent
from tacref.data.units import KeyPacket
from tacref.data.video import iter_video, open_video, unreadable, video_stream

# One packet of these is one shown frame, so that packets can be counted instead of frames. (VP8
# has packets that are never shown, MPEG-4 part 2 has packets that repeat a frame.)
_ONE_FRAME_A_PACKET = frozenset(("av1", "ffv1", "h264", "hevc", "mjpeg", "png", "prores", "vp9"))
_NONE = np.empty(0, np.int64)


class VideoIndex(NamedTuple):
    """The frames of a video, in the order in which they are shown.

    Parameters
    ----------
    length : int
        Number of frames, as decoding all of it gives.
    pts : ndarray of int64, shape (length,), or None
        Presentation time of each frame, rising, in the stream's time base; None where the file
        does not tell without being decoded.
    key_pts, key_dts : ndarray of int64, shape (k,)
        Presentation and decoding times of the frames from which all later ones can be decoded,
        rising.
    """

    length: int
    pts: np.ndarray | None
    key_pts: np.ndarray
    key_dts: np.ndarray


def index_video(path: str | Path) -> VideoIndex:
    """Find the frames of a video file.

    Its packets are read and not decoded, which takes about a hundredth of the time; a file that
    does not tell its frames that way, or not credibly, is decoded.

    Parameters
    ----------
    path : str or Path
        A video, as `iter_video` takes it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a video, has no frames, or is cut off.

    Warns
    -----
    UserWarning
        As `iter_video`.
    """
    packets = _read_packets(path)
    if packets is not None:
        pts, first_key = packets.pts, packets.key_pts[0]
        if pts[0] < first_key:
            pts = pts[(pts >= first_key) | np.isin(pts, _shown_before(path, first_key))]
        return VideoIndex(len(pts), pts, packets.key_pts, packets.key_dts)
    return VideoIndex(sum(1 for _ in iter_video(path)), None, _NONE, _NONE)


class _Packets(NamedTuple):
    """Times of a stream's packets and of its key frames, rising."""

    pts: np.ndarray
    key_pts: np.ndarray
    key_dts: np.ndarray


def _read_packets(path: str | Path) -> _Packets | None:
    """Read all packets; None if their times do not tell, for certain, which frame is shown when."""
    pts: list[int] = []
    durations: list[int] = []
    keys: list[tuple[int, int]] = []
    with open_video(path) as container:
        stream = video_stream(path, container)
        context = stream.codec_context
        codec = context.codec.canonical_name
        if not _ONE_FRAME_A_PACKET & {context.name, codec}:
            return None
        if codec == "h264" and context.field_order > 1:  # a packet may be half a frame
            return None
        times_go_back, latest_dts = False, None
        try:
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                if packet.is_corrupt or packet.pts is None:  # decoding it will say what is wrong
                    return None
                if packet.dts is not None:
                    if latest_dts is not None and packet.dts < latest_dts:  # two clips, joined
                        return None
                    latest_dts = packet.dts
                times_go_back = times_go_back or (bool(pts) and packet.pts < pts[-1])
                if packet.is_keyframe:
                    key = KeyPacket(packet, codec, context.extradata)
                    if key.states_orientation:  # a seek past it would not know
                        return None
                    if key.is_start:
                        keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
                pts.append(packet.pts)
                durations.append(packet.duration or 0)
        except av.FFmpegError as error:
            raise unreadable(path, f"damaged or cut off after {len(pts)} frames", error) from None
        if container.format.name.startswith("mov") and len(pts) < stream.frames:
            return None  # an edit list may rightly hide some
        # Frames that are shown in another order than they are stored in, yet times that rise: they
        # are those of decoding.
        if not keys or len(set(pts)) < len(pts) or (context.reorder_depth and not times_go_back):
            return None
        extent, tick = Extent(container, stream), stream.time_base or Fraction(1)
        for time, duration in sorted(zip(pts, durations, strict=True)):
            extent.add(float(time * tick), float(duration * tick))
        extent.check(path)
    by_time = np.array(sorted(keys), np.int64)
    return _Packets(np.sort(np.array(pts, np.int64)), by_time[:, 0], by_time[:, 1])


def _shown_before(path: str | Path, first_key: int) -> list[int]:
    """Return the times of the frames that can be shown before the first key frame.

    Where a recording begins, or a video was cut without being encoded anew, some refer to frames
    that are not there.
    """
    with open_video(path) as container:
        frames = container.decode(video_stream(path, container))
        try:
            before = takewhile(lambda frame: frame.pts is None or frame.pts < first_key, frames)
            return [frame.pts for frame in before if frame.pts is not None]
        except av.FFmpegError as error:
            raise unreadable(path, "damaged or cut off at its start", error) from None
