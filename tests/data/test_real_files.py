"""Kinds of real video files on which readers disagree: each gives the right frames, and times."""

import os
import subprocess
import sys
import threading
import warnings
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from tacref.data.index import index_video
from tacref.data.video import iter_video
from tests.data.video_files import (
    check,
    copy,
    cut,
    decode_everything,
    encode,
    moving_picture,
    times_of_decoding,
)

OPEN_GOP = {"x264-params": "open-gop=1:keyint=20:min-keyint=20:bframes=3:scenecut=0"}


def test_decoding_times_in_avi(tmp_path):
    path = encode(tmp_path / "clip.avi", options={"bf": "3", "g": "25"})
    _, times, _ = check(path, 60)
    assert_allclose(np.diff(times), 0.04)


def test_decoding_times_taken_for_times_of_showing(tmp_path):
    source = encode(tmp_path / "a.mp4", options={"bf": "3", "g": "25"})
    path = copy(source, tmp_path / "b.mp4", times_of_decoding)
    frames, times, index = check(path, 60)
    assert_array_equal(frames, decode_everything(source))
    assert_allclose(np.diff(times), 0.04)
    assert index.pts is None


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("start", [20, 30])
def test_a_clip_cut_at_an_open_group(tmp_path, suffix, start):
    source = encode(tmp_path / "a.mkv", options=OPEN_GOP)
    path = copy(source, tmp_path / f"b.{suffix}", lambda packets: cut(packets, start))
    _, _, index = check(path)
    assert index.pts is not None
    assert index.length < 60 - start + (start == 20)  # some refer to frames that are gone


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_recording_that_begins_between_key_frames(tmp_path, codec):
    path = encode(tmp_path / "a.ts", codec, {"g": "25", "bf": "2"}, count=80)
    data = path.read_bytes()
    path.write_bytes(data[: 3 * 188] + data[len(data) // 188 // 7 * 188 :])
    _, _, index = check(path)
    assert 25 < index.length < 80


def test_pictures_refreshed_strip_by_strip(tmp_path):
    params = {"x264-params": "intra-refresh=1:keyint=16:scenecut=0:bframes=0"}
    for suffix in ("mp4", "ts"):
        _, _, index = check(encode(tmp_path / f"clip.{suffix}", options=params, height=96), 60)
        assert len(index.key_pts) == 1


def test_a_transport_stream_that_lost_packets(tmp_path):
    path = encode(tmp_path / "a.ts")
    data = path.read_bytes()
    lost = len(data) // 188 // 2 * 188
    path.write_bytes(data[:lost] + data[lost + 3 * 188 :])
    for read in (list, lambda frames: index_video(path)):
        with pytest.raises(ValueError, match=r"a\.ts: damaged"):
            read(iter_video(path))


def test_a_stream_with_sound_sought_at_every_frame(tmp_path):
    for suffix in ("ts", "flv"):
        path = tmp_path / f"clip.{suffix}"
        with av.open(str(path), "w") as file:
            video = file.add_stream("libx264", rate=25, options={"g": "15", "bf": "2"})
            video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
            sound = file.add_stream("aac", rate=44100, layout="stereo")
            for number in range(60):
                frame = av.VideoFrame.from_ndarray(moving_picture(number), format="rgb24")
                file.mux(video.encode(frame))
                samples = av.AudioFrame.from_ndarray(np.zeros((2, 1764), np.float32), "fltp")
                samples.sample_rate, samples.pts = 44100, 1764 * number
                file.mux(sound.encode(samples))
            file.mux(video.encode(None))
            file.mux(sound.encode(None))
        _, _, index = check(path, 60)
        assert len(index.key_pts) == 4


# Files whose stated length is a guess.


def test_a_fragmented_file_that_starts_late(tmp_path):
    path = tmp_path / "clip.mp4"
    encode(path, options={"bf": "2", "g": "25"}, muxer={"movflags": "dash"})
    check(path, 60)


def test_sound_longer_than_the_pictures_is_told_once(tmp_path):
    path = tmp_path / "clip.wmv"
    with av.open(str(path), "w") as file:
        video = file.add_stream("wmv2", rate=25, width=64, height=48, pix_fmt="yuv420p")
        sound = file.add_stream("libmp3lame", rate=44100, layout="stereo")
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(moving_picture(number), format="rgb24")
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        for number in range(60):
            samples = av.AudioFrame.from_ndarray(np.zeros((2, 2048), np.float32), "fltp")
            samples.sample_rate, samples.pts = 44100, 2048 * number
            file.mux(sound.encode(samples))
        file.mux(sound.encode(None))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(2):
            assert index_video(path).length == len(list(iter_video(path))) == 20
    assert [str(warning.message).rpartition("clip")[2] for warning in told] == [
        ".wmv: shorter than it says: 20 frames (0.83 s) were read of 2.81 s"
    ]


@pytest.mark.parametrize("end", [b"\0", b"\n", None])
def test_the_end_of_a_gif(tmp_path, end):
    pictures = [Image.fromarray(moving_picture(number)) for number in range(8)]
    path = tmp_path / "clip.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    data = path.read_bytes()
    path.write_bytes(data[:-1] if end is None else data + end)
    check(path, 8)


@pytest.mark.filterwarnings("ignore:.*avi. shorter than it says")
@pytest.mark.parametrize("suffix", ["avi", "mkv", "flv", "wmv", "h264", "ts"])
def test_written_to_a_pipe(tmp_path, suffix):
    names = {"mkv": "matroska", "ts": "mpegts", "wmv": "asf"}
    path = tmp_path / f"clip.{suffix}"
    read, write = os.pipe()

    def take():
        with os.fdopen(read, "rb") as pipe:
            path.write_bytes(pipe.read())

    thread = threading.Thread(target=take)
    thread.start()
    form = names.get(suffix, suffix)
    with os.fdopen(write, "wb") as pipe, av.open(pipe, "w", format=form) as file:
        stream = file.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(moving_picture(number), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    thread.join()
    check(path, 20)


def test_an_edit_list_that_hides_the_last_frames(tmp_path):
    path = encode(tmp_path / "clip.mp4", options={"bf": "0"})
    data = bytearray(path.read_bytes())
    # Edit list, version 0, one entry: its length is in ticks of the film's 1/1000 s.
    at = data.index(b"elst") + 12
    assert int.from_bytes(data[at : at + 4], "big") == 2400
    data[at : at + 4] = (2000).to_bytes(4, "big")
    path.write_bytes(data)
    check(path, 50)


def test_the_stream_that_the_file_presents(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as file:
        cover = file.add_stream("mjpeg", rate=25, width=32, height=32, pix_fmt="yuvj420p")
        video = file.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
        photo = BytesIO()
        Image.new("RGB", (32, 32), "red").save(photo, "JPEG")
        packet = av.Packet(photo.getvalue())
        packet.pts = packet.dts = 0
        packet.stream, packet.time_base = cover, Fraction(1, 25)
        file.mux(packet)
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(moving_picture(number), format="rgb24")
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
    check(path, 50)


# What is no video.


@pytest.mark.parametrize(
    "text",
    ["a line of text\n" * 50, "ffconcat version 1.0\nfile a.mp4\n", "#EXTM3U\n#EXTINF:1,\na.mp4\n"],
)
def test_what_only_points_to_videos_is_none(tmp_path, text):
    encode(tmp_path / "a.mp4", count=2)
    for name in ("clip.mp4", "clip.txt", "clip.m3u8"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        for read in (list, lambda frames, path=path: index_video(path)):
            with pytest.raises(ValueError, match=f"{name}: not a video"):
                read(iter_video(path))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux does")
def test_frames_are_converted_without_threads_of_their_own(tmp_path):
    path = encode(tmp_path / "clip.mp4")
    program = (
        "import os, sys\n"
        "from tacref.data.video import iter_video\n"
        "frames = iter_video(sys.argv[1])\n"
        "print(max(len(os.listdir('/proc/self/task')) for _ in frames))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    # One of Python's, one a core that decodes, and those that NumPy's library of products keeps.
    assert int(done.stdout) <= 2 + 2 * (os.cpu_count() or 1)
