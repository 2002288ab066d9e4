"""Decoding real video files: order, time, orientation, damage."""

import errno
import gc
import re
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from tacref.data import video
from tacref.data.video import iter_video
from tacref.data.writing import write_video


def encode(path, pictures, codec="libx264", times=None, **options):
    """Write a video of any format; `times` in ms for unequal steps."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def noise():
    """Return pictures that do not compress, so that a file is evenly long in its frames."""
    return list(np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 12.5])
def test_frames_come_in_order_with_their_times(tmp_path, make_video, number_of, fps):
    decoded = list(iter_video(make_video(tmp_path / "clip.mp4", fps=fps)))
    assert [number_of(picture) for picture, _ in decoded] == list(range(30))
    assert {(picture.shape, picture.dtype.name) for picture, _ in decoded} == {
        ((48, 64, 3), "uint8")
    }
    # mp4 keeps times in ticks of at most 1/12800 s.
    assert_allclose([time for _, time in decoded], np.arange(30) / fps, atol=1e-4)


def test_decoded_frames_do_not_wait_for_the_garbage_collector(tmp_path, make_video):
    def frames():
        return sum(issubclass(type(each), av.VideoFrame) for each in gc.get_objects())

    path = make_video(tmp_path / "clip.mp4", 40)
    gc.disable()
    try:
        before = frames()  # other tests have left some
        assert sum(1 for _ in iter_video(path)) == 40
        left = frames() - before
    finally:
        gc.enable()
    assert left < 10


def test_colors_survive(tmp_path, make_video):
    decoded = [picture for picture, _ in iter_video(make_video(tmp_path / "clip.mp4"))]
    # Lossy: away from the edges of the red corner a few levels of 255 are lost.
    assert_allclose(decoded[7][2:9, 2:12].mean((0, 1)), [255, 0, 0], atol=8)
    assert_allclose(decoded[7][24:].mean((0, 1)), [62, 62, 62], atol=3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_unequal_steps_are_kept(tmp_path, make_picture, suffix):
    times = np.cumsum([0, 40, 200, 40, 80, 400, 40, 40, 1000, 40, 320])
    codec = "libvpx" if suffix == "webm" else "libx264"
    pictures = [make_picture(index) for index in range(len(times))]
    path = encode(tmp_path / f"clip.{suffix}", pictures, codec, times.tolist())
    assert_allclose([time for _, time in iter_video(path)], times / 1000, atol=1e-3)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("avi", "mpeg4"), ("mov", "mpeg4"), ("ts", "libx264"), ("mpg", "mpeg2video"),
     ("flv", "flv"), ("wmv", "wmv2"), ("mkv", "libx264"), ("webm", "libvpx")],
)  # fmt: skip
def test_formats(tmp_path, make_picture, number_of, suffix, codec):
    pictures = [make_picture(index) for index in range(20)]
    path = encode(tmp_path / f"clip.{suffix}", pictures, codec)
    decoded = list(iter_video(path))
    numbers = [number_of(picture) for picture, _ in decoded]
    # Some of these codecs shift gray by a few levels, which is less than a number's step.
    assert_allclose(numbers, np.arange(20), atol=1)
    # A stream need not start at 0. MPEG-2 program streams time only some frames.
    assert_allclose(np.ptp([time for _, time in decoded]), 19 / 25, atol=0.1)


# Where each display matrix (a b 0 c d 0 0 0 1) puts the red upper left corner.
MATRICES = {
    "upright": ((1, 0, 0, 1), (48, 64), "upper left"),
    "clockwise": ((0, 1, -1, 0), (64, 48), "upper right"),
    "counterclockwise": ((0, -1, 1, 0), (64, 48), "lower left"),
    "upside down": ((-1, 0, 0, -1), (48, 64), "lower right"),
    "mirrored": ((-1, 0, 0, 1), (48, 64), "upper right"),
    "transposed": ((0, 1, 1, 0), (64, 48), "upper left"),
}


@pytest.mark.parametrize("case", MATRICES)
def test_rotation_is_honored(tmp_path, make_video, case):
    (a, b, c, d), shape, corner = MATRICES[case]
    path = make_video(tmp_path / "clip.mp4", count=3)
    data = bytearray(path.read_bytes())
    # Track header, version 0: 40 bytes from its name to its matrix of 16.16 fixed point numbers.
    start = data.index(b"tkhd") + 44
    assert struct.unpack_from(">9i", data, start) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    struct.pack_into(">5i", data, start, *(65536 * value for value in (a, b, 0, c, d)))
    path.write_bytes(data)
    for picture, _ in iter_video(path):
        assert picture.shape[:2] == shape
        assert picture.flags.c_contiguous
        red = np.argwhere((picture[..., 0] > 200) & (picture[..., 1] < 60)).mean(0)
        upper, left = red < np.array(shape) / 2
        assert f"{'upper' if upper else 'lower'} {'left' if left else 'right'}" == corner


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_cut_off_video_says_what_was_read(tmp_path, noise, share):
    path = encode(tmp_path / "clip.mp4", noise, movflags="faststart")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    read = []
    with pytest.raises(ValueError, match=r"clip\.mp4: damaged or cut off: ") as caught:
        read.extend(iter_video(path))
    said = re.search(r"(\d+) frames \((.*) s\) were read of 60 frames, 2.40 s", str(caught.value))
    count = int(said[1])
    assert 0 < count < 60
    assert float(said[2]) == pytest.approx(count / 25)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mkv", "libx264"), ("webm", "libvpx"), ("flv", "flv"), ("avi", "mpeg4")]
)
@pytest.mark.parametrize("share", [0.4, 0.8])
def test_cut_off_in_other_formats(tmp_path, noise, suffix, codec, share):
    path = encode(tmp_path / f"clip.{suffix}", noise, codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=rf"clip\.{suffix}: .*cut off: \d+ frames"):
        list(iter_video(path))


def test_one_missing_frame_is_noticed(tmp_path, noise):
    path = encode(tmp_path / "clip.mkv", noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(0.99 * len(data))])
    with pytest.raises(ValueError, match=r"cut off: 59 frames \(2\.36 s\) were read of 2\.40 s"):
        list(iter_video(path))


def test_damage_in_the_middle(tmp_path, noise):
    path = encode(tmp_path / "clip.mp4", noise, movflags="faststart")
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 3000] = bytes(3000)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"clip\.mp4: damaged.*: \d+ frames .* were read of 60"):
        list(iter_video(path))


@pytest.mark.parametrize("content", [b"", b"hello\n" * 99, bytes(5000)])
def test_no_video(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"clip\.mp4: not a video, or cut off before its index"):
        list(iter_video(path))


def test_cut_off_before_the_index(tmp_path, make_video):
    path = make_video(tmp_path / "clip.mp4")  # the index of this one is at its end
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(ValueError, match=r"clip\.mp4: not a video, or cut off before its index"):
        list(iter_video(path))


@pytest.mark.parametrize("cover", [False, True])
def test_sound_alone(tmp_path, make_picture, cover):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.sample_rate = 8000
        if cover:
            stream = container.add_stream("mjpeg", width=64, height=48, pix_fmt="yuvj420p")
            stream.disposition = av.stream.Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(make_picture(0), format="rgb24")
            container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with pytest.raises(ValueError, match=r"clip\.mp4: has no video stream"):
        list(iter_video(path))


def test_sound_that_is_longer_than_the_video(tmp_path, make_picture):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
        sound = container.add_stream("aac", rate=8000, layout="mono")
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(make_picture(index), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for index in range(30):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 8000, 1024 * index
            container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    assert len(list(iter_video(path))) == 10


def test_a_long_last_frame_is_no_missing_end(tmp_path, make_picture):
    times = [0, 40, 80, 1080, 1120]
    pictures = [make_picture(index) for index in range(len(times))]
    path = encode(tmp_path / "clip.mkv", pictures, "mpeg4", times)
    data = path.read_bytes()
    # Some programs state how long the last picture is shown in the file's length alone.
    assert data.count(b"00:00:01.160000000") == 1
    path.write_bytes(data.replace(b"00:00:01.160000000", b"00:00:01.600000000"))
    assert len(list(iter_video(path))) == len(times)
    path.write_bytes(data.replace(b"00:00:01.160000000", b"00:00:04.160000000"))
    # All bytes are there: a wrong length is the fault of whoever wrote it.
    with pytest.warns(UserWarning, match=r"5 frames \(1\.16 s\) were read of 4\.16 s"):
        assert len(list(iter_video(path))) == len(times)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"clip\.mp4: no such video file"):
        list(iter_video(tmp_path / "clip.mp4"))


def test_names_that_look_like_protocols(tmp_path, make_video, monkeypatch):
    make_video(tmp_path / "12:30 %03d.mp4", count=3)
    monkeypatch.chdir(tmp_path)
    assert len(list(iter_video("12:30 %03d.mp4"))) == 3


def test_iteration_can_stop_early(tmp_path, make_video):
    frames = iter_video(make_video(tmp_path / "clip.mp4"))
    next(frames)
    frames.close()


@pytest.mark.shared
def test_real_video(shared_data):
    videos = (shared_data / "pushup").rglob("*.mp4")
    paths = sorted(videos, key=lambda path: path.stat().st_size)
    times = [time for _, time in iter_video(paths[0])]
    assert len(times) > 10
    assert (np.diff(times) > 0).all()


def test_gif_without_its_end_is_cut_off(tmp_path):
    pictures = [np.full((48, 64, 3), 20 * index, np.uint8) for index in range(10)]
    whole, cut = tmp_path / "whole.gif", tmp_path / "cut.gif"
    images = [Image.fromarray(picture) for picture in pictures]
    images[0].save(whole, save_all=True, append_images=images[1:], duration=40)
    assert len(list(iter_video(whole))) == 10
    cut.write_bytes(whole.read_bytes()[: int(0.6 * whole.stat().st_size)])
    with pytest.raises(ValueError, match=r"cut\.gif: (cut off|damaged)"):
        list(iter_video(cut))


def test_a_length_counted_from_zero(tmp_path):
    pictures = [np.full((48, 64, 3), 5 * index, np.uint8) for index in range(40)]
    path = tmp_path / "late.flv"
    encode(path, pictures)  # its B-frames make it start after 0
    assert len(list(iter_video(path))) == 40
    late = tmp_path / "late.mkv"
    encode(late, pictures, times=[2000 + 40 * index for index in range(40)])
    late.write_bytes(late.read_bytes().replace(b"DURATION", b"XURATION"))
    assert len(list(iter_video(late))) == 40


def test_a_machine_without_threads_is_not_taken_for_a_damaged_file(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    write_video(path, np.zeros((3, 32, 32, 3), np.uint8))

    def refuse(self, *arguments):
        raise av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable", "a.mp4")

    monkeypatch.setattr(video.PictureReader, "read", refuse)
    with pytest.raises(
        ValueError, match=r"a\.mp4: cannot be decoded, as this machine has no threads"
    ):
        list(iter_video(path))
