"""Phase labels of videos, and their transfer along a path to another video."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from tacref.data.phases import PHASE_COLUMNS, phase_labels, read_phase_file
from tacref.files import replacing
from tacref.tables import as_text, write_rows


def read_labels(path: str | Path, lengths: Mapping[str, int]) -> dict[str, list[str]]:
    """Read the phase of every frame of some clips from a label file.

    Parameters
    ----------
    path : str or Path
        A file with the columns `video,start_frame,end_frame,phase`; `end_frame` is exclusive.
    lengths : mapping of str to int
        Name and number of frames of each clip to read labels for; others in the file are ignored.

    Returns
    -------
    dict of str to list of str
        The labels of each of these clips that the file names, one per frame.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file, or the phases of one of these clips do not cover it from its
        first frame to its last without overlap; names the file and the line.
    """
    phases = read_phase_file(path, lengths)
    return {name: phase_labels(of_clip) for name, of_clip in phases.items()}


def transfer_labels(labels: Sequence[str | None], path: np.ndarray) -> list[str | None]:
    """Carry the labels of x along a path to y.

    Parameters
    ----------
    labels : sequence of str
        Phase of every frame of x, n of them.
    path : ndarray of int64, shape (L, 2)
        Pairs of frames (i, j), in order.

    Returns
    -------
    list of str or None
        For every frame of y up to the end of the path, the phase of the frame of x that matches it;
        of several, the middle one. None before an open begin.

    Raises
    ------
    ValueError
        If there are not as many labels as x has frames.
    """
    if len(labels) != path[-1, 0] + 1:
        raise ValueError(f"labels must be {path[-1, 0] + 1}, one per frame, got {len(labels)}")
    begin = int(path[0, 1])
    return [None] * begin + [labels[frame] for frame in matched_frames(path)[begin:]]


def matched_frames(path: np.ndarray, frames_y: int | None = None) -> np.ndarray:
    """Return, for every frame j of a path, the frame i that matches it; of several, the middle one.

    Parameters
    ----------
    path : ndarray of int64, shape (L, 2)
        Pairs of frames (i, j), in order.
    frames_y : int, optional
        Number of frames j; by default the path ends at the last one. Frames before and after the
        path get what matches its first and its last one.

    Returns
    -------
    ndarray of int64, shape (m,)
        Frames of the other video; they never decrease.
    """
    count = path[-1, 1] + 1 if frames_y is None else frames_y
    frames = np.clip(np.arange(count), path[0, 1], path[-1, 1])
    first = np.searchsorted(path[:, 1], frames, side="left")
    last = np.searchsorted(path[:, 1], frames, side="right") - 1
    return path[(first + last) // 2, 0]


def intervals(labels: Sequence[str | None]) -> list[tuple[int, int, str]]:
    """Return runs of one label as (start_frame, end_frame, phase), `end_frame` exclusive.

    Frames without a label, None, belong to no run.
    """
    runs, start = [], 0
    for phase, run in groupby(labels):
        end = start + len(list(run))
        if phase is not None:
            runs.append((start, end, phase))
        start = end
    return runs


def write_labels(path: str | Path, labels: Mapping[str, Sequence[str | None]]) -> None:
    """Write a label file, from which `read_labels` reads the same.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    labels : mapping of str to sequence of str or None
        Name of each clip and the phase of each of its frames; None for a frame without a label.
    """
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        write_rows(file, [PHASE_COLUMNS])
        for name, phases in labels.items():
            rows = intervals(phases)
            write_rows(file, ((as_text(name), s, e, as_text(phase)) for s, e, phase in rows))
