"""Every codec in every container: three readers against decoding everything with PyAV alone."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.data.clip_times import clip_times
from tacref.data.index import index_video
from tacref.data.seek import read_frames
from tacref.data.video import iter_video
from tests.data.video_files import decode_everything, encode

COUNT = 30
PAGE = Path(__file__).parents[2] / "docs" / "data.md"

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
    "Sorenson": ("flv", "yuv420p", {"g": "10"}),
    "motion JPEG": ("mjpeg", "yuvj420p", {}),
    "ProRes": ("prores_ks", "yuv422p10le", {}),
    "FFV1": ("ffv1", "yuv420p", {"g": "10"}),
}
CONTAINERS = ("mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "flv", "wmv", "ogv")
NOT_TAKEN = "—"


def make(path, codec):
    """Write a video; return whether the container takes the codec, and ffmpeg reads it back."""
    name, pixels, options = CODECS[codec]
    try:
        encode(path, name, options, COUNT, pixels)
        with av.open(str(path)) as file:
            return file.streams.video[0].codec_context is not None
    except (ValueError, OSError, IndexError, av.FFmpegError):
        return False


def cell(path, codec):
    """Hold the readers against decoding everything; say how single frames are reached."""
    if not make(path, codec):
        return NOT_TAKEN
    every = decode_everything(path)
    frames, times = zip(*iter_video(path), strict=True)
    assert_array_equal(np.stack(frames), every, err_msg=path.name)
    assert (np.diff(times) > 0).all(), path.name
    assert_array_equal(clip_times(path), times, err_msg=path.name)
    index = index_video(path)
    assert index.length == len(every) > 0, path.name
    for positions in ([0], [len(every) - 1], [3, 4, 17], [9], [10, 11], range(len(every))):
        found = np.stack(read_frames(path, positions, index))
        assert_array_equal(found, every[list(positions)], err_msg=path.name)
    return "start" if index.pts is None else "seek"


@pytest.mark.filterwarnings("ignore:.*shorter than it says")
@pytest.mark.parametrize("codec", CODECS)
def test_readers_agree_and_the_page_says_how(tmp_path, codec):
    names = [f"clip.{container}" for container in CONTAINERS]
    row = [codec, *(cell(tmp_path / name, codec) for name in names)]
    assert set(row[1:]) != {NOT_TAKEN}
    assert f"| {' | '.join(row)} |" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [(2, 2), (16, 18), (47, 61), (34, 722), (720, 2)])
@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "mjpeg", "ffv1"])
def test_frame_sizes(tmp_path, codec, size):
    height, width = size
    pixels = "yuvj444p" if codec == "mjpeg" else "yuv444p"
    path = encode(tmp_path / "clip.mkv", codec, {}, 5, pixels, height=height, width=width)
    every = decode_everything(path)
    frames = np.stack([frame for frame, _ in iter_video(path)])
    assert frames.shape == (5, height, width, 3)
    assert_array_equal(frames, every)
    assert_array_equal(np.stack(read_frames(path, range(5), index_video(path))), every)
