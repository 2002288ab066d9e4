"""Finding the clips of a data set, and reading clips of any kind."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from tacref.data import Clip, find_clips, iter_frames, load_clip, write_video
from tacref.data.cache import clip_length


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_clips_without_activities(tmp_path):
    touch(tmp_path / "train", "b.mp4", "a.MOV", "c/2.jpg", "c/1.jpg", ".hidden.mp4", "phases.csv")
    touch(tmp_path / "train", ".cache/x.mp4", "README.md")
    folder = tmp_path / "train"
    assert find_clips(tmp_path, "train") == {
        "": [
            Clip(folder / "a.MOV", "", "video"),
            Clip(folder / "b.mp4", "", "video"),
            Clip(folder / "c", "", "frames"),
        ]
    }


def test_clips_in_activities(tmp_path):
    touch(tmp_path / "val", "pour/2.npy", "pour/1.npy", "pour/phases.csv", "lift/a.npy")
    touch(tmp_path / "val", "lift/b.npy", "lift/c.npy")
    found = find_clips(str(tmp_path), "val")
    assert list(found) == ["lift", "pour"]
    assert [clip.name for clip in found["lift"]] == ["a.npy", "b.npy", "c.npy"]
    assert [clip.name for clip in found["pour"]] == ["1.npy", "2.npy"]
    assert {(clip.activity, clip.kind) for clips in found.values() for clip in clips} == {
        ("lift", "features"),
        ("pour", "features"),
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["notes.txt"], "train: holds no clips; aligning needs at least two"),
        (["a.mp4"], "train: holds only one clip, a.mp4; aligning needs at least two"),
        (["lift/a.mp4", "lift/b.mp4", "pour/c.mp4"], "pour: holds only one clip, c.mp4"),
        (["lift/a.mp4", "lift/b.mp4", "pour/notes.txt"], "pour: holds no clips"),
        (["lift/a.mp4", "lift/b.mp4", "c.mp4"],
         r"train: mixes activity folders \(lift\) with clips \(c.mp4\)"),
        (["a.mp4", "b.npy"], "train: mixes feature arrays"),
        (["lift/a.mp4", "lift/b.mp4", "pour/a.npy", "pour/b.npy"], "mixes feature arrays"),
        (["a.mp4", "b.mp4", "c.zip"], "c.zip: not a clip: a video .* or a folder of pictures"),
        (["a.jpg", "b.jpg"], "a.jpg: not a clip"),
        # A picture beside videos does not make their folder a clip.
        (["lift/a.mp4", "lift/b.mp4", "lift/cover.jpg"], "cover.jpg: not a clip"),
    ],
)  # fmt: skip
def test_find_clips_refuses(tmp_path, names, message):
    touch(tmp_path / "train", *names)
    with pytest.raises(ValueError, match=message):
        find_clips(tmp_path, "train")


def test_missing_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such data set folder"):
        find_clips(tmp_path / "nowhere", "train")
    with pytest.raises(FileNotFoundError, match="train: no such split folder"):
        find_clips(tmp_path, "train")


def test_the_same_frames_from_a_video_and_from_pictures(tmp_path, make_video, number_of):
    path = make_video(tmp_path / "clip.mp4", count=12, fps=30.0)
    video = load_clip(path)
    folder = tmp_path / "clip"
    folder.mkdir()
    for index, frame in enumerate(video.frames):
        Image.fromarray(frame).save(folder / f"{index}.png")  # 10.png sorts before 2.png as text
    pictures = load_clip(str(folder))
    assert_array_equal(pictures.frames, video.frames)
    assert [number_of(frame) for frame in pictures.frames] == list(range(12))
    assert_allclose(video.timestamps, np.arange(12) / 30, atol=1e-4)  # ticks of the file
    assert_array_equal(pictures.timestamps, np.arange(12) / 25.0)
    for (frame, time), whole, timestamp in zip(iter_frames(path), *video, strict=True):
        assert_array_equal(frame, whole)
        assert time == timestamp


def test_pictures_are_resized_with_antialiasing(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    stripes = np.zeros((32, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    Image.fromarray(stripes).save(folder / "1.png")
    frames, _ = load_clip(folder, size=16)
    assert frames.shape == (1, 16, 16, 3)
    assert frames.dtype == np.uint8
    # Each new pixel is a mean over at least two periods; the borders see half a triangle.
    assert_allclose(frames[:, :, 1:-1], 100, atol=2)


def test_features(tmp_path):
    rows = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float16)
    np.save(tmp_path / "clip.npy", rows)
    frames, timestamps = load_clip(tmp_path / "clip.npy", size=64)  # size is for pictures only
    assert frames.dtype == np.float32
    assert_array_equal(frames, rows)
    assert_array_equal(timestamps, np.arange(7) / 25.0)


def test_iter_frames_refuses(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"clip\.mp4: no such file or folder"):
        next(iter_frames(tmp_path / "clip.mp4"))
    (tmp_path / "notes.pdf").write_text("%PDF-1.4")
    with pytest.raises(ValueError, match=r"notes\.pdf: not a video"):
        next(iter_frames(tmp_path / "notes.pdf"))
    with pytest.raises(ValueError, match="size must be >= 1, got 0"):
        load_clip(tmp_path / "notes.pdf", size=0)


def test_data_loads_no_torch():
    code = "import sys, tacref.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.shared
def test_real_features(shared_data):
    for clips in find_clips(shared_data / "penn_pose" / "squat", "val").values():
        frames, timestamps = load_clip(clips[0].path)
        assert frames.dtype == np.float32
        assert len(frames) == len(timestamps) > 1


def test_length_of_what_can_be_read(tmp_path):
    frames = [np.zeros((32, 32, 3), np.uint8)] * 3
    write_video(tmp_path / "a.mp4", frames)
    (tmp_path / "a.mp4").rename(tmp_path / "a.weird")
    assert clip_length(tmp_path / "a.weird") == len(list(iter_frames(tmp_path / "a.weird"))) == 3
    np.save(tmp_path / "b.npy", np.zeros((4, 2)))
    assert clip_length(tmp_path / "b.npy") == 4
    with pytest.raises(FileNotFoundError):
        clip_length(tmp_path / "c.mp4")
