"""CSV files of names and labels: any text in them, nothing of which a spreadsheet computes."""

import csv
import re
from collections.abc import Iterable
from typing import Any, TextIO

# Spreadsheets take a text that begins so for a formula, and an apostrophe before it for "text".
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


class _Lines:
    """A file in which lines end with a newline alone.

    Python's writer then still puts carriage returns in quotes, without which none of its readers
    takes the file; before 3.13 it does so only where they are part of the end of a line.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix("\r\n") + "\n")


def write_rows(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows of a CSV file, which any CSV reader reads whatever is in them.

    Parameters
    ----------
    file : TextIO
        Open for writing, with `newline=""`.
    rows : iterable of iterable
        Names and labels by `as_text`.
    """
    csv.writer(_Lines(file), lineterminator="\r\n").writerows(rows)


def as_text(field: str) -> str:
    """Return a text such that spreadsheets do not compute it: "=1+1" becomes "'=1+1"."""
    return f"'{field}" if _FORMULA.match(field) else field


def from_text(field: str) -> str:
    """Return the text of which `as_text` made a field."""
    return field[1:] if field.startswith("'") and _FORMULA.match(field) else field
