"""Small pictures that show their number, and real mp4 files made of them."""

import numpy as np
import pytest

from tacref.data import write_video


def _picture(index, height=48, width=64):
    picture = np.full((height, width, 3), 20 + 6 * index, np.uint8)
    picture[: height // 4, : width // 4] = (255, 0, 0)  # the upper left corner is red
    return picture


def _write(path, count=30, height=48, width=64, fps=25.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, (_picture(index, height, width) for index in range(count)), fps)
    return path


@pytest.fixture
def make_picture():
    """Return picture number `index`: gray of level 20 + 6 index with a red upper left corner."""
    return _picture


@pytest.fixture
def make_video():
    """Write `count` such pictures to a video file and return its path."""
    return _write


@pytest.fixture
def number_of():
    """Read the number of a picture off its lower right quarter, mirrored or not."""

    def number_of(picture):
        height, width = picture.shape[:2]
        return round((float(picture[height // 2 :, width // 3 : -width // 3].mean()) - 20) / 6)

    return number_of
