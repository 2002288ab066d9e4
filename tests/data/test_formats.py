"""Every codec in every container: three readers against decoding everything with PyAV alone."""

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.data.index import index_video
from tacref.data.seek import read_frames
from tacref.data.video import iter_video

COUNT = 30

# Codec: ffmpeg's encoder, pixel format, options.
CODECS = {
    "H.264": ("libx264", "yuv420p", {"g": "10", "bf": "2"}),
    "HEVC": ("libx265", "yuv420p", {"x265-params": "keyint=10:bframes=2:log-level=none"}),
    "AV1": ("libsvtav1", "yuv420p", {"g": "10", "preset": "13", "svtav1-params": "lp=1"}),
    "VP8": ("libvpx", "yuv420p", {"g": "10", "deadline": "realtime", "cpu-used": "8"}),
    "VP9": ("libvpx-vp9", "yuv420p", {"g": "10", "deadline": "realtime", "cpu-used": "8"}),
    "MPEG-4": ("mpeg4", "yuv420p", {"g": "10", "bf": "2"}),
    "MPEG-2": ("mpeg2video", "yuv420p", {"g": "10", "bf": "2"}),
    "WMV 8": ("wmv2", "yuv420p", {"g": "10"}),
    "Theora": ("libtheora", "yuv420p", {"g": "10"}),
    "motion JPEG": ("mjpeg", "yuvj420p", {}),
    "ProRes": ("prores_ks", "yuv422p10le", {}),
    "FFV1": ("ffv1", "yuv420p", {"g": "10"}),
}
CONTAINERS = ("mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "flv", "wmv", "ogv")


def picture(number):
    rng = np.random.default_rng(0)
    shown = np.roll(rng.integers(0, 200, (48, 64, 3), dtype=np.uint8), 2 * number, axis=1)
    shown[:16] = 8 * number
    return shown


def encode(path, codec):
    """Write a video, or return None where the container does not take the codec."""
    name, pixels, options = CODECS[codec]
    try:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(name, rate=25, options=options)
            stream.height, stream.width, stream.pix_fmt = 48, 64, pixels
            for number in range(COUNT):
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with av.open(str(path)) as container:  # some are written and cannot be told when read
            return path if container.streams.video[0].codec_context else None
    except (ValueError, OSError, av.FFmpegError, IndexError):
        return None


def decode_everything(path):
    """Return pictures and times as they come, in the order in which PyAV gives them."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def held(path):
    """Check the readers against decoding everything; say how frames are reached."""
    every = decode_everything(path)
    frames, times = zip(*iter_video(path), strict=True)
    assert_array_equal(np.stack(frames), every)
    assert (np.diff(times) > 0).all()
    index = index_video(path)
    assert index.length == len(every)
    for positions in ([0], [len(every) - 1], [3, 4, 17], [9], [10, 11], range(len(every))):
        found = read_frames(path, positions, index)
        assert_array_equal(np.stack(found), every[list(positions)])
    if index.pts is not None:
        rate = Fraction(1, 25)
        assert np.ptp(times) == pytest.approx(float(rate) * (len(every) - 1), abs=0.01)
    return "from the start" if index.pts is None else "by seeking"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    cells = {}
    for codec in CODECS:
        for container in CONTAINERS:
            path = encode(folder / f"{codec.replace(' ', '')}.{container}", codec)
            cells[codec, container] = "–" if path is None else held(path)
    return cells
