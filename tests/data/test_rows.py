"""Rows of numbers on a pipe: JSON lines and .npy, each as soon as it is there, and damaged ones."""

import contextlib
import io
import itertools
import json
import os

import numpy as np
import pytest

from tacref.data import rows as rows_module
from tacref.data.live import iter_live
from tacref.data.rows import rows_on

ROWS = np.array([[0.5, -1.0], [1.0, 2.0], [3.0, 4.25]], np.float32)


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def lines(*values):
    return "".join(
        f"{value if isinstance(value, str) else json.dumps(value)}\n" for value in values
    )


def read(data):
    data = data.encode() if isinstance(data, str) else data
    return list(rows_on("pipe", io.BufferedReader(io.BytesIO(data))))


class Trickle(io.RawIOBase):
    """A pipe into which one byte at a time is written."""

    def __init__(self, data):
        self.data, self.position = data, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        part = self.data[self.position : self.position + 1]
        buffer[: len(part)] = part
        self.position += len(part)
        return len(part)


@contextlib.contextmanager
def standard_input():
    """Yield the end of a pipe that is written to, while standard input is the other."""
    reading, writing = os.pipe()
    kept = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)
    try:
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            yield pipe
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.mark.parametrize(
    "data",
    [
        lines(*ROWS.tolist()),
        lines(*({"row": row} for row in ROWS.tolist())),
        "\ufeff" + lines(*ROWS.tolist()),
        "\n  \r\n" + lines(*ROWS.tolist()).replace("\n", "\r\n\r\n"),
        lines(*ROWS.tolist())[:-1],  # without the last line end
        npy(ROWS),
        npy(ROWS.astype(">f8")),
        npy(ROWS, version=(2, 0)),
    ],
    ids=["lists", "objects", "mark", "blank", "no-end", "npy", "big-endian", "version-2"],
)
def test_rows(data):
    data = data.encode() if isinstance(data, str) else data
    for file in (io.BytesIO(data), Trickle(data)):
        rows = list(rows_on("pipe", io.BufferedReader(file)))
        np.testing.assert_array_equal([row for row, _ in rows], ROWS)
        assert all(row.dtype == np.float32 for row, _ in rows)
        assert [time for _, time in rows] == pytest.approx([0, 0.04, 0.08])


def test_numbers_of_any_type():
    for array in (np.array([[1, 2]], np.int8), np.array([[1], [2]], np.uint64), np.ones((1, 3))):
        np.testing.assert_array_equal([row for row, _ in read(npy(array))], array)
    ((row, _),) = read("[1, 2.5, -3e2]")
    assert row.tolist() == [1.0, 2.5, -300.0]
    column = np.asfortranarray(np.ones((3, 1)))
    assert len(read(npy(column))) == 3


def test_times_of_the_lines():
    data = lines(*({"time": time, "row": [1]} for time in (10, 10.0, 12.5)))
    assert [time for _, time in read(data)] == [10, 10, 12.5]


def test_what_is_no_row_is_left_to_others():
    for data in (b"\x1aE\xdf\xa3", b"G@", b"\0\0\0 ftyp", b"#EXTM3U", b"text", b"RIFF"):
        assert rows_on("pipe", io.BufferedReader(io.BytesIO(data))) is None


def test_numbers_in_another_form_and_nothing_at_all():
    for data, message in (
        (b"", "nothing came"),
        (b"1 2 3\n", r"lines of JSON, .* begins with '1'"),
    ):
        with pytest.raises(ValueError, match=message):
            rows_on("pipe", io.BufferedReader(io.BytesIO(data)))


HEADER = len(npy(ROWS)) - ROWS.nbytes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lines([1, 2], [1, 2, 3]), "row 1: holds 3 numbers, but row 0 holds 2"),
        (lines([1], "[NaN]"), "row 1: feature 0 is nan, not finite"),
        (lines([1, 2], "[0, -Infinity]"), "row 1: feature 1 is -inf, not finite"),
        (lines([1, 1e39]), r"row 0: feature 1 is 1e\+39, not finite"),
        (lines([1], [2], "[3, "), r"row 2: not JSON \(.*\), got '\[3,'"),
        (lines([1], "1 2 3"), "row 1: not JSON"),
        (lines([1], "7"), "row 1: must be a list of numbers, not empty, got 7"),
        (lines([1], []), r"row 1: must be a list of numbers, not empty, got \[\]"),
        (lines([1, None]), r"row 0: must be a list of numbers, not empty, got \[1, None\]"),
        (lines([[1, 2]]), r"row 0: must be a list of numbers, not empty, got \[\[1, 2\]\]"),
        (lines(["1"]), "row 0: must be a list of numbers"),
        (lines([True]), "row 0: must be a list of numbers"),
        (lines([10**400]), "row 0: must be a list of numbers"),
        ("[" * 100_000, r"row 0: not JSON \(too deep\)"),
        (b"[1]\n[\xff\xfe]\n", "row 1: not JSON"),
        (
            lines({"rows": [1]}),
            r"row 0: must be \[\.\.\.\] or {\"time\": seconds, \"row\": \[\.\.\.\]}",
        ),
        (lines({"row": [1], "more": 2}), "row 0: must be"),
        (lines({"time": "1", "row": [1]}), "row 0: time must be seconds, finite, got '1'"),
        (lines('{"time": NaN, "row": [1]}'), "row 0: time must be seconds, finite, got nan"),
        (lines({"time": 1, "row": [1]}, [2]), "row 1: has no time, but row 0 has one"),
        (lines([2], {"time": 1, "row": [1]}), "row 1: has a time, but row 0 has none"),
        (
            lines({"time": 2, "row": [1]}, {"time": 1.5, "row": [1]}),
            "row 1: its time must not be before that of the last row, 2, got 1.5",
        ),
        ("\n\n", "holds no rows"),
        (npy(ROWS)[:-3], "row 2: cut off; the array has 3 rows of 2 numbers"),
        (npy(ROWS)[:HEADER], "row 0: cut off; the array has 3 rows of 2 numbers"),
        (npy(ROWS)[: HEADER - 5], "not a plain .npy array, or cut off"),
        (b"\x93NUMPX" + bytes(99), "not a plain .npy array, or cut off"),
        (npy(np.array([[1, np.nan]])), "row 0: feature 1 is nan, not finite"),
        (npy(np.ones(3)), r"must hold numbers of shape \(T, F\), got float64 of shape \(3,\)"),
        (npy(np.ones((0, 3))), "must hold numbers of shape"),
        (npy(np.ones((2, 2), complex)), "must hold numbers of shape"),
        (npy(np.array([[{}]], object)), "must hold numbers of shape"),
        (
            npy(np.asfortranarray(ROWS)),
            r"holds its array column by column .*contiguous",
        ),
    ],
)
def test_refusals_name_the_row(data, message):
    with pytest.raises(ValueError, match=f"^pipe: {message}") as caught:
        read(data)
    assert "\n" not in str(caught.value)


def test_a_line_without_end(monkeypatch):
    monkeypatch.setattr(rows_module, "MAX_LINE_BYTES", 20)
    with pytest.raises(ValueError, match="pipe: row 1: its line is longer than 20 bytes"):
        read("[1]\n[" + "1, " * 100)


@pytest.mark.parametrize("form", ["lines", "npy"])
def test_a_row_is_there_before_the_next_one_is_written(form):
    data = npy(ROWS)
    starts = [0, HEADER + 8, HEADER + 16, HEADER + 24]
    parts = [data[start:stop] for start, stop in itertools.pairwise(starts)]
    if form == "lines":
        parts = [lines(row).encode() for row in ROWS.tolist()]
    with standard_input() as pipe:
        rows = iter_live("-")
        for number, part in enumerate(parts):
            pipe.write(part)
            row, time = next(rows)  # waits for ever if it wants more than is there
            np.testing.assert_array_equal(row, ROWS[number])
            assert time == pytest.approx(number / 25)
        pipe.close()
        assert next(rows, None) is None


def test_times_begin_with_the_first_row():
    with standard_input() as pipe:
        pipe.write(lines({"time": 100, "row": [1]}, {"time": 100.5, "row": [2]}).encode())
        pipe.close()
        assert [time for _, time in iter_live("-")] == [0, 0.5]
