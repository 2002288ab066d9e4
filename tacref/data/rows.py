"""Rows of numbers from a pipe, each as soon as it is there: JSON lines, or a .npy array."""

import io
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tacref.checks import in_one_line
from tacref.data.arrays import read_header
from tacref.data.clips import ASSUMED_FPS

# First bytes of JSON lines, perhaps after a byte order mark or blank lines. No video begins so.
_STARTS_OF_JSON = (b"[", b"{", b" ", b"\t", b"\r", b"\n", b"\xef")
# First bytes of numbers in other forms. No video begins so, either.
_STARTS_OF_TEXT = tuple(bytes([byte]) for byte in b"0123456789+-.nN")
_START_OF_NPY = b"\x93"
# A longer line is not waited for.
MAX_LINE_BYTES = 1 << 24
# Bytes asked for at once: a header may state rows of any size.
_MAX_READ_BYTES = 1 << 20


def rows_on(name: str, file: "io.BufferedReader[Any]") -> Iterator[tuple[np.ndarray, float]] | None:
    """Return the rows of a stream, or None if its first byte is not one of rows.

    Parameters
    ----------
    name : str
        How messages call the stream.
    file : BufferedReader
        At its beginning; waited for until something comes.

    Returns
    -------
    iterator of (row, timestamp), or None
        A row of features, float32 `(F,)`, and its time in seconds: from the line if it has one,
        else at 25 rows per second.

    Raises
    ------
    ValueError
        If nothing comes, or text of another form. While it is read: if a row is not of finite
        numbers, has another length than the first one, goes back in time or is cut off; names the
        row, counted from 0.
    """
    start = file.peek(1)[:1]
    if not start:
        raise ValueError(f"{name}: nothing came")
    if start in _STARTS_OF_TEXT:
        raise ValueError(
            f"{name}: rows must be lines of JSON, as in [0.1, 0.2], or a .npy array, got text that "
            f"begins with {start.decode()!r}"
        )
    if start == _START_OF_NPY:
        return _checked(name, _npy_rows(name, file))
    return _checked(name, _json_rows(name, file)) if start in _STARTS_OF_JSON else None


def _checked(
    name: str, rows: Iterator[tuple[np.ndarray, float | None]]
) -> Iterator[tuple[np.ndarray, float]]:
    width, timed, last = 0, False, -math.inf
    for number, (values, time) in enumerate(rows):
        where = f"{name}: row {number}"
        with np.errstate(over="ignore"):  # beyond float32 is infinity, refused below
            row = values.astype(np.float32)
        if number == 0:
            width, timed = len(row), time is not None
        if len(row) != width:
            raise ValueError(f"{where}: holds {len(row)} numbers, but row 0 holds {width}")
        if not np.isfinite(row).all():
            feature = int(np.argmin(np.isfinite(row)))
            raise ValueError(f"{where}: feature {feature} is {values[feature]}, not finite")
        if (time is not None) != timed:
            has, had = ("no time", "one") if timed else ("a time", "none")
            raise ValueError(f"{where}: has {has}, but row 0 has {had}")
        now = number / ASSUMED_FPS if time is None else time
        if now < last:
            raise ValueError(
                f"{where}: its time must not be before that of the last row, {last:g}, got {now:g}"
            )
        last = now
        yield row, now
    if width == 0:
        raise ValueError(f"{name}: holds no rows")


def _json_rows(
    name: str, file: "io.BufferedReader[Any]"
) -> Iterator[tuple[np.ndarray, float | None]]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        where = f"{name}: row {number}"
        if len(line) == MAX_LINE_BYTES:
            raise ValueError(f"{where}: its line is longer than {MAX_LINE_BYTES} bytes")
        text = line.decode("utf-8-sig" if number == 0 else "utf-8", "replace").strip()
        if not text:
            continue
        yield _read_line(where, text)
        number += 1


def _read_line(where: str, text: str) -> tuple[np.ndarray, float | None]:
    """Return the numbers of a line, and its time if it has one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "too deep")
        raise ValueError(f"{where}: not JSON ({reason}), got {in_one_line(text)}") from None
    time: Any = None
    if isinstance(value, dict):
        if set(value) - {"time"} != {"row"}:
            raise ValueError(
                f'{where}: must be [...] or {{"time": seconds, "row": [...]}}, got '
                f"{in_one_line(value)}"
            )
        if "time" in value:
            time = value["time"]
            if not _is_number(time) or not math.isfinite(time):
                raise ValueError(f"{where}: time must be seconds, finite, got {in_one_line(time)}")
        value = value["row"]
    if not isinstance(value, list) or not value or not all(map(_is_number, value)):
        raise ValueError(f"{where}: must be a list of numbers, not empty, got {in_one_line(value)}")
    return np.array(value, np.float64), None if time is None else float(time)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) < 2**1023  # which float64 holds


def _npy_rows(name: str, file: "io.BufferedReader[Any]") -> Iterator[tuple[np.ndarray, None]]:
    length, width, dtype, by_columns = read_header(name, file)
    if by_columns and min(length, width) > 1:
        raise ValueError(
            f"{name}: holds its array column by column (fortran_order), so that no row is complete "
            "before the end; save np.ascontiguousarray(rows)"
        )
    size = width * dtype.itemsize
    for number in range(length):
        data = bytearray()
        while len(data) < size:
            part = file.read(min(size - len(data), _MAX_READ_BYTES))
            if not part:
                raise ValueError(
                    f"{name}: row {number}: cut off; the array has {length} rows of {width} numbers"
                )
            data += part
        yield np.frombuffer(bytes(data), dtype), None
