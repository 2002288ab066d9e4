"""Frames as they come: clips, pipes, URLs, a device that ffmpeg simulates, and those that fail."""

import contextlib
import functools
import http.server
import socket
import subprocess
import sys
import threading

import av
import numpy as np
import pytest

import tacref.data.live
from tacref.data import write_video
from tacref.data.live import is_camera, is_live, iter_device, iter_live


def test_what_is_a_camera():
    assert all(map(is_camera, ("0", "12", "/dev/video0", "video=Integrated Camera")))
    assert not any(map(is_camera, ("a.mp4", "/dev/video0/a.mp4", "0.mp4", "folder")))


def test_a_clip_frame_by_frame(tmp_path):
    pictures = [np.full((32, 48, 3), level, np.uint8) for level in (20, 120, 220)]
    write_video(tmp_path / "a.mp4", pictures, fps=10)
    frames = list(iter_live(tmp_path / "a.mp4"))
    assert [round(timestamp, 6) for _, timestamp in frames] == [0, 0.1, 0.2]
    assert [frame.mean() for frame, _ in frames] == pytest.approx([20, 120, 220], abs=3)


def test_a_device():
    frames = list(iter_device("testsrc=size=64x48:rate=10:duration=0.5", "lavfi"))
    assert [frame.shape for frame, _ in frames] == [(48, 64, 3)] * 5
    assert [timestamp for _, timestamp in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_devices_that_fail():
    with pytest.raises(ValueError, match="camera sine=duration=1: gives no pictures"):
        next(iter_device("sine=duration=1", "lavfi"))
    with pytest.raises(ValueError, match="camera /dev/video99: does not open"):
        next(iter_live("/dev/video99"))
    with pytest.raises(ValueError, match="camera x: does not open"):
        next(iter_device("x", "no-such-format"))
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        next(iter_live("none.mp4"))


LEVELS = range(20, 220, 20)


def write_stream(path, format_name):
    with av.open(str(path), "w", format=format_name) as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in LEVELS:
            picture = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))


def read_from_stdin(data):
    code = (
        "import sys; from tacref.data.live import iter_live\n"
        "try: print([(f.shape, round(float(f.mean())), round(t, 3)) for f, t in iter_live('-')])\n"
        "except ValueError as error: print(error)"
    )
    return subprocess.run([sys.executable, "-c", code], input=data, capture_output=True).stdout


@pytest.mark.parametrize("format_name", ["mpegts", "matroska"])
def test_a_video_on_standard_input(tmp_path, format_name):
    write_stream(tmp_path / "a", format_name)
    frames = eval(read_from_stdin((tmp_path / "a").read_bytes()))
    assert [shape for shape, _, _ in frames] == [(48, 64, 3)] * 10
    assert [level for _, level, _ in frames] == pytest.approx(list(LEVELS), abs=3)
    assert [timestamp for _, _, timestamp in frames] == pytest.approx(np.arange(10) / 25)


@contextlib.contextmanager
def served(folder):
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", requests
        finally:
            server.shutdown()
            thread.join()


def test_a_url_and_no_playlist(tmp_path):
    write_stream(tmp_path / "a.ts", "mpegts")
    with served(tmp_path) as (url, requests):
        assert len(list(iter_live(f"{url}/a.ts"))) == 10
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}/a.ts\n#EXT-X-ENDLIST\n"
        (tmp_path / "list.m3u8").write_text(playlist)
        requests.clear()
        with pytest.raises(ValueError, match="a playlist, or another format"):
            next(iter_live(f"{url}/list.m3u8"))
        assert set(requests) == {"/list.m3u8"}
        requests.clear()
        assert b"standard input: does not open (" in read_from_stdin(playlist.encode())
        with pytest.raises(ValueError, match=r"list\.m3u8: "):
            next(iter_live(tmp_path / "list.m3u8"))
        assert requests == []
        name = url.replace("//", "//me:sec@ret@")
        with pytest.raises(ValueError, match=r"http://\*\*\*@127\.0\.0\.1:\d+/none: does not open"):
            next(iter_live(f"{name}/none"))


@pytest.mark.parametrize("url", ["file:///etc/a.mp4", "ftp://host/a.mp4", "concat://a", "HLS://x"])
def test_other_schemes(url):
    assert is_live(url)
    with pytest.raises(ValueError, match=r"must begin with one of rtsp, http, .* got '"):
        next(iter_live(url))
    assert not is_live("a.mp4")
    assert is_live("-")


def test_no_video_on_standard_input():
    assert read_from_stdin(b"") == b"standard input: nothing came\n"
    assert read_from_stdin(b"text\n" * 9).startswith(b"standard input: does not open (")


def test_a_stream_goes_on_after_damage(tmp_path):
    write_stream(tmp_path / "a", "mpegts")
    data = bytearray((tmp_path / "a").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 300] = bytes(300)
    frames = eval(read_from_stdin(bytes(data)))
    assert 1 <= len(frames) <= 10


def test_nothing_comes(monkeypatch):
    monkeypatch.setattr(tacref.data.live, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ValueError, match=r"does not open .nothing came for 0\.2 seconds"):
            next(iter_live(url))
