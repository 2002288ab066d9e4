"""Rows of a label file, whatever its format: an interval of frames or of seconds, and a phase."""

from typing import Literal, NamedTuple

Unit = Literal["frame", "seconds"]


class LabelRow(NamedTuple):
    """One interval of a label file, its end exclusive.

    Parameters
    ----------
    line : int
        Line of the file that it begins at, counted from 1.
    video : str or None
        What the file says of the clip: its name or path; None where the format names no clip.
    start, end : float
        Frames (whole numbers) or seconds.
    phase : str
        Its name, not empty.
    """

    line: int
    video: str | None
    start: float
    end: float
    phase: str


class LabelRows(NamedTuple):
    """All rows of a label file, in its order, and the unit of their intervals."""

    unit: Unit
    rows: list[LabelRow]


def check_interval(start: float, end: float, where: str, unit: Unit) -> None:
    """Refuse an interval that is empty, reversed or begins before 0.

    Raises
    ------
    ValueError
        If not 0 <= start < end; begins with `where`, the file and the line.
    """
    if not 0 <= start < end:
        raise ValueError(f"{where}: must have 0 <= start_{unit} < end_{unit}, got {start}, {end}")


def check_phase(phase: str, where: str) -> None:
    """Refuse a phase without a name.

    Raises
    ------
    ValueError
        If it is empty; begins with `where`, the file and the line.
    """
    if not phase:
        raise ValueError(f"{where}: phase must not be empty")


def clock_time(seconds: float) -> str:
    """Return seconds as `HH:MM:SS.mmm`, as WebVTT and ELAN write them."""
    whole, thousandths = divmod(round(1000 * seconds), 1000)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}.{thousandths:03}"
