"""Labels as ELAN's tab-delimited text: one line for each annotation of one tier.

ELAN's manual calls it "Export as > Tab-delimited Text". Its dialog decides which columns there are:
names of tier and participant or none, times in one to four formats, with or without duration, and
a line of titles where each tier has a column of its own.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tacref.data.label_rows import LabelRow, LabelRows, check_interval, check_phase, clock_time

TIER = "phases"  # of the files written here

_CLOCK = re.compile(r"(\d+):([0-5]\d):([0-5]\d(?:\.\d+)?)")
_SECONDS = re.compile(r"\d+\.\d+")
_MILLISECONDS = re.compile(r"\d+")
_VIDEO_FRAMES = re.compile(r"\d+:[0-5]\d:[0-5]\d[:;]\d+")  # hours, minutes, seconds, frames (SMPTE)
_ROUNDING = 0.0025  # seconds by which an end may differ from begin and duration
_FORMATS = 4  # of times in one file, at most
_TITLES_OF_NAMES = ("tier", "participant", "file")


class _Columns(NamedTuple):
    """Where a line holds what; the first column of each kind of time is the one that counts."""

    begins: Sequence[int]
    ends: Sequence[int]
    durations: Sequence[int]
    annotation: int
    tier: int | None


def read_elan(path: Path) -> LabelRows:
    """Read the annotations of one tier as rows in seconds, without a clip's name.

    Parameters
    ----------
    path : Path
        An existing file. Lines that begin with `#`, in which ELAN names the media, are ignored.

    Raises
    ------
    ValueError
        If it is not such a file in UTF-8, or holds more than one tier; names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not ELAN's text in UTF-8 ({error})") from None
    table = [
        (number, line.split("\t"))
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip('"').startswith("#")
    ]
    if not table:
        raise ValueError(f"{path}: line 1 must be an annotation as ELAN exports it, got nothing")
    titles = [title.strip().lower() for title in table[0][1]]
    if any(title.startswith("begin time") for title in titles):
        columns = _titled_columns(titles, f"{path}: line {table[0][0]}")
        table = table[1:]
    else:
        columns = _untitled_columns(path, table)
    rows: list[LabelRow] = []
    first_tier: str | None = None
    for line, fields in table:
        where = f"{path}: line {line}"
        if len(fields) <= max(columns.annotation, *columns.begins, *columns.ends):
            raise ValueError(f"{where}: lacks columns of the titles, got {fields}")
        if columns.tier is not None:
            tier = fields[columns.tier]
            first_tier = tier if first_tier is None else first_tier
            if tier != first_tier:
                raise ValueError(
                    f"{where}: tier {tier!r} after tier {first_tier!r}; export one tier alone"
                )
        start, end = (_time(fields, part, where) for part in (columns.begins, columns.ends))
        check_interval(start, end, where, "seconds")
        phase = fields[columns.annotation].strip()
        check_phase(phase, where)
        rows.append(LabelRow(line, None, start, end, phase))
    return LabelRows("seconds", rows)


def elan_text(annotations: Iterable[tuple[float, float, str]]) -> str:
    """Return ELAN's text of annotations: start and end in seconds, and a phase.

    The columns are tier, begin, end, duration and annotation. `read_elan` reads the same, with
    times rounded to milliseconds.

    Raises
    ------
    ValueError
        If a phase holds a tab or a line break, for which the format has no form.
    """
    lines = []
    for start, end, phase in annotations:
        check_elan_phase(phase)
        times = (round(start, 3), round(end, 3), round(end, 3) - round(start, 3))
        lines.append("\t".join((TIER, *map(clock_time, times), phase)) + "\n")
    return "".join(lines)


def check_elan_phase(phase: str) -> None:
    """Refuse a phase that ELAN's text cannot hold.

    Raises
    ------
    ValueError
        If it holds a tab or a line break.
    """
    if re.search(r"[\t\n\r]", phase):
        raise ValueError(f"ELAN's text cannot hold the tab or line break in the phase {phase!r}")


def _titled_columns(titles: list[str], where: str) -> _Columns:
    begins, ends, durations = (
        [k for k, title in enumerate(titles) if title.startswith(kind)]
        for kind in ("begin time", "end time", "duration")
    )
    if not ends:
        raise ValueError(f"{where}: must have a column End Time, got {titles}")
    timed = {*begins, *ends, *durations}
    names = [k for k, t in enumerate(titles) if k not in timed and t.startswith(_TITLES_OF_NAMES)]
    others = [k for k, title in enumerate(titles) if title and k not in {*timed, *names}]
    if len(others) != 1:
        raise ValueError(
            f"{where}: must have one column of annotations, got "
            f"{[titles[k] for k in others] or 'none'}; export one tier alone"
        )
    tier = next((k for k in names if titles[k].startswith("tier")), None)
    return _Columns(begins, ends, durations, others[0], tier)


def _untitled_columns(path: Path, table: list[tuple[int, list[str]]]) -> _Columns:
    """Find the only order of columns in which every line makes sense."""
    fitting = [
        _order(names, formats, has_duration)
        for has_duration, names, formats in product(
            (True, False), (1, 2, 0), range(_FORMATS, 0, -1)
        )
    ]
    for line, fields in table:
        fitting = [columns for columns in fitting if _fits(fields, columns)]
        if not fitting:
            raise ValueError(
                f"{path}: line {line}: must have tier, begin, end, duration and annotation with "
                f"tabs between, as ELAN exports them, got {fields}"
            )
    return fitting[0]


def _order(names: int, formats: int, has_duration: bool) -> _Columns:
    edges = [names + formats * part for part in range(4)]
    begins, ends, durations = (range(edges[k], edges[k + 1]) for k in range(3))
    if not has_duration:
        durations = range(0)
    annotation = edges[3] if has_duration else edges[2]
    return _Columns(begins, ends, durations, annotation, 0 if names else None)


def _fits(fields: list[str], columns: _Columns) -> bool:
    """Return whether a line makes sense with this order of columns."""
    if len(fields) != columns.annotation + 1:
        return False
    groups = [group for group in (columns.begins, columns.ends, columns.durations) if group]
    kinds = [[_kind(fields[k]) for k in group] for group in groups]
    if None in kinds[0] or any(each != kinds[0] for each in kinds):
        return False
    values = []
    for group in groups:
        known = [value for k in group if (value := _seconds(fields[k])) is not None]
        if known and max(known) - min(known) > _ROUNDING:  # not one time in several formats
            return False
        values += known[:1]
    if len(groups) == 3:
        return not values or abs(values[0] + values[2] - values[1]) <= _ROUNDING
    # Without durations less can be checked: no name of a tier or participant looks like a time.
    names = fields[: columns.begins[0]]
    return not any(map(_kind, names)) and (not values or values[0] < values[1])


def _kind(text: str) -> re.Pattern[str] | None:
    """Return the format of a time; None for any other text."""
    kinds = (_CLOCK, _SECONDS, _MILLISECONDS, _VIDEO_FRAMES)
    return next((kind for kind in kinds if kind.fullmatch(text.strip())), None)


def _time(fields: list[str], columns: Sequence[int], where: str) -> float:
    """Return the first time that is not in video frames, in seconds."""
    texts = [fields[k].strip() for k in columns]
    for text in texts:
        value = _seconds(text)
        if value is not None:
            return value
    raise ValueError(
        f"{where}: must have times as hh:mm:ss.msec, ss.msec or msec, got {', '.join(texts)!r}"
    )


def _seconds(text: str) -> float | None:
    text = text.strip()
    if clock := _CLOCK.fullmatch(text):
        return round(3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3]), 6)
    if _SECONDS.fullmatch(text):
        return float(text)
    return int(text) / 1000 if _MILLISECONDS.fullmatch(text) else None
