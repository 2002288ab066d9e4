"""Clips for the report: playable everywhere, with their own times; the side-by-side film."""

from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tacref.data.video import iter_video
from tacref.report.footage import write_footage
from tacref.report.mosaic import caption, write_mosaic


def grays(levels, height=48, width=64):
    return [np.full((height, width, 3), level, np.uint8) for level in levels]


def clip(levels, height=48, width=64):
    return [(frame, k / 25) for k, frame in enumerate(grays(levels, height, width))]


def read(path):
    frames, times = zip(*iter_video(path), strict=True)
    return np.stack(frames), np.array(times)


def test_a_form_that_every_browser_plays(tmp_path):
    path = tmp_path / "a.mp4"
    times = 7.0 + np.cumsum([0.0, 0.04, 0.1, 0.04, 0.2, 0.04] * 8)  # unequal steps
    levels = np.arange(48) * 5
    count, kept = write_footage(
        path, zip(grays(levels), times, strict=True), [3, 40], picture_side=32
    )
    assert count == 48
    assert {frame: picture.shape for frame, picture in kept.items()} == {
        3: (24, 32, 3),
        40: (24, 32, 3),
    }
    assert kept[40].mean() == 200
    frames, shown = read(path)
    np.testing.assert_allclose(shown, times - 7.0, atol=1e-4)
    assert np.abs(frames.mean(axis=(1, 2, 3)) - levels).max() < 4
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        codec = stream.codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        keys = [k for k, packet in enumerate(container.demux(stream)) if packet.is_keyframe]
    assert max(np.diff(keys)) <= 24  # a seek decodes a few frames only


@pytest.mark.parametrize(
    ("shape", "size"),
    [((49, 65), (48, 64)), ((1440, 900), (720, 450)), ((1, 40), (2, 40)), ((1, 1), (2, 2))],
)
def test_sizes_are_even_and_bounded(shape, size, tmp_path):
    write_footage(tmp_path / "a.mp4", zip(grays([50, 60], *shape), [0, 0.1], strict=True))
    frames, _ = read(tmp_path / "a.mp4")
    assert frames.shape[1:3] == size


class Anamorphic(list):
    """Frames with times, each of whose pixels is not as wide as high."""

    pixel_aspect = Fraction(4, 3)


@pytest.mark.parametrize(
    ("shape", "aspect", "size"),
    [
        ((108, 144), Fraction(4, 3), (108, 192)),  # HDV
        ((576, 720), Fraction(16, 15), (540, 720)),  # DV
        ((480, 720), Fraction(8, 9), (480, 640)),
        ((144, 108), Fraction(3, 4), (144, 80)),  # turned; 81 is odd
        ((48, 64), Fraction(1, 500), (48, 2)),
        ((48, 64), Fraction(500), (2, 720)),
    ],
)
def test_pixels_are_made_square(shape, aspect, size, tmp_path):
    frames = Anamorphic(clip([50, 60], *shape))
    frames.pixel_aspect = aspect
    _, kept = write_footage(tmp_path / "a.mp4", frames, [1], picture_side=120)
    height, width = kept[1].shape[:2]
    assert max(height, width) == min(120, max(size))
    meant = shape[1] * aspect / shape[0]
    assert (width, height) == (
        max(1, round(min(120, max(size)) * min(1, meant))),
        max(1, round(min(120, max(size)) / max(1, meant))),
    )
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == size
        assert stream.sample_aspect_ratio in (None, 0, 1)


def test_times_that_stand_still(tmp_path):
    write_footage(tmp_path / "a.mp4", zip(grays([50, 60, 70]), [1.0, 1.0, 0.5], strict=True))
    frames, times = read(tmp_path / "a.mp4")
    assert len(frames) == 3
    assert (np.diff(times) > 0).all()


def test_the_same_frames_make_the_same_file(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (10, 48, 64, 3), dtype=np.uint8)
    for name in ("a.mp4", "b.mp4"):
        write_footage(tmp_path / name, zip(frames, np.arange(10) / 25, strict=True))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_features_have_no_footage(tmp_path):
    count, kept = write_footage(tmp_path / "a.mp4", ((row, 0.0) for row in np.zeros((5, 2))), [1])
    assert (count, kept) == (5, {})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="frames must not be empty"):
        write_footage(tmp_path / "a.mp4", [])


def test_a_film_side_by_side(tmp_path):
    shown = np.array([0, 2, 2, 3])
    write_mosaic(
        tmp_path / "m.mp4",
        np.array([0, 0.1, 0.2, 0.3]),
        [
            (iter(clip([10, 60, 110, 160])), np.arange(4)),
            (iter(clip([100, 130, 160, 190, 220], 64, 64)), shown),
        ],
    )
    frames, times = read(tmp_path / "m.mp4")
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.3], atol=1e-4)
    assert frames.shape[1:3] == (368, 720)
    assert frames[:, 180, 100, 0] == pytest.approx([10, 60, 110, 160], abs=4)
    assert frames[:, 180, 500, 0] == pytest.approx([100, 160, 160, 190], abs=4)
    # The progress bar: a quarter of the width more each frame.
    bright = (frames[:, -4, :, 0] > 150).mean(axis=1)
    assert bright == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.02)


def test_a_film_of_pixels_that_are_not_square(tmp_path):
    write_mosaic(
        tmp_path / "m.mp4", np.zeros(1), [(Anamorphic(clip([200], 108, 144)), np.array([0]))]
    )
    frames, _ = read(tmp_path / "m.mp4")
    assert frames.shape[1:3] == (202 + 8, 360)  # 16:9 and the bar


def test_progress_counts_every_frame(tmp_path):
    counts = []
    write_footage(tmp_path / "a.mp4", clip([1, 2, 3]), advance=counts.append)
    assert counts == [1, 1, 1]
    write_mosaic(
        tmp_path / "m.mp4", np.arange(2) / 25, [(clip([1, 2]), np.arange(2))], progress=True
    )
    assert (tmp_path / "m.mp4").exists()


def test_films_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="videos must hold at least one with pictures"):
        write_mosaic(tmp_path / "m.mp4", np.zeros(1), [])
    with pytest.raises(ValueError, match="one lacks 2"):
        write_mosaic(tmp_path / "m.mp4", np.arange(3), [(clip([1, 2]), np.arange(3))])
    assert list(tmp_path.iterdir()) == []


def written(path, codec="libx264", count=20, size=(48, 64), rotation=0, aspect=None, **options):
    """Write a video whose bar, at the top, is of another level in each frame."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        (stream.height, stream.width), stream.pix_fmt = size, "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for number in range(count):
            picture = np.full((*size, 3), 60, np.uint8)
            picture[: size[0] // 4] = 8 * number % 256
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def test_a_video_that_browsers_play_is_copied(tmp_path):
    source = written(tmp_path / "a.mp4", g="10", bf="2")
    counted = []
    count, kept = write_footage(
        tmp_path / "b.mp4", iter_video(source), [0, 7, 99], advance=counted.append
    )
    assert (count, sum(counted), sorted(kept)) == (20, 20, [0, 7])
    frames, times = read(tmp_path / "b.mp4")
    assert_array_equal(frames, read(source)[0])
    assert_allclose(times, np.arange(20) / 25, atol=1e-6)
    assert_array_equal(kept[7], frames[7])  # smaller than a kept picture may be


@pytest.mark.parametrize(
    "made",
    [
        {"codec": "libx265", "x265-params": "log-level=none"},
        {"g": "100", "count": 70},
        {"rotation": 90},
        {"aspect": Fraction(4, 3)},
        {"size": (48, 800)},
        {"x264-params": "interlaced=1"},
    ],
)
def test_other_videos_are_encoded(tmp_path, made):
    source = written(tmp_path / "a.mp4", **made)
    count, _ = write_footage(tmp_path / "b.mp4", iter_video(source))
    assert count == made.get("count", 20)
    with av.open(str(tmp_path / "b.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.colorspace) == ("h264", 1)
    assert len(read(tmp_path / "b.mp4")[0]) == count


def test_a_film_says_what_it_shows(tmp_path):
    videos = [(clip([10, 60]), np.arange(2)), (clip([100, 130], 64, 32), np.arange(2))]
    write_mosaic(tmp_path / "m.mp4", np.arange(2) / 25, videos, names=["A  one.mp4", "B  two"])
    frames, _ = read(tmp_path / "m.mp4")
    assert frames.shape[1:3] == (360 + 28 + 8, 720)
    assert frames[0, 180, 100, 0] == pytest.approx(10, abs=4)
    lines = frames[0, 362:386, :, 0]
    for left in (0, 360):
        line = lines[:, left : left + 360]
        assert (line > 180).sum() > 30  # letters
        assert (line[:, 200:] < 60).all()  # and nothing after them


def test_captions_of_any_name():
    blank = caption("", 200)
    assert (blank == 40).all()
    for name in ("\udcff", "a\nb", "腕立て", "$x$"):
        assert (caption(name, 200) != blank).any()
    assert_array_equal(caption("Übung é.mp4", 200), caption("Ubung e.mp4", 200))
    assert_array_equal(caption("\u202egpj.mp4\n", 200), caption("?gpj.mp4?", 200))
    long = caption("w" * 500, 200)
    assert long.shape == blank.shape
    assert (long[:, -8:] == 40).all()  # cut off before the edge
    assert (caption("w" * 500, 8) == 40).all()  # no room at all
