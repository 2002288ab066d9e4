"""Frames read by seeking are those that decoding the whole video gives, in every format."""

import av
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.data.index import index_video
from tacref.data.seek import read_frames
from tacref.data.video import iter_video

COUNT = 90

# File, codec, options of the encoder, and whether its frames are found without decoding.
FORMATS = {
    "mp4": ("mp4", "libx264", {"g": "25", "bf": "3"}, True),
    "open GOP": ("mp4", "libx264", {"x264-params": "keyint=20:open-gop=1:bframes=3"}, True),
    "no B frames": ("mov", "libx264", {"g": "12", "bf": "0"}, True),
    "one key frame": ("mkv", "libx264", {"g": "1000"}, True),
    "hevc": ("mp4", "libx265", {"x265-params": "keyint=20:log-level=none"}, True),
    "vp9": ("webm", "libvpx-vp9", {"g": "20", "deadline": "realtime", "cpu-used": "8"}, True),
    "transport stream": ("ts", "libx264", {"g": "20", "bf": "2"}, True),
    "mpeg4": ("avi", "mpeg4", {"g": "12"}, None),
    "vp8": ("webm", "libvpx", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "10"}, False),
    "mpeg2": ("mpg", "mpeg2video", {"g": "12", "bf": "2"}, False),
    "motion jpeg": ("mov", "mjpeg", {}, True),
}


def encode(path, codec, options, count=COUNT):
    rng = np.random.default_rng(0)
    background = rng.integers(0, 200, (64, 96, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = background.shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(count):
            picture = np.roll(background, number, axis=1)
            picture[:8] = 2 * number % 256
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_frames_as_decoding_everything(tmp_path, name, monkeypatch):
    suffix, codec, options, found = FORMATS[name]
    if codec not in av.codecs_available:
        pytest.skip(f"this ffmpeg has no {codec}")
    path = encode(tmp_path / f"clip.{suffix}", codec, options)
    every = [frame for frame, _ in iter_video(path)]
    index = index_video(path)
    assert index.length == len(every)
    if found is not None:
        assert (index.pts is not None) == found
    if index.pts is not None:  # then it must not come to decoding everything
        monkeypatch.setattr("tacref.data.seek.iter_video", None)
    rng = np.random.default_rng(1)
    for count in (1, 2, 7, 30):
        for _ in range(3):
            wanted = np.sort(rng.choice(len(every), count, replace=False))
            frames = read_frames(path, wanted, index)
            assert_array_equal(np.stack(frames), np.stack([every[at] for at in wanted]))
    ends = [0, 0, len(every) - 1]
    assert_array_equal(np.stack(read_frames(path, ends, index))[2], every[-1])


def test_only_what_is_needed_is_decoded(tmp_path, monkeypatch):
    path = encode(tmp_path / "clip.mp4", "libx264", {"g": "10", "bf": "0"}, count=300)
    index = index_video(path)
    assert len(index.key_pts) == 30
    turned = []

    def read(self, frame):
        turned.append(frame.pts)
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr("tacref.data.picture.PictureReader.read", read)
    read_frames(path, [5, 205], index)
    assert turned == [index.pts[5], index.pts[205]]


def test_a_video_that_changed(tmp_path):
    path = encode(tmp_path / "clip.mp4", "libx264", {}, count=60)
    index = index_video(path)
    encode(path, "libx264", {}, count=20)
    with pytest.raises(ValueError, match=r"clip\.mp4: has changed: 60 frames were found before"):
        read_frames(path, [10, 50], index)


def test_damage_within(tmp_path):
    path = encode(tmp_path / "clip.mp4", "libx264", {"g": "10"}, count=60)
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    middle = start + (data.find(b"moov") - start) // 2
    data[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(data)
    index = index_video(path)
    with pytest.raises(ValueError, match=r"clip\.mp4: damaged"):
        read_frames(path, range(60), index)
    assert len(read_frames(path, [0, 1], index)) == 2


def test_cut_off(tmp_path):
    path = encode(tmp_path / "clip.ts", "libx264", {"g": "10"}, count=60)
    with pytest.raises(FileNotFoundError, match=r"none\.mp4: no such video file"):
        index_video(tmp_path / "none.mp4")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"clip\.ts: not a video"):
        index_video(path)


@pytest.mark.shared
def test_real_videos(shared_data):
    for path in sorted((shared_data / "pushup" / "val").glob("*.mp4"))[:4]:
        every = [frame for frame, _ in iter_video(path)]
        index = index_video(path)
        assert index.length == len(every)
        wanted = np.linspace(0, len(every) - 1, 9).astype(int)
        assert_array_equal(
            np.stack(read_frames(path, wanted, index)), np.stack([every[at] for at in wanted])
        )
