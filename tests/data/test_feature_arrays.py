"""A clip as an array of features."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.data.features import load_features


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int16", "uint8"])
def test_numbers_become_float32(tmp_path, dtype):
    array = np.arange(12).reshape(4, 3).astype(dtype)
    np.save(tmp_path / "clip.npy", np.asfortranarray(array))
    features = load_features(tmp_path / "clip.npy")
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    assert_array_equal(features, array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), r"must hold numbers of shape \(T, F\), got float64 of shape \(3,\)"),
        (np.zeros((2, 3, 4)), r"got float64 of shape \(2, 3, 4\)"),
        (np.zeros((0, 3)), r"got float64 of shape \(0, 3\)"),
        (np.zeros((3, 0)), r"got float64 of shape \(3, 0\)"),
        (np.zeros((2, 2), complex), "got complex128"),
        (np.zeros((2, 2), bool), "got bool"),
        (np.array([["a"]]), "got <U1"),
        (np.array([[0, 1], [2, np.nan]]), "holds nan at frame 1, feature 1"),
        (np.array([[0, -np.inf], [2, 3]]), "holds -inf at frame 0, feature 1"),
        (np.array([[0, 1e300]]), "holds inf at frame 0, feature 1"),
        (np.array([[{}]]), "not a plain .npy array"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "clip.npy", array)
    with pytest.raises(ValueError, match=rf"clip\.npy: .*{message}"):
        load_features(tmp_path / "clip.npy")


def test_some_rows(tmp_path):
    array = np.arange(12.0).reshape(4, 3)
    array[2] = np.nan
    np.save(tmp_path / "clip.npy", np.asfortranarray(array))
    rows = load_features(tmp_path / "clip.npy", np.array([1, 1, 3]))
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert_array_equal(rows, array[[1, 1, 3]])
    with pytest.raises(ValueError, match="holds nan at frame 2, feature 0"):
        load_features(tmp_path / "clip.npy", np.array([1, 2]))
    (tmp_path / "clip.npy").write_bytes((tmp_path / "clip.npy").read_bytes()[:-8])
    with pytest.raises(ValueError, match="or cut off"):
        load_features(tmp_path / "clip.npy", np.array([0]))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "clip.npy"
    np.save(path, np.zeros((50, 3)))
    data = path.read_bytes()
    for content in (b"", b"hello", b"PK\x03\x04 no archive", data[:60], data[:-8]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"clip\.npy: not a plain \.npy array, or cut off"):
            load_features(path)
    with path.open("wb") as file:
        np.savez(file, a=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="is an archive of arrays"):
        load_features(path)
    with pytest.raises(FileNotFoundError, match="no such feature array"):
        load_features(tmp_path / "other.npy")
