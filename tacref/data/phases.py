"""Phase labels: which frames of a clip show which phase, from `phases.csv` or another file.

Frames that no row of a file covers have no label: None, wherever labels are listed frame by frame.
"""

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from tacref.data.clip_times import clip_times
from tacref.data.elan import read_elan
from tacref.data.label_rows import LabelRow, LabelRows
from tacref.data.label_table import read_table
from tacref.data.labeled_clips import LabeledClips
from tacref.data.webvtt import read_webvtt

PHASES_FILE = "phases.csv"
_READERS = {".csv": read_table, ".vtt": read_webvtt, ".txt": read_elan, ".tsv": read_elan}

Key = TypeVar("Key", bound=str | Path)


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
        For each labeled clip its phases in order, which do not overlap and need not cover it:
        frames between them have no label. Clips without labels are left out; without `phases.csv`
        the result is empty.

    Raises
    ------
    ValueError
        If a line is malformed, names an unknown clip, covers no frame or ends after its clip, or
        the phases of a clip overlap; names the file and the line.
    """
    path = Path(folder) / PHASES_FILE
    if not path.is_file():
        return {}
    clips = {Path(folder) / name: length for name, length in lengths.items()}
    phases = read_phase_file(path, clips, only=True, skip=skip)
    return {name: phases[clip] for name, clip in zip(lengths, clips, strict=True) if clip in phases}


def read_phase_file(
    path: str | Path,
    lengths: Mapping[Key, int],
    *,
    times: Mapping[Key, np.ndarray] | None = None,
    reference: Key | None = None,
    only: bool = False,
    skip: bool = False,
) -> dict[Key, list[Phase]]:
    """Read the phases of some clips from a label file.

    Parameters
    ----------
    path : str or Path
        A file with the columns of `phases.csv`, or WebVTT (`.vtt`) or ELAN's tab-delimited text
        (`.txt`, `.tsv`) of one clip.
    lengths : mapping of str or Path to int
        Path and number of frames of each clip to read labels for.
    times : mapping of str or Path to ndarray, optional
        Times of their frames in seconds, rising. By default they are read from the clip if the file
        is in seconds: a frame belongs to a row if start <= its time < end.
    reference : str or Path, optional
        The clip that a file without clips' names (WebVTT, ELAN) is about if none of the clips is
        called like it.
    only : bool
        Whether to refuse a file that names other clips. By default they are ignored.
    skip : bool
        Whether to ignore other clips all the same if they exist next to the file.

    Returns
    -------
    dict of str or Path to list of Phase
        For each of these clips that the file names, its phases in order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        As `read_phases`; or if a name in the file may mean several clips, or its suffix is unknown.
    """
    path = Path(path)
    unit, rows = read_rows(path)
    clips = LabeledClips(path, list(lengths), reference)
    of_clips: dict[Key, list[LabelRow]] = {}
    for row in rows:
        keys = clips.of(row.video, row.line)
        for key in keys:
            of_clips.setdefault(key, []).append(row)
        if not keys and only and not (skip and _exists(path.parent, row.video)):
            raise ValueError(f"{path}: line {row.line}: no clip {row.video!r} in this folder")
    phases = {}
    for key, of_clip in of_clips.items():
        name = Path(key).name
        _check_overlaps(path, name, of_clip, unit)
        if unit == "seconds":
            own = clip_times(Path(key)) if times is None else times[key]
            phases[key] = [_frames_between(path, name, row, own) for row in of_clip]
        else:
            _check_end(path, name, of_clip, lengths[key])
            phases[key] = [Phase(int(row.start), int(row.end), row.phase) for row in of_clip]
    return phases


def read_rows(path: Path) -> LabelRows:
    """Read the rows of a label file in the format that its suffix names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the suffix is unknown or the file malformed; names the file and the line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such label file")
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise ValueError(
            f"{path}: not a label file: must end in .csv, .vtt (WebVTT), .txt or .tsv (ELAN)"
        )
    try:
        return read(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None


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


def phase_labels(phases: list[Phase], length: int) -> list[str | None]:
    """Return the phase of every frame.

    Parameters
    ----------
    phases : list of Phase
        Intervals within the clip that do not overlap.
    length : int
        Number of frames of the clip.

    Returns
    -------
    list of str or None
        None for a frame that is in none of them.
    """
    labels: list[str | None] = [None] * length
    for start, end, phase in phases:
        labels[start:end] = [phase] * (end - start)
    return labels


def _exists(folder: Path, video: str | None) -> bool:
    return video is not None and os.path.lexists(folder / video)


def _check_overlaps(path: Path, name: str, rows: list[LabelRow], unit: str) -> None:
    """Sort the rows of a clip by time, and refuse those that overlap."""
    rows.sort(key=lambda row: row.start)
    at, after = ("frame ", "") if unit == "frame" else ("", " s")
    for before, row in pairwise(rows):
        if row.start < before.end:
            raise ValueError(
                f"{path}: line {row.line}: overlap in {name!r}: {row.phase!r} starts at "
                f"{at}{row.start}{after}, before {before.phase!r} (line {before.line}) ends at "
                f"{at}{before.end}{after}"
            )


def _check_end(path: Path, name: str, rows: list[LabelRow], length: int) -> None:
    last = rows[-1]
    if last.end > length:
        raise ValueError(
            f"{path}: line {last.line}: the phases of {name!r} end at frame {last.end}, "
            f"but the clip has {length}"
        )


def _frames_between(path: Path, name: str, row: LabelRow, times: np.ndarray) -> Phase:
    start, end = np.searchsorted(times, (row.start, row.end), side="left").tolist()
    if start == end:
        raise ValueError(
            f"{path}: line {row.line}: {row.phase!r} covers no frame of {name!r}: none is at "
            f"{row.start} <= time < {row.end} s (the first is at {times[0]:.6g}, the last at "
            f"{times[-1]:.6g})"
        )
    return Phase(start, end, row.phase)
