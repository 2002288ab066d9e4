"""What frames carry with them: orientation, colors, the shape of a pixel."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from tacref.data.index import index_video
from tacref.data.seek import read_frames
from tacref.data.video import iter_video
from tests.data.video_files import decode_everything, encode, moving_picture


def test_side_data_without_a_name(tmp_path):
    path = tmp_path / "photos.avi"
    exif = Image.Exif()
    exif[0x0112] = 5  # mirrored, and turned by a quarter
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=25, width=64, height=48, pix_fmt="yuvj420p")
        for number in range(4):
            photo = BytesIO()
            Image.fromarray(moving_picture(number)).save(photo, "JPEG", exif=exif)
            packet = av.Packet(photo.getvalue())
            packet.pts = packet.dts = number
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
            file.mux(packet)
    frames = [frame for frame, _ in iter_video(path)]
    stored = decode_everything(path)
    assert_array_equal(np.stack(frames), stored.swapaxes(1, 2))
    index = index_video(path)
    assert_array_equal(read_frames(path, [2], index)[0], frames[2])


@pytest.mark.parametrize(("how", "turn"), [("rotate=180", 2), ("rotate=90", 1)])
def test_orientation_stated_once(tmp_path, how, turn):
    source = encode(tmp_path / "a.mp4", options={"g": "10", "bf": "2"}, count=30)
    path = tmp_path / "b.mp4"
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = read.streams.video[0]
        copied = written.add_stream_from_template(stream)
        setting = f"h264_metadata=display_orientation=insert:{how}"
        change = BitStreamFilterContext(setting, stream, copied)
        for packet in read.demux(stream):
            for changed in change.filter(packet if packet.size else None):
                changed.stream = copied
                written.mux(changed)
    every = decode_everything(source)
    frames = np.stack([frame for frame, _ in iter_video(path)])
    assert_array_equal(frames, np.rot90(every, turn, axes=(1, 2)))
    index = index_video(path)
    assert index.length == 30
    for at in range(0, 30, 4):
        assert_array_equal(read_frames(path, [at], index)[0], frames[at])


def test_a_matrix_that_swscale_lacks_is_converted(tmp_path):
    red, green, blue = (np.broadcast_to(np.float64(value), (48, 64)) for value in (200, 90, 40))
    # ITU-T H.273, equations 41 to 43 of YCgCo, in video range.
    planes = [
        16 + 219 / 255 * (green / 2 + (red + blue) / 4),
        128 + 224 / 255 * (green / 2 - (red + blue) / 4),
        128 + 224 / 255 * (red - blue) / 2,
    ]
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.options = {"x264-params": "colormatrix=YCgCo"}
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(
                np.stack(planes).round().astype(np.uint8), format="yuv444p"
            )
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    for picture, _ in iter_video(path):
        assert_allclose(picture.mean((0, 1)), [200, 90, 40], atol=2)


@pytest.mark.parametrize(("tag", "number"), [("bt2020c", 10), ("ICtCp", 14)])
def test_a_matrix_that_swscale_lacks_is_told(tmp_path, tag, number):
    path = encode(tmp_path / "clip.mp4", options={"x264-params": f"colormatrix={tag}"}, count=3)
    with pytest.warns(UserWarning, match=rf"clip\.mp4: .* \(number {number} of H\.273\)"):
        assert len(list(iter_video(path))) == 3


@pytest.mark.parametrize("turned", [False, True])
def test_the_shape_of_a_pixel(tmp_path, turned):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        if turned:
            stream.set_display_rotation(90)
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(moving_picture(number), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    frames = iter_video(path)
    assert frames.pixel_aspect == (Fraction(3, 4) if turned else Fraction(4, 3))
    assert len(list(frames)) == 3  # looking takes no frame away
    assert iter_video(encode(tmp_path / "square.mp4", count=2)).pixel_aspect == 1
