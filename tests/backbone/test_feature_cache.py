"""Features on disk: keys, bound, damage, several processes."""

import os
import pickle

import numpy as np
import pytest

from tacref.data.cells import CellGrid
from tacref.data.feature_cache import (
    FeatureCache,
    ViewFeatures,
    clip_digest,
    open_features,
)
from tacref.user_folders import default_cache_folder


def test_features_are_read_as_they_were_written(tmp_path):
    cache = FeatureCache(tmp_path, 1 << 20)
    rows = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    path = cache.path("a" * 64, view=0)
    assert not cache.holds(path, 3)
    cache.write(path, rows)
    assert cache.holds(path, 3)
    assert not cache.holds(path, 4)
    stored = open_features(path)
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored, rows, rtol=2**-11, atol=1e-7)  # half a bit of float16
    cache.write(path, rows * 1e6)
    np.testing.assert_array_equal(open_features(path), rows * np.float32(1e6))


def test_keys_depend_on_everything(tmp_path):
    cache = FeatureCache(tmp_path, 1)
    keys = [cache.path("a", view=0), cache.path("b", view=0), cache.path("a", view=1)]
    keys += [cache.path("a", view=0, backbone={"sha256": "1"})]
    assert len(set(keys)) == 4
    assert cache.path("a", view=0, x=1) == cache.path("a", x=1, view=0)


def test_a_damaged_file_counts_as_missing(tmp_path):
    cache = FeatureCache(tmp_path, 1 << 20)
    path = cache.path("a", view=0)
    cache.write(path, np.ones((40, 3), np.float32))
    content = path.read_bytes()
    for damaged in (b"", content[:50], content[:-20], b"x" * len(content)):
        path.write_bytes(damaged)
        assert not cache.holds(path, 3)
    np.save(path, np.array([{"a": 1}], object))  # never unpickled
    assert not cache.holds(path, 3)


def test_files_not_used_for_the_longest_time_go_first(tmp_path):
    cache = FeatureCache(tmp_path, 700)
    paths = [cache.path("a", view=view) for view in range(4)]
    for age, path in enumerate(paths):
        cache.write(path, np.zeros((10, 10), np.float32))  # 328 bytes each
        os.utime(path, (1000 + age, 1000 + age))
    cache.make_room(keep=set())
    assert [path.exists() for path in paths] == [False, False, True, True]
    for age, path in enumerate(paths):
        cache.write(path, np.zeros((10, 10), np.float32))
        os.utime(path, (1000 + age, 1000 + age))
    assert cache.holds(paths[0], 10)  # which is a use
    cache.make_room(keep={paths[1]})
    assert [path.exists() for path in paths] == [True, True, False, False]


def test_clips_are_known_by_their_content(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"one")
    (tmp_path / "b.mp4").write_bytes(b"one")
    (tmp_path / "c.mp4").write_bytes(b"two")
    a, b, c = (clip_digest(tmp_path / f"{name}.mp4") for name in "abc")
    assert a == b != c
    for folder, names in (("d", "12"), ("e", "21"), ("f", "12")):
        (tmp_path / folder).mkdir()
        for name, content in zip(names, (b"one", b"two"), strict=True):
            (tmp_path / folder / f"{name}.png").write_bytes(content)
    assert clip_digest(tmp_path / "d") == clip_digest(tmp_path / "f") != clip_digest(tmp_path / "e")


def test_features_that_were_removed_are_named(tmp_path):
    cache = FeatureCache(tmp_path, 1 << 20)
    path = cache.path("a", view=0)
    cache.write(path, np.zeros((2, 2), np.float32))
    features = ViewFeatures({tmp_path / "clip.mp4": [path]}, CellGrid((1, 2), (1, 2)))
    features.load(tmp_path / "clip.mp4", 0)
    fresh = pickle.loads(pickle.dumps(features))
    path.unlink()
    assert features.load(tmp_path / "clip.mp4", 0).shape == (2, 2)  # still mapped
    with pytest.raises(ValueError, match=r"the features of .*clip.mp4 cannot be read"):
        fresh.load(tmp_path / "clip.mp4", 0)


def test_the_default_folder_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_cache_folder() == tmp_path / "tacref" / "features"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_cache_folder() == tmp_path / "local" / "tacref" / "features"
