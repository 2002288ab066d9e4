"""Labels as WebVTT, the subtitles of web pages: one cue for each phase.

https://www.w3.org/TR/webvtt1/ defines the format.
"""

import html
import re
from collections.abc import Iterable
from pathlib import Path

from tacref.data.label_rows import (
    LabelRow,
    LabelRows,
    check_interval,
    check_phase,
    clock_time,
)

_CLOCK = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMES = re.compile(rf"{_CLOCK}[ \t]*-->[ \t]*{_CLOCK}(?:[ \t]+\S.*)?")
_SIGNATURE = re.compile(r"WEBVTT(?:[ \t].*)?")
_NOT_CUES = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t].*)?")
_TAG = re.compile(r"<[^>]*>")  # <v Name>, <b>, <00:01.000>, ...
# In a cue's text these mean something else: "-->" would begin another cue, a line break may end it.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": "&#10;", "\r": "&#13;"}


def read_webvtt(path: Path) -> LabelRows:
    """Read the cues of a WebVTT file as rows in seconds, without a clip's name.

    Parameters
    ----------
    path : Path
        An existing file. Notes, styles, regions and the settings of cues are ignored, as are the
        tags in their text; lines of one text stay lines.

    Raises
    ------
    ValueError
        If it is not WebVTT in UTF-8; names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a WebVTT file in UTF-8 ({error})") from None
    lines = text.split("\n")
    if not _SIGNATURE.fullmatch(lines[0]):
        raise ValueError(f"{path}: line 1 must be WEBVTT, got {lines[0]!r}")
    # The header ends at an empty line, or where a cue begins.
    ends = (k for k, line in enumerate(lines) if not line.strip() or "-->" in line)
    begin = next(ends, len(lines))
    rows = []
    for first, block in _blocks(lines, begin):
        if _NOT_CUES.fullmatch(block[0]):
            continue
        # A line before the times is the cue's identifier.
        at = 0 if "-->" in block[0] or len(block) == 1 else 1
        line, where = first + at, f"{path}: line {first + at}"
        times = _TIMES.fullmatch(block[at].strip(" \t"))
        if times is None:
            raise ValueError(
                f"{where}: must be the times of a cue, such as 00:00:01.000 --> 00:00:02.500, got "
                f"{block[at]!r}"
            )
        start, end = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        check_interval(start, end, where, "seconds")
        phase = html.unescape(_TAG.sub("", "\n".join(block[at + 1 :]))).strip()
        check_phase(phase, where)
        rows.append(LabelRow(line, None, start, end, phase))
    return LabelRows("seconds", rows)


def webvtt_text(cues: Iterable[tuple[float, float, str]]) -> str:
    """Return a WebVTT file of cues: start and end in seconds, and a phase.

    `read_webvtt` reads the same, with times rounded to milliseconds.
    """
    parts = ["WEBVTT\n"]
    for start, end, phase in cues:
        text = "".join(_ESCAPES.get(letter, letter) for letter in phase)
        parts.append(f"{clock_time(start)} --> {clock_time(end)}\n{text}\n")
    return "\n".join(parts)


def _blocks(lines: list[str], begin: int) -> Iterable[tuple[int, list[str]]]:
    """Yield blocks, with the number of their first line.

    A block ends before an empty line, and before the times of another cue.
    """
    block: list[str] = []
    for number, line in enumerate([*lines[begin:], ""], begin + 1):
        is_empty = not line.strip()
        begins_another = "-->" in line and any("-->" in each for each in block)
        if block and (is_empty or begins_another):
            yield number - len(block), block
            block = []
        if not is_empty:
            block.append(line)


def _seconds(clock: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in clock)
    return (3_600_000 * hours + 60_000 * minutes + 1000 * seconds + thousandths) / 1000
