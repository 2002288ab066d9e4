"""Clips that do not begin or end together: said in words, and left out of the drawn path."""

from typing import NamedTuple

import numpy as np

from tacref.alignment.alignment import Alignment

# A clip is said to have ended, or not to have begun, where its last or first two frames (one, of a
# short clip) take up more than this share of the other clip, and three times as many frames of it
# as they would at an even pace.
MIN_SHARE, MIN_PACE = 0.05, 3
SHORT = 20  # frames


class PathEnds(NamedTuple):
    """The part of a path on which both clips move.

    `first` and `last` are its steps. Before frame `begin_x` of x, y has not begun, and from `end_x`
    on it has ended; before `begin_y` and from `end_y` on, frames of y, the same holds for x.
    """

    first: int
    last: int
    begin_x: int
    end_x: int
    begin_y: int
    end_y: int


def path_ends(alignment: Alignment) -> PathEnds:
    """Return where the two clips begin and end to move together.

    A stretch at an end where one clip hardly moves counts if it is long; frames off an open path
    always do. A path on which one clip shows a single frame throughout is left as it is.
    """
    i, j = alignment.path.T
    first, last = 0, len(i) - 1
    counts = len(alignment.x), len(alignment.y)
    begins, ends = [int(i[0]), int(j[0])], [int(i[-1]) + 1, int(j[-1]) + 1]
    if i[0] != i[-1] and j[0] != j[-1]:
        for axis, (moving, standing) in enumerate(((i, j), (j, i))):
            frames, others = counts[axis], counts[1 - axis]
            slack = int(others >= SHORT)
            least = max(MIN_SHARE, MIN_PACE * (slack + 1) / others) * frames
            stops = int(np.searchsorted(standing, slack, "right")) - 1
            if standing[0] == 0 and moving[stops] - moving[0] > least:
                first, begins[axis] = stops, int(moving[stops])
            starts = int(np.searchsorted(standing, others - 1 - slack))
            if standing[-1] == others - 1 and moving[-1] - moving[starts] > least:
                last, ends[axis] = starts, int(moving[starts]) + 1
    return PathEnds(first, last, begins[0], ends[0], begins[1], ends[1])


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
    notes = []
    if ends.begin_x > 0:
        notes.append(f"{letter} begins when A is at {ends_x[ends.begin_x]:.2f} s.")
    if ends.begin_y > 0:
        notes.append(f"A begins when {letter} is at {ends_y[ends.begin_y]:.2f} s.")
    if ends.end_x < len(alignment.x):
        notes.append(f"{letter} ends when A is at {ends_x[ends.end_x]:.2f} s.")
    if ends.end_y < len(alignment.y):
        notes.append(f"A ends when {letter} is at {ends_y[ends.end_y]:.2f} s.")
    return notes
