"""Clips in memory: bounded, read-only, and not sent to other processes."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.data import ClipCache, load_clip


def test_cache_stays_within_its_bound(tmp_path):
    paths = []
    for index, rows in enumerate([10, 20, 30, 200]):  # 120, 240, 360, 2400 bytes as float32
        paths.append(tmp_path / f"{index}.npy")
        np.save(paths[-1], np.full((rows, 3), index, np.float32))
    cache = ClipCache(max_bytes=600)
    for index, held in [(0, 120), (1, 360), (0, 360), (2, 480), (3, 480), (1, 600)]:
        assert (cache.load(paths[index]) == index).all()
        assert cache.bytes == held
    # Reading 0 again kept it when 2 needed room, so that 1 had to go and come back.
    for path in paths:
        path.unlink()
    assert cache.load(paths[1])[0, 0] == 1
    assert cache.load(paths[2])[0, 0] == 2
    with pytest.raises(FileNotFoundError):
        cache.load(paths[0])
    with pytest.raises(FileNotFoundError):  # larger than the bound: never kept
        cache.load(paths[3])


def test_a_cache_goes_to_another_process_empty(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1000, 20)))
    cache = ClipCache(max_bytes=1 << 20, size=24)
    cache.load(tmp_path / "a.npy")
    sent = pickle.dumps(cache)
    assert len(sent) < 1000
    assert (pickle.loads(sent).max_bytes, pickle.loads(sent).size) == (1 << 20, 24)


def test_cached_frames_are_read_only(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    frames = ClipCache().load(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="read-only"):
        frames[0] = 1
    assert_array_equal(frames, load_clip(tmp_path / "a.npy").frames)
