"""Phase labels: `phases.csv` next to the clips, `video,start_frame,end_frame,phase`."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tacref.tables import from_text

PHASES_FILE = "phases.csv"
PHASE_COLUMNS = ("video", "start_frame", "end_frame", "phase")


class Phase(NamedTuple):
    """One interval of frames, `end_frame` exclusive, and its name."""

    start_frame: int
    end_frame: int
    phase: str


def read_phases(
    folder: str | Path, lengths: Mapping[str, int], *, skip: bool = False
) -> dict[str, list[Phase]]:
    """Read a folder's phase labels and check them against its clips.

    Parameters
    ----------
    folder : str or Path
        Folder of the clips and of `phases.csv`.
    lengths : mapping of str to int
        Each clip's name (file or folder name) and number of frames.
    skip : bool
        Whether to ignore labels of files that are in the folder but not in `lengths`, such as clips
        that cannot be read. By default they are an error.

    Returns
    -------
    dict of str to list of Phase
        For each labeled clip its phases in order, which cover it from its first frame to its
        last. Clips without labels are left out; without `phases.csv` the result is empty.

    Raises
    ------
    ValueError
        If a line is malformed, names an unknown clip, or the phases of a clip overlap, leave a
        gap or do not end where it ends; names the file and the line.
    """
    path = Path(folder) / PHASES_FILE
    return read_phase_file(path, lengths, only=True, skip=skip) if path.is_file() else {}


def read_phase_file(
    path: str | Path, lengths: Mapping[str, int], *, only: bool = False, skip: bool = False
) -> dict[str, list[Phase]]:
    """Read the phases of some clips from a label file.

    Parameters
    ----------
    path : str or Path
        A file with the columns of `phases.csv`.
    lengths : mapping of str to int
        Name and number of frames of each clip to read labels for.
    only : bool
        Whether to refuse a file that names other clips. By default they are ignored.
    skip : bool
        Whether to ignore other clips all the same if they exist next to the file.

    Returns
    -------
    dict of str to list of Phase
        For each of these clips that the file names, its phases in order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        As `read_phases`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such label file")
    rows: dict[str, list[tuple[int, Phase]]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if tuple(column.strip() for column in header) != PHASE_COLUMNS:
                raise ValueError(f"{path}: line 1 must be {','.join(PHASE_COLUMNS)}, got {header}")
            for row in reader:
                if not row:
                    continue
                line = reader.line_num
                name, phase = _parse(row, f"{path}: line {line}")
                if name in lengths:
                    rows.setdefault(name, []).append((line, phase))
                elif only and not (skip and os.path.lexists(path.parent / name)):
                    raise ValueError(f"{path}: line {line}: no clip {name!r} in this folder")
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    return {name: _covering(path, name, of_clip, lengths[name]) for name, of_clip in rows.items()}


def check_phases(lengths: Mapping[Path, int], *, skip: bool = False) -> None:
    """Check the phase labels next to clips, if there are any.

    Parameters
    ----------
    lengths : mapping of Path to int
        All clips of one or more folders, and their numbers of frames.
    skip : bool
        As for `read_phases`.

    Raises
    ------
    ValueError
        As `read_phases`.
    """
    for folder in sorted({path.parent for path in lengths}):
        counts = {path.name: count for path, count in lengths.items() if path.parent == folder}
        read_phases(folder, counts, skip=skip)


def phase_labels(phases: list[Phase]) -> list[str]:
    """Return the phase of every frame."""
    return [phase for start, end, phase in phases for _ in range(start, end)]


def _parse(row: list[str], where: str) -> tuple[str, Phase]:
    if len(row) != len(PHASE_COLUMNS):
        raise ValueError(f"{where}: must have {len(PHASE_COLUMNS)} fields, got {len(row)}: {row}")
    name, start, end, phase = (from_text(field.strip()) for field in row)
    try:
        interval = int(start), int(end)
    except ValueError:
        raise ValueError(
            f"{where}: start_frame and end_frame must be whole numbers, got {start!r}, {end!r}"
        ) from None
    if not 0 <= interval[0] < interval[1]:
        raise ValueError(f"{where}: must have 0 <= start_frame < end_frame, got {start}, {end}")
    if not phase:
        raise ValueError(f"{where}: phase must not be empty")
    return name, Phase(*interval, phase)


def _covering(path: Path, name: str, rows: list[tuple[int, Phase]], length: int) -> list[Phase]:
    rows.sort(key=lambda row: row[1].start_frame)
    end = 0
    for line, phase in rows:
        if phase.start_frame != end:
            kind = "overlap" if phase.start_frame < end else "gap"
            raise ValueError(
                f"{path}: line {line}: {kind} in {name!r}: {phase.phase!r} starts at frame "
                f"{phase.start_frame}, expected {end}"
            )
        end = phase.end_frame
    if end != length:
        raise ValueError(
            f"{path}: line {rows[-1][0]}: the phases of {name!r} end at frame {end}, "
            f"but the clip has {length}"
        )
    return [phase for _, phase in rows]
