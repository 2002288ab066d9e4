"""Phase labels of videos, and their transfer along a path to another video.

Labels are listed frame by frame; None stands for a frame that has none.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tacref.data.phases import phase_labels, read_phase_file

Key = TypeVar("Key", bound=str | Path)


def read_labels(
    path: str | Path,
    lengths: Mapping[Key, int],
    *,
    times: Mapping[Key, np.ndarray] | None = None,
    reference: Key | None = None,
) -> dict[Key, list[str | None]]:
    """Read the phase of every frame of some clips from a label file.

    Parameters
    ----------
    path : str or Path
        A file with the columns `video,start_frame,end_frame,phase`, or `start_seconds,end_seconds`;
        ends are exclusive. Or WebVTT (`.vtt`) or ELAN's tab-delimited text (`.txt`, `.tsv`), which
        are about one clip: the one that is called like the file, or else the reference.
    lengths : mapping of str or Path to int
        Path and number of frames of each clip to read labels for; others in the file are ignored.
    times : mapping of str or Path to ndarray, optional
        Times of their frames in seconds; by default they are read from the clips, if necessary.
    reference : str or Path, optional
        One of the clips.

    Returns
    -------
    dict of str or Path to list of str or None
        The labels of each of these clips that the file names, one per frame; None for a frame that
        no row covers.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file, a name in it may mean several of the clips, or the phases of one
        of them overlap, cover no frame or end after it; names the file and the line.
    """
    phases = read_phase_file(path, lengths, times=times, reference=reference)
    return {clip: phase_labels(of_clip, lengths[clip]) for clip, of_clip in phases.items()}


def reference_labels(
    path: str | Path, clip: str | Path, length: int, times: np.ndarray | None = None
) -> list[str | None]:
    """Read the phase of every frame of one clip, as `read_labels` does.

    Parameters
    ----------
    path : str or Path
        The label file.
    clip : str or Path
        The clip.
    length : int
        Number of its frames.
    times : ndarray, optional
        Their times in seconds; by default they are read from the clip, if necessary.

    Returns
    -------
    list of str or None
        One label per frame.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        As `read_labels`; or if the file has no phases of the clip.
    """
    clip = Path(clip)
    own_times = None if times is None else {clip: times}
    labels = read_labels(path, {clip: length}, times=own_times, reference=clip)
    if clip not in labels:
        raise ValueError(f"{path}: has no phases of {clip.resolve().name!r}, the reference")
    return labels[clip]


def transfer_labels(
    labels: Sequence[str | None], path: ArrayLike, frames_y: int | None = None
) -> list[str | None]:
    """Carry the labels of x along a path to y.

    Parameters
    ----------
    labels : sequence of str or None
        Phase of every frame of x, n of them; None for a frame without one.
    path : array_like of int, shape (L, 2)
        Pairs of frames (i, j), in order.
    frames_y : int, optional
        Number of frames of y. By default the path ends at the last ones of x and y.

    Returns
    -------
    list of str or None
        For every frame of y, the phase of the frame of x that matches it; of several, the middle
        one. None before an open begin, after an open end, and for a frame that is matched with one
        without a phase.

    Raises
    ------
    ValueError
        If there are not as many labels as x has frames, `path` is no such array, or leads beyond
        `frames_y`.
    """
    cells = np.asarray(path)
    if cells.ndim != 2 or cells.shape[1] != 2 or not len(cells) or cells.dtype.kind not in "iu":
        raise ValueError(
            f"path must be whole numbers of shape (L, 2), got {cells.dtype} of shape {cells.shape}"
        )
    count, end = int(cells[-1, 0]) + 1, int(cells[-1, 1]) + 1
    if len(labels) < count or (frames_y is None and len(labels) > count):
        raise ValueError(f"labels must be {count}, one per frame, got {len(labels)}")
    total = end if frames_y is None else frames_y
    if total < end:
        raise ValueError(f"frames_y must be at least {end}, where the path ends, got {frames_y!r}")
    begin = int(cells[0, 1])
    matched = [labels[frame] for frame in matched_frames(cells)[begin:]]
    return [None] * begin + matched + [None] * (total - end)


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

    Frames without a label are in none of them.
    """
    runs, start = [], 0
    for phase, run in groupby(labels):
        end = start + len(list(run))
        if phase is not None:
            runs.append((start, end, phase))
        start = end
    return runs


def unlabeled_count(labels: Sequence[str | None]) -> int:
    """Return the number of frames without a label."""
    return sum(phase is None for phase in labels)
