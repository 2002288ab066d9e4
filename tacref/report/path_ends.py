"""Clips that do not begin or end together: said in words, and left out of the drawn path."""

from typing import NamedTuple

import numpy as np

from tacref.alignment.alignment import Alignment

# A clip that stands still at an end is said to have ended there, or not to have begun, if that
# takes up more than this share of the other one, and more frames of it than at the usual pace.
MIN_SHARE, MIN_FRAMES = 0.05, 3


class PathEnds(NamedTuple):
    """The part of a path on which both clips move.

    `first` and `last` are its steps; before `begin` and from `end` on, frames of x, y has not begun
    or has ended.
    """

    first: int
    last: int
    begin: int
    end: int


def path_ends(alignment: Alignment) -> PathEnds:
    """Return where the two clips begin and end to move together.

    A stretch at an end where one clip shows a single frame counts if it is long; frames off an open
    path always do. A path on which one clip shows a single frame throughout is left as it is.
    """
    i, j = alignment.path.T
    n, m = len(alignment.x), len(alignment.y)
    first, last = 0, len(i) - 1
    if i[0] != i[-1] and j[0] != j[-1]:
        for standing, moving, frames, usual in ((j, i, n, n / m), (i, j, m, m / n)):
            least = max(MIN_SHARE * frames, MIN_FRAMES * usual)
            stops = int(np.flatnonzero(standing == standing[0])[-1])
            if moving[stops] - moving[0] > least:
                first = stops
            starts = int(np.flatnonzero(standing == standing[-1])[0])
            if moving[-1] - moving[starts] > least:
                last = starts
    return PathEnds(first, last, int(i[first]), int(i[last]) + 1)


def end_notes(
    alignment: Alignment, ends: PathEnds, letter: str, ends_x: np.ndarray, ends_y: np.ndarray
) -> list[str]:
    """Return what to say of clips that do not begin or end together.

    Parameters
    ----------
    alignment : Alignment
        Of the reference, A, and another video.
    ends : PathEnds
        Of it.
    letter : str
        The other video's letter on the page.
    ends_x, ends_y : ndarray of float64, shapes (n + 1,) and (m + 1,)
        Time of each frame of both, and the end of the last one.
    """
    j = alignment.path[:, 1]
    begin_y, end_y = int(j[ends.first]), int(j[ends.last]) + 1
    notes = []
    if ends.begin > 0:
        notes.append(f"{letter} begins when A is at {ends_x[ends.begin]:.2f} s.")
    if begin_y > 0:
        notes.append(f"A begins when {letter} is at {ends_y[begin_y]:.2f} s.")
    if ends.end < len(alignment.x):
        notes.append(f"{letter} ends when A is at {ends_x[ends.end]:.2f} s.")
    if end_y < len(alignment.y):
        notes.append(f"A ends when {letter} is at {ends_y[end_y]:.2f} s.")
    return notes
