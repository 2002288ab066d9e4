"""Frames as they come: clips, a capture device that ffmpeg simulates, and those that fail."""

import numpy as np
import pytest

from tacref.data import write_video
from tacref.data.live import is_camera, iter_device, iter_live


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
