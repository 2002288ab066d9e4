"""The clips that a command names, and what they say of their length."""

import numpy as np
import pytest

from tacref.data import write_video
from tacref.data.named import expected_frames, named_clips


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clips" / "frames").mkdir(parents=True)
    (tmp_path / "clips" / "frames" / "1.png").touch()
    (tmp_path / "clips" / "notes.txt").touch()
    np.save(tmp_path / "clips" / "a.npy", np.zeros((3, 2)))
    return tmp_path / "clips"


def test_clips_of_a_folder(folder):
    clips = [folder / "a.npy", folder / "frames"]
    assert named_clips([str(folder)]) == (clips, True)
    assert named_clips([*map(str, clips)]) == (clips, False)
    assert named_clips([str(clips[0])], min_clips=1) == (clips[:1], False)
    assert named_clips([str(clips[1])], min_clips=1) == (clips[1:], False)
    with pytest.raises(ValueError, match=r"a\.npy: is one clip; name two or more, or a folder"):
        named_clips([str(clips[0])])
    (folder / "a.npy").unlink()
    assert named_clips([str(folder)], min_clips=1) == (clips[1:], True)
    with pytest.raises(ValueError, match="clips: holds 1 clips; aligning needs at least two"):
        named_clips([str(folder)])
    (folder / "frames" / "1.png").unlink()
    with pytest.raises(ValueError, match="clips: holds 0 clips; at least one is needed"):
        named_clips([str(folder)], min_clips=1)


def test_expected_frames(folder, tmp_path):
    for name in ("a.mp4", "a.mkv"):
        write_video(tmp_path / name, [np.zeros((32, 32, 3), np.uint8)] * 7)
        assert expected_frames(tmp_path / name) == 7
    assert expected_frames(folder / "frames") == 1
    assert expected_frames(folder / "a.npy") is None
    (tmp_path / "text.mp4").write_text("text")
    assert expected_frames(tmp_path / "text.mp4") is None
    assert expected_frames(tmp_path / "none.mp4") is None
