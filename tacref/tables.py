"""CSV files of names and labels: any text, but nothing that a spreadsheet would compute."""

import csv
import re
from collections.abc import Iterable
from typing import Any, TextIO

# Spreadsheets take such a beginning for a formula, unless an apostrophe comes before it.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


class _NewlineFile:
    """A file whose lines end with only a newline.

    Python's CSV writer must put carriage returns in quotes, or its readers refuse the file; before
    3.13 it does so only if its line ends contain one.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix("\r\n") + "\n")


def write_rows(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows of a CSV file that any CSV reader can read, whatever they contain.

    Parameters
    ----------
    file : TextIO
        Open for writing, with `newline=""`.
    rows : iterable of iterable
        The fields; names and labels made by `as_text`.
    """
    csv.writer(_NewlineFile(file), lineterminator="\r\n").writerows(rows)


def as_text(field: str) -> str:
    """Return a text in a form that spreadsheets do not compute: "=1+1" becomes "'=1+1"."""
    return f"'{field}" if _FORMULA.match(field) else field


def from_text(field: str) -> str:
    """Return the text that `as_text` made this field from."""
    return field[1:] if field.startswith("'") and _FORMULA.match(field) else field
