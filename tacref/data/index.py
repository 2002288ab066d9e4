"""The positions of the frames in a video file, from its packets, without decoding them."""

from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from tacref.data.extent import Extent
from tacref.data.fields import may_code_fields
from tacref.data.units import KeyPacket
from tacref.data.video import iter_video, open_video, packets_of, read_error, video_stream

# Codecs of which each packet is one shown frame, so that packets can be counted. (VP8 has packets
# that are never shown, MPEG-4 part 2 has packets that repeat a frame.)
_ONE_FRAME_PER_PACKET = frozenset(("av1", "ffv1", "h264", "hevc", "mjpeg", "png", "prores", "vp9"))
_NO_TIMES = np.empty(0, np.int64)


class VideoIndex(NamedTuple):
    """The frames of a video in presentation order.

    Parameters
    ----------
    length : int
        Number of frames that decoding the whole video gives.
    pts : ndarray of int64, shape (length,), or None
        Presentation time of each frame, rising, in the stream's time base; None if only decoding
        shows them.
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

    Its packets are read but not decoded, which takes about a hundredth of the time. If they do not
    show with certainty where the frames are, the file is decoded.

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
        pts = packets.pts
        if pts[0] < packets.certain_from:
            shown = np.array(_decoded_times_before(path, packets.certain_from), np.int64)
            is_shown = (pts >= packets.certain_from) | np.isin(pts, shown)
            if not is_shown[np.argmax(is_shown) :].all():  # a seek might return others
                return _index_by_decoding(path)
            pts = pts[is_shown]
        return VideoIndex(len(pts), pts, packets.key_pts, packets.key_dts)
    return _index_by_decoding(path)


def _index_by_decoding(path: str | Path) -> VideoIndex:
    return VideoIndex(sum(1 for _ in iter_video(path)), None, _NO_TIMES, _NO_TIMES)


class _Packets(NamedTuple):
    """Times of the packets and key frames of a stream, rising.

    From the time `certain_from` on, each packet gives a frame; before it, only decoding shows.
    """

    pts: np.ndarray
    key_pts: np.ndarray
    key_dts: np.ndarray
    certain_from: int


def _read_packets(path: str | Path) -> _Packets | None:
    """Read all packets; None if their times do not show with certainty when frames are shown."""
    pts: list[int] = []
    durations: list[int] = []
    keys: list[tuple[int, int]] = []
    with open_video(path) as container:
        stream = video_stream(path, container)
        context = stream.codec_context
        codec = context.codec.canonical_name
        if not _ONE_FRAME_PER_PACKET & {context.name, codec}:
            return None
        if may_code_fields(context):  # a packet may be half a frame
            return None
        times_go_back, latest_dts, latest_pts = False, None, None
        open_key: int | None = None  # time of a key frame past which others may refer
        is_certain = True
        try:
            for packet in packets_of(container, stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                if packet.is_corrupt or packet.pts is None:  # decoding will show what is wrong
                    return None
                if packet.dts is not None:
                    if latest_dts is not None and packet.dts < latest_dts:  # two clips, joined
                        return None
                    latest_dts = packet.dts
                goes_back = latest_pts is not None and packet.pts < latest_pts
                times_go_back = times_go_back or goes_back
                if packet.is_keyframe:
                    key = KeyPacket(packet, codec, context.extradata)
                    # A seek past it would miss how pictures are turned; or it begins another clip,
                    # whose times are between those of the one before.
                    if key.states_orientation or goes_back:
                        return None
                    # Decoding begins at the first packet, so frames that refer past it are checked.
                    open_key = None if key.is_closed or not pts else packet.pts
                    if key.is_start:
                        keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
                elif open_key is not None and packet.pts < open_key:
                    is_certain = False  # it may refer to frames that were cut
                latest_pts = packet.pts if latest_pts is None else max(latest_pts, packet.pts)
                pts.append(packet.pts)
                durations.append(packet.duration or 0)
        except av.FFmpegError as error:
            raise read_error(path, f"damaged or cut off after {len(pts)} frames", error) from None
        if container.format.name.startswith("mov") and len(pts) < stream.frames:
            return None  # an edit list may hide some
        # If frames are reordered and yet times rise, these are decoding times.
        if not keys or len(set(pts)) < len(pts) or (context.reorder_depth and not times_go_back):
            return None
        extent, tick = Extent(container, stream), stream.time_base or Fraction(1)
        for time, duration in sorted(zip(pts, durations, strict=True)):
            extent.add(float(time * tick), float(duration * tick))
        extent.check(path)
    by_time = np.array(sorted(keys), np.int64)
    key_pts, key_dts = by_time.T
    certain_from = int(key_pts[0]) if is_certain else np.iinfo(np.int64).max
    return _Packets(np.sort(np.array(pts, np.int64)), key_pts, key_dts, certain_from)


def _decoded_times_before(path: str | Path, time: int) -> list[int]:
    """Return the times of the frames that decoding a video up to some time gives.

    At the start of a recording, or where clips were joined without re-encoding, some frames refer
    to others that are not there.
    """
    with open_video(path) as container:
        stream = video_stream(path, container)
        frames = (frame for packet in packets_of(container, stream) for frame in packet.decode())
        try:
            before = takewhile(lambda frame: frame.pts is None or frame.pts < time, frames)
            return [frame.pts for frame in before if frame.pts is not None]
        except av.FFmpegError as error:
            raise read_error(path, "damaged or cut off", error) from None
