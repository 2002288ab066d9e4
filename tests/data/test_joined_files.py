"""Clips joined without being encoded anew, interlaced ones, and what is no file of frames."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tacref.data.video import iter_video
from tests.data.video_files import check, copy, encode, moving_picture


@pytest.mark.parametrize(("suffix", "codec"), [("mpg", "mpeg2video"), ("ts", "libx264")])
def test_two_clips_joined(tmp_path, suffix, codec):
    path = encode(tmp_path / f"a.{suffix}", codec)
    path.write_bytes(2 * path.read_bytes())
    _, times, index = check(path, 120)
    assert_allclose(np.diff(times), 0.04, atol=1e-6)
    assert index.pts is None


def test_transport_streams_joined_whose_times_go_on(tmp_path):
    path = tmp_path / "joined.ts"
    whole = b""
    for part in range(3):
        with av.open(str(tmp_path / "part.ts"), "w") as file:
            stream = file.add_stream("libx264", rate=25, options={"g": "25", "bf": "2"})
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for number in range(25):
                frame = av.VideoFrame.from_ndarray(moving_picture(number), format="rgb24")
                frame.pts, frame.time_base = 25 * part + number + 50, Fraction(1, 25)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        whole += (tmp_path / "part.ts").read_bytes()
    path.write_bytes(whole)
    _, times, _ = check(path, 75)
    assert_allclose(np.diff(times), 0.04, atol=1e-6)


def test_short_clips_joined(tmp_path):
    path = encode(tmp_path / "a.ts", options={"bf": "0"}, count=10)
    path.write_bytes(3 * path.read_bytes())
    _, times, _ = check(path, 30)
    assert_allclose(np.diff(times), 0.04, atol=1e-6)


def test_a_group_that_was_cut_out_of_hevc(tmp_path):
    params = "open-gop=1:keyint=15:min-keyint=15:scenecut=0:bframes=3:log-level=none"
    source = encode(tmp_path / "a.mkv", "libx265", {"x265-params": params})

    def change(packets):
        first, second = [k for k, packet in enumerate(packets) if packet.is_keyframe][1:3]
        return packets[:first] + packets[second:]

    path = copy(source, tmp_path / "b.mp4", change)
    with pytest.warns(UserWarning, match=r"of its pictures cannot be decoded"):
        _, _, index = check(path)
    assert index.length == 45  # of 47 pictures
    whole = check(encode(tmp_path / "whole.mp4", "libx265", {"x265-params": params}), 60)[2]
    assert whole.pts is not None


def test_clips_whose_times_overlap(tmp_path):
    source = encode(tmp_path / "a.ts", options={"g": "20", "bf": "3"}, count=40)

    def change(packets):
        second = [k for k, packet in enumerate(packets) if packet.is_keyframe][1]
        latest = packets[second - 1].dts
        for number, packet in enumerate(packets[second:], 1):  # shown before the first clip ends
            packet.pts -= 2 * 3600
            packet.dts = latest + number
        return packets

    path = copy(source, tmp_path / "b.ts", change)
    assert check(path, 40)[2].pts is None


def test_interlaced_pictures_are_decoded_from_the_start(tmp_path):
    path = encode(tmp_path / "a.mp4", options={"x264-params": "interlaced=1"}, count=20)
    assert check(path, 20)[2].pts is None


def test_frames_of_another_size_are_refused_by_name(tmp_path):
    parts = [encode(tmp_path / f"{h}.ts", count=20, height=h) for h in (48, 64)]
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(ValueError, match=r"a\.ts: frames change size, from 64x48 to 64x64"):
        list(iter_video(path))


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "clip.mp4")
    for name in ("clip.mp4", "."):
        with pytest.raises(ValueError, match="not a video file"):
            list(iter_video(tmp_path / name))
