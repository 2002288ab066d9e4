"""A clip as an archive of features and the times of its frames."""

import io
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.data import Clip, find_clips, iter_frames, load_clip
from tacref.data.cache import ClipIndex, clip_length
from tacref.data.clip_times import clip_times
from tacref.data.features import feature_shape, load_features
from tacref.data.named import named_clips
from tacref.data.phases import Phase, read_phase_file

ROWS = np.random.default_rng(0).random((50, 4))
TIMES = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.2, 50)) - 0.5


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int16"])
def test_features_and_their_times(tmp_path, monkeypatch, save, order, dtype):
    monkeypatch.setattr("tacref.data.features._BLOCK_BYTES", 100)
    path = tmp_path / "clip.npz"
    features = np.asarray(100 * ROWS, order=order).astype(dtype)
    save(path, features=features, times=TIMES)
    clip = load_clip(path)
    assert clip.frames.dtype == np.float32
    assert_array_equal(clip.frames, features.astype(np.float32))
    assert_array_equal(clip.timestamps, TIMES)
    assert_array_equal(clip_times(path), TIMES)
    assert (feature_shape(path), clip_length(path)) == ((50, 4), 50)
    assert_array_equal(load_features(path), clip.frames)
    some = np.array([7, 7, 8, 49, 3])
    assert_array_equal(load_features(path, some), clip.frames[some])
    index = ClipIndex(Clip(path, "", "features"))
    assert_array_equal(index.read(np.array([0, 40]), None), clip.frames[[0, 40]])


def test_25_frames_a_second_are_assumed_without_times(tmp_path):
    path = tmp_path / "clip.NPZ"
    with path.open("wb") as file:
        np.savez(file, features=ROWS)
    assert_array_equal(load_clip(path).timestamps, np.arange(50) / 25)
    assert_array_equal(clip_times(path), np.arange(50) / 25)


def test_labels_in_seconds_are_by_the_times_of_the_archive(tmp_path):
    np.savez(tmp_path / "a.npz", features=ROWS[:5], times=[0, 0.1, 1, 5, 5.5])
    (tmp_path / "l.csv").write_text(
        "video,start_seconds,end_seconds,phase\na.npz,0,1,up\na.npz,1,5.2,down\n", "utf-8"
    )
    labels = read_phase_file(tmp_path / "l.csv", {tmp_path / "a.npz": 5})
    assert labels == {tmp_path / "a.npz": [Phase(0, 2, "up"), Phase(2, 4, "down")]}


def test_times_may_be_whole_numbers(tmp_path):
    np.savez(tmp_path / "a.npz", features=ROWS[:3], times=np.array([0, 2, 3], np.uint8))
    assert_array_equal(load_clip(tmp_path / "a.npz").timestamps, [0.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "must hold features.npy .* holds nothing$"),
        ({"rows": ROWS}, r"may hold times.npy \(T,\), and nothing else; holds rows.npy$"),
        ({"times": TIMES}, "holds times.npy$"),
        (
            {"features": ROWS, "times": TIMES, "fps": np.array(25)},
            "times.npy, fps.npy$",
        ),
        ({"embeddings": ROWS, "timestamps": TIMES}, "holds embeddings.npy, timestamps.npy$"),
        ({"features": ROWS[0]}, r"features: must hold numbers of shape \(T, F\), got float64"),
        ({"features": np.array([[{}]])}, "features: must hold numbers of .* got object"),
        ({"features": np.array([["a"]])}, "got <U1"),
        ({"features": np.array([[0, np.nan]])}, "holds nan at frame 0, feature 1"),
        (
            {"features": ROWS, "times": TIMES[:49]},
            r"times must be one number a frame, of shape \(50,\), got float64 of shape \(49,\)",
        ),
        ({"features": ROWS, "times": TIMES[:, None]}, r"got float64 of shape \(50, 1\)"),
        ({"features": ROWS, "times": np.full(50, None)}, r"times must be .* got object"),
        ({"features": ROWS, "times": TIMES.astype(complex)}, "got complex128"),
        (
            {"features": ROWS, "times": np.where(np.arange(50) == 9, np.inf, TIMES)},
            "times must be finite seconds, each later than the one before, got inf at frame 9",
        ),
        ({"features": ROWS[:2], "times": [np.nan, 1]}, "got nan at frame 0$"),
        ({"features": ROWS[:3], "times": [-np.inf, 1, 2]}, "got -inf at frame 0$"),
        ({"features": ROWS[:3], "times": [0, 2, 2]}, "got 2 at frame 2 after 2$"),
        ({"features": ROWS[:3], "times": [3, 2, 4]}, "got 2 at frame 1 after 3$"),
    ],
)
def test_other_archives_are_refused(tmp_path, arrays, message):
    path = tmp_path / "clip.npz"
    np.savez(path, **arrays)
    for read in (feature_shape, load_clip):
        with pytest.raises(ValueError, match=rf"clip\.npz: {message}|clip\.npz: .*{message}"):
            read(path)


def archive(suffix=".npy", **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in members.items():
            file.writestr(name + suffix, content)
    return stream.getvalue()


def array(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged, or not a .npz archive"),
        (b"text", "damaged, or not a .npz archive"),
        (archive(suffix="", features=array(ROWS)), "must hold features.npy .*; holds features$"),
        (array(ROWS), "damaged, or not a .npz archive"),
        (archive(features=array(ROWS))[:-30], "damaged, or not a .npz archive"),
        (archive(features=array(ROWS)[:-8]), "features: not a plain .npy array, or cut off: holds"),
        (archive(features=b"text"), "features: not a plain .npy array, or cut off"),
        (archive(features=array(ROWS), times=b"text"), "times: not a plain .npy array, or cut"),
        (archive(features=array(ROWS), times=array(TIMES)[:-8]), "times: not a plain .npy array"),
    ],
)
def test_damaged_archives_are_refused(tmp_path, content, message):
    path = tmp_path / "clip.npz"
    path.write_bytes(content)
    for read in (feature_shape, load_clip):
        with pytest.raises(ValueError, match=rf"clip\.npz: {message}"):
            read(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_damage_is_a_plain_error(tmp_path, save):
    path = tmp_path / "clip.npz"
    save(path, features=ROWS, times=TIMES)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = []
    for _ in range(400):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            load_clip(path)
        except ValueError as error:  # anything else fails the test
            refused.append(str(error))
    assert len(refused) > 300
    assert all(message.startswith(f"{path}: ") for message in refused)


def test_an_archive_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such feature array"):
        load_features(tmp_path / "clip.npz")


def test_an_array_is_read_a_block_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("tacref.data.features._BLOCK_BYTES", 64)
    rows = ROWS.copy()
    rows[40, 1] = np.nan
    np.save(tmp_path / "clip.npy", rows)
    frames = iter_frames(tmp_path / "clip.npy")
    for frame in range(40):
        row, time = next(frames)
        assert_array_equal(row, rows[frame].astype(np.float32))
        assert time == frame / 25
    with pytest.raises(ValueError, match=r"clip\.npy: holds nan at frame 40, feature 1"):
        next(frames)


def test_an_array_and_an_archive_of_one_name(tmp_path):
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    np.save(folder / "a.npy", ROWS)
    np.savez(folder / "a.npz", features=ROWS)
    message = r"a\.npz: a\.npy is there, too; remove one of them"
    with pytest.raises(ValueError, match=message):
        find_clips(tmp_path / "data", "train")
    with pytest.raises(ValueError, match=message):
        named_clips([str(folder)])
    (folder / "a.npz").rename(folder / "b.npz")
    assert named_clips([str(folder)]) == ([folder / "a.npy", folder / "b.npz"], True)
    (clips,) = find_clips(tmp_path / "data", "train").values()
    assert [(clip.name, clip.kind) for clip in clips] == [
        ("a.npy", "features"),
        ("b.npz", "features"),
    ]


def test_embeddings_in_a_folder_of_clips_are_no_clips(tmp_path):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", ROWS)
        np.savez(tmp_path / f"{name}.npz", embeddings=ROWS, timestamps=TIMES)
    (tmp_path / "damaged.npz").write_bytes(b"text")
    clips, _ = named_clips([str(tmp_path)])
    assert [clip.name for clip in clips] == ["a.npy", "b.npy", "damaged.npz"]
