"""Writing videos: sizes, sameness, and colors that a player cannot take for others."""

import av
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tacref.data.video import iter_video
from tacref.data.writing import write_video
from tacref.report.footage import write_footage
from tacref.report.mosaic import write_mosaic

# Two rows of four: saturated ones, on which matrices differ most, and grays.
COLORS = np.array(
    [
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)],
        [(200, 40, 90), (0, 0, 0), (128, 128, 128), (255, 255, 255)],
    ],
    np.uint8,
)


def color_bars(height, width):
    return COLORS.repeat(height // 2, 0).repeat(width // 4, 1)


def middles(picture):
    """Return the color in the middle of each bar of a picture."""
    height, width = picture.shape[:2]
    rows, columns = (np.arange(count) * 2 + 1 for count in COLORS.shape[:2])
    return picture[np.ix_(rows * height // 4, columns * width // 8)].astype(float)


def by_bt709(frame):
    """Convert the planes of a frame by the equations of BT.709, limited range."""
    planes = [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]
    height, width = planes[0].shape
    y, u, v = (
        plane.repeat(height // len(plane), 0).repeat(width // plane.shape[1], 1).astype(float)
        for plane in planes
    )
    y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return 255 * np.stack((red, green, blue), axis=-1).clip(0, 1)


def by_write_video(path, picture):
    write_video(path, [picture] * 2)


def by_write_footage(path, picture):
    write_footage(path, [(picture, 0.0), (picture, 0.1)], max_side=2000)


def by_write_mosaic(path, picture):
    write_mosaic(path, np.array([0.0]), [([(picture, 0.0)], np.array([0]))])


def test_the_stream_itself_says_what_its_colors_mean(tmp_path):
    by_write_video(tmp_path / "a.mp4", color_bars(48, 64))
    with (
        av.open(str(tmp_path / "a.mp4")) as given,
        av.open(str(tmp_path / "a.h264"), "w", format="h264") as bare,
    ):
        stream = bare.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                bare.mux(packet)
    with av.open(str(tmp_path / "a.h264")) as container:  # without the file around it
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (1, 1)
    assert (frame.color_primaries, frame.color_trc) == (1, 1)


@pytest.mark.parametrize("height", [360, 1080])
@pytest.mark.parametrize("write", [by_write_video, by_write_footage, by_write_mosaic])
def test_colors_are_bt709_and_say_so(tmp_path, write, height):
    picture = color_bars(height, height * 16 // 9)
    path = tmp_path / "a.mp4"
    write(path, picture)
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        stated = (codec.colorspace, codec.color_range, codec.color_primaries, codec.color_trc)
        assert stated == (1, 1, 1, 1)  # BT.709, limited range
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (1, 1)
    assert (frame.color_primaries, frame.color_trc) == (1, 1)
    assert b"colrnclx" + bytes((0, 1, 0, 1, 0, 1, 0)) in path.read_bytes()
    # The matrix of BT.601 differs by up to 70 levels. Rounding and coding lose a few.
    bars = slice(None, frame.height - 8) if write is by_write_mosaic else slice(None)  # not its bar
    assert_allclose(middles(by_bt709(frame)[bars]), COLORS, atol=5)
    shown, _ = next(iter_video(path))
    assert_allclose(middles(shown[bars]), COLORS, atol=5)


def test_no_copy_of_a_frame_is_needed(tmp_path):
    frames = np.zeros((4, 48, 64, 3), np.uint8)
    frames[:, :, :32] = 255
    frames.flags.writeable = False
    write_video(tmp_path / "a.mp4", frames[:, ::-1, ::-1])  # a view that is not contiguous
    picture, _ = next(iter_video(tmp_path / "a.mp4"))
    assert picture[:, :24].max() < 10
    assert picture[:, 40:].min() > 245


def test_odd_sizes_are_made_even(tmp_path, make_video):
    path = make_video(tmp_path / "clip.mp4", count=3, height=47, width=61)
    picture, _ = next(iter_video(path))
    assert picture.shape == (48, 62, 3)
    # The copies differ by what coding loses.
    assert_allclose(picture[-1, 5:-5].astype(float), picture[-2, 5:-5].astype(float), atol=4)
    assert_allclose(picture[5:-5, -1].astype(float), picture[5:-5, -2].astype(float), atol=4)


def test_writing_is_deterministic(tmp_path, make_video):
    first, second = (make_video(tmp_path / name) for name in ("a.mp4", "b.mp4"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        ([], 25, "frames must not be empty"),
        ([np.zeros((48, 64), np.uint8)], 25, r"shape \(H, W, 3\), got uint8 of shape \(48, 64\)"),
        ([np.zeros((0, 64, 3), np.uint8)], 25, r"shape \(H, W, 3\), got uint8 of shape \(0, 64"),
        ([np.zeros((48, 64, 3))], 25, r"uint8 of shape \(48, 64, 3\), got float64"),
        (
            [np.zeros((48, 64, 3), np.uint8), np.zeros((48, 32, 3), np.uint8)],
            25,
            r"uint8 of shape \(48, 64, 3\), got uint8 of shape \(48, 32, 3\)",
        ),
        ([np.zeros((48, 64, 3), np.uint8)], 0, "fps must be finite and >= 0.001, got 0"),
        ([np.zeros((48, 64, 3), np.uint8)], np.inf, "fps must be finite and >= 0.001, got inf"),
    ],
)
def test_write_video_refuses(tmp_path, frames, fps, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "clip.mp4", frames, fps)
    assert not list(tmp_path.iterdir())
