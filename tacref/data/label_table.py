"""Label files in CSV: `video,start_frame,end_frame,phase`, or the same in seconds."""

import csv
import math
from pathlib import Path

from tacref.data.label_rows import LabelRow, LabelRows, Unit, check_interval, check_phase
from tacref.tables import from_text

PHASE_COLUMNS = ("video", "start_frame", "end_frame", "phase")
SECONDS_COLUMNS = ("video", "start_seconds", "end_seconds", "phase")


def read_table(path: Path) -> LabelRows:
    """Read the rows of a CSV file.

    Parameters
    ----------
    path : Path
        An existing file in UTF-8, with the columns `PHASE_COLUMNS` or `SECONDS_COLUMNS`.

    Raises
    ------
    ValueError
        If it is not such a file; names the file and the line.
    """
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            columns = tuple(column.strip() for column in header)
            if columns not in (PHASE_COLUMNS, SECONDS_COLUMNS):
                raise ValueError(
                    f"{path}: line 1 must be {','.join(PHASE_COLUMNS)} or "
                    f"{','.join(SECONDS_COLUMNS)}, got {header}"
                )
            unit: Unit = "frame" if columns == PHASE_COLUMNS else "seconds"
            for row in reader:
                if row:
                    rows.append(_parse(row, path, reader.line_num, unit))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    return LabelRows(unit, rows)


def _parse(row: list[str], path: Path, line: int, unit: Unit) -> LabelRow:
    where = f"{path}: line {line}"
    if len(row) != len(PHASE_COLUMNS):
        raise ValueError(f"{where}: must have {len(PHASE_COLUMNS)} fields, got {len(row)}: {row}")
    name, start, end, phase = (from_text(field.strip()) for field in row)
    kind, number = ("whole numbers", int) if unit == "frame" else ("numbers", _finite)
    try:
        interval = number(start), number(end)
    except ValueError:
        raise ValueError(
            f"{where}: start_{unit} and end_{unit} must be {kind}, got {start!r}, {end!r}"
        ) from None
    check_interval(*interval, where, unit)
    check_phase(phase, where)
    return LabelRow(line, name, *interval, phase)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
