"""Label files written: `phases.csv` of several clips, WebVTT and ELAN's text of one."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tacref.alignment.labels import intervals
from tacref.data.elan import elan_text
from tacref.data.label_table import PHASE_COLUMNS
from tacref.data.webvtt import webvtt_text
from tacref.files import replacing
from tacref.tables import as_text, write_rows

# Formats of one clip's labels: name to suffix and writer.
CLIP_FORMATS = {"vtt": (".vtt", webvtt_text), "elan": (".txt", elan_text)}


def write_labels(path: str | Path, labels: Mapping[str, Sequence[str | None]]) -> None:
    """Write a label file, from which `read_labels` reads the same.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    labels : mapping of str to sequence of str or None
        Name or path of each clip and the phase of each of its frames. Frames without a phase are
        left out, so a clip without any phase is not in the file.
    """
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        write_rows(file, [PHASE_COLUMNS])
        for name, phases in labels.items():
            rows = intervals(phases)
            write_rows(file, ((as_text(name), s, e, as_text(phase)) for s, e, phase in rows))


def write_clip_labels(
    path: str | Path, labels: Sequence[str | None], times: np.ndarray, *, format: str
) -> None:
    """Write one clip's labels as WebVTT or ELAN's text, from which `read_labels` reads the same.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    labels : sequence of str or None
        Phase of each frame.
    times : ndarray of float64, shape (T,)
        Time of each frame in seconds, rising.
    format : {"vtt", "elan"}
        See `CLIP_FORMATS`.

    Raises
    ------
    ValueError
        If the frames on both sides of a boundary are less than a millisecond apart, the resolution
        of both formats; or a phase holds a tab or line break, which ELAN's text cannot hold.
    """
    _, text = CLIP_FORMATS[format]
    ends = (_boundaries(start, end, times) for start, end, _ in intervals(labels))
    spans = zip(ends, intervals(labels), strict=True)
    content = text((start, end, phase) for (start, end), (_, _, phase) in spans)
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8", errors="replace", newline="\n")


def _boundaries(start: int, end: int, times: np.ndarray) -> tuple[float, float]:
    """Return when an interval of frames starts and ends, in whole milliseconds."""
    if end < len(times):
        return _begin_of(start, times), _begin_of(end, times)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    return _begin_of(start, times), math.ceil(1000 * (times[-1] + max(step, 1e-3))) / 1000


def _begin_of(frame: int, times: np.ndarray) -> float:
    """Return the last millisecond at or before a frame's time, which is after the frame before."""
    time = float(times[frame])
    milliseconds = math.floor(1000 * time + 1e-6)
    if milliseconds / 1000 > time:
        milliseconds -= 1
    begin = max(0, milliseconds) / 1000
    if frame and begin <= times[frame - 1]:
        raise ValueError(
            f"frames {frame - 1} and {frame} are at {times[frame - 1]:.6f} and {time:.6f} s: a "
            "boundary between them cannot be written in milliseconds"
        )
    return begin
