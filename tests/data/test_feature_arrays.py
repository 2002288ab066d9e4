"""A clip as an array of features."""

import struct

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.data.cache import ClipIndex
from tacref.data.clips import Clip
from tacref.data.features import feature_shape, load_features


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
        (np.array([[{}]]), "got object"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "clip.npy", array)
    with pytest.raises(ValueError, match=rf"clip\.npy: .*{message}"):
        load_features(tmp_path / "clip.npy")


@pytest.mark.parametrize("order", ["C", "F"])
def test_some_rows(tmp_path, order):
    array = np.arange(12.0).reshape(4, 3)
    array[2] = np.nan
    np.save(tmp_path / "clip.npy", np.asarray(array, order=order))
    rows = load_features(tmp_path / "clip.npy", np.array([1, 1, 3]))
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert_array_equal(rows, array[[1, 1, 3]])
    with pytest.raises(ValueError, match="holds nan at frame 2, feature 0"):
        load_features(tmp_path / "clip.npy", np.array([1, 2]))
    (tmp_path / "clip.npy").write_bytes((tmp_path / "clip.npy").read_bytes()[:-8])
    with pytest.raises(ValueError, match="or cut off"):
        load_features(tmp_path / "clip.npy", np.array([0]))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [[0], [3, 4, 5], [0, 2, 3, 9], [9, 0, 0, 5]])
def test_rows_in_any_order(tmp_path, order, rows):
    array = np.random.default_rng(0).random((10, 4), dtype=np.float32)
    np.save(tmp_path / "clip.npy", np.asarray(array, order=order))
    assert_array_equal(load_features(tmp_path / "clip.npy", np.array(rows)), array[rows])


def test_the_whole_is_checked_a_block_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("tacref.data.features._BLOCK_BYTES", 100)
    array = np.random.default_rng(0).random((50, 4))
    np.save(tmp_path / "clip.npy", array)
    assert feature_shape(tmp_path / "clip.npy") == (50, 4)
    array[47, 2] = np.inf
    np.save(tmp_path / "clip.npy", array)
    with pytest.raises(ValueError, match=r"clip\.npy: holds inf at frame 47, feature 2"):
        feature_shape(tmp_path / "clip.npy")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((20, 4)), "has changed: no frame 49 of 20"),
        (np.zeros((50, 3)), "has changed: 4 features a frame, now 3"),
    ],
)
def test_a_file_that_changes_between_two_reads(tmp_path, array, message):
    path = tmp_path / "clip.npy"
    np.save(path, np.zeros((50, 4)))
    index = ClipIndex(Clip(path, "", "features"))
    np.save(path, array)
    with pytest.raises(ValueError, match=rf"clip\.npy: {message}"):
        index.read(np.array([0, 49]), None)


def test_a_file_that_is_cut_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "clip.npy"
    np.save(path, np.zeros((50, 4)))
    read = np.fromfile

    def cut_and_read(*arguments):
        path.write_bytes(path.read_bytes()[:200])
        return read(*arguments)

    monkeypatch.setattr(np, "fromfile", cut_and_read)
    with pytest.raises(ValueError, match=r"clip\.npy: was cut off while it was read"):
        load_features(path, np.array([40]))


def header(text):
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)",  # TokenError in NumPy
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 4, 3}",
        "{'descr': '<f(', 'fortran_order': False, 'shape': (4, 3)}",
        "{'descr': 5, 'fortran_order': False, 'shape': (4, 3)}",
        "{1: '<f4', 'fortran_order': False, 'shape': (4, 3)}",
        "{[]: '<f4', 'fortran_order': False, 'shape': (4, 3)}",
        "\0",
        "(" * 100,
        "4",
    ],
)
def test_damaged_headers(tmp_path, text):
    path = tmp_path / "clip.npy"
    path.write_bytes(header(text) + bytes(48))
    for read in (load_features, feature_shape):
        with pytest.raises(ValueError, match=r"clip\.npy: not a plain \.npy array, or cut off"):
            read(path)


@pytest.mark.parametrize(
    "shape", ["(-4, 3)", "(4, -3)", "(4.0, 3)", "(10**9, 3)", f"({10**30}, 3)"]
)
def test_shapes_that_cannot_be(tmp_path, shape):
    path = tmp_path / "clip.npy"
    path.write_bytes(
        header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}") + bytes(48)
    )
    with pytest.raises(ValueError, match=r"clip\.npy: (not a plain|must hold numbers)"):
        load_features(path)


def test_any_damage_to_a_header_is_a_plain_error(tmp_path):
    path = tmp_path / "clip.npy"
    np.save(path, np.zeros((4, 3)))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = []
    for _ in range(500):
        data = bytearray(whole)
        for place in rng.integers(0, 80, rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            assert load_features(path).ndim == 2
        except ValueError as error:  # anything else fails the test
            refused.append(str(error))
    assert len(refused) > 400
    assert all(message.startswith(f"{path}: ") for message in refused)


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
