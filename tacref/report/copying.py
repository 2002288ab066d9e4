"""Clips that browsers play as they are: the report copies their packets."""

from pathlib import Path

import av
import numpy as np

from tacref.data.index import VideoIndex, index_video
from tacref.data.video import VideoFrames, open_video, video_stream
from tacref.files import replacing

# Frames that a browser decodes to show one of them, at most.
_MAX_KEY_DISTANCE = 60
# From this height on, browsers assume another color matrix than we do if a video names none.
_HD_LINES = 720
_UNSPECIFIED = 2  # of color matrices


def copy_playable(path: str | Path, frames: VideoFrames, max_side: int) -> VideoIndex | None:
    """Copy a video into an mp4 file with times from 0, if every browser plays and scrubs it.

    That takes H.264 in mp4 or mov, 8 bits, 4:2:0, not interlaced, square pixels, upright, at most
    `max_side` pixels wide and high, with key frames close to each other.

    Parameters
    ----------
    path : str or Path
        File to write.
    frames : VideoFrames
        The video; nothing has been read from it.
    max_side : int
        Longer side in pixels, at most.

    Returns
    -------
    VideoIndex or None
        The index of its frames; None if nothing was written, as the video must be re-encoded.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such video or it is damaged.
    """
    source = frames.path
    with open_video(source) as read:
        stream = video_stream(source, read)
        # Cheap checks first. A video that can only be indexed by decoding it is not copied.
        if not (
            read.format.name.startswith("mov") and _is_playable(stream.codec_context, max_side)
        ):
            return None
        if frames.pixel_aspect != 1 or frames.is_turned:
            return None
        index = index_video(source)
        if index.pts is None or not _has_close_keys(index):
            return None
        with (
            replacing(path) as temporary,
            av.open(
                f"file:{temporary}", "w", format="mp4", options={"movflags": "+faststart"}
            ) as written,
        ):
            copied = written.add_stream_from_template(stream)
            start = int(index.pts[0])
            for packet in read.demux(stream):
                if packet.pts is None or packet.dts is None:  # the last one is empty
                    continue
                packet.pts, packet.dts = packet.pts - start, packet.dts - start
                packet.stream = copied
                written.mux(packet)
    return index


def _has_close_keys(index: VideoIndex) -> bool:
    assert index.pts is not None
    keys = np.searchsorted(index.pts, index.key_pts)
    distances = np.diff(np.append(keys, index.length))
    return bool(keys[0] == 0 and distances.max() <= _MAX_KEY_DISTANCE)


def _is_playable(codec: av.VideoCodecContext, max_side: int) -> bool:
    sizes = codec.width, codec.height
    names_matrix = codec.colorspace not in (None, _UNSPECIFIED)
    return (
        codec.name == "h264"
        and codec.pix_fmt == "yuv420p"
        and codec.field_order <= 1
        and max(sizes) <= max_side
        and not any(side % 2 for side in sizes)
        and (names_matrix or codec.height < _HD_LINES)
        and bool(codec.extradata)
    )
