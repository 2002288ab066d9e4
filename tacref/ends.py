"""Open begins and ends of DTW: where a path may begin, and where it may end, at no cost."""

from typing import NamedTuple

import numpy as np

from tacref.checks import in_one_line

# Which sequence may begin (or end) anywhere.
OPEN_SEQUENCES = ("x", "y", "both")


class OpenEnds(NamedTuple):
    """Which sequence may begin anywhere, and which may end anywhere; None: neither."""

    begin: str | None = None
    end: str | None = None

    @property
    def open_x(self) -> bool:
        """True if x may begin or end anywhere."""
        return "x" in self or "both" in self

    @property
    def open_y(self) -> bool:
        """True if y may begin or end anywhere."""
        return "y" in self or "both" in self


CLOSED = OpenEnds()
# Of a short x that is looked for in a long y.
SUBSEQUENCE = OpenEnds("y", "y")


class End(NamedTuple):
    """The last cell of a path, and the cost of the path."""

    i: int
    j: int
    cost: float


def check_open(value: str | None, name: str) -> str | None:
    """Return an open begin or end, if it is None or one of `OPEN_SEQUENCES`.

    Raises
    ------
    ValueError
        If it is not.
    """
    if value is not None and not (isinstance(value, str) and value in OPEN_SEQUENCES):
        raise ValueError(
            f"{name} must be None or one of {', '.join(OPEN_SEQUENCES)}, got {in_one_line(value)}"
        )
    return value


def check_open_ends(open_begin: str | None, open_end: str | None) -> OpenEnds:
    """Return open begins and ends, if both are such as `check_open` takes.

    Raises
    ------
    ValueError
        If one is not; names it.
    """
    return OpenEnds(check_open(open_begin, "open_begin"), check_open(open_end, "open_end"))


def border_costs(open_begin: str | None) -> tuple[float, float]:
    """Return R above the first row, and left of the first column: 0 where paths may begin."""
    return (
        0.0 if open_begin in ("y", "both") else np.inf,
        0.0 if open_begin in ("x", "both") else np.inf,
    )


def find_end(last_row: np.ndarray, last_column: np.ndarray, open_end: str | None) -> End:
    """Find where the cheapest path ends.

    Parameters
    ----------
    last_row, last_column : ndarray of float64, shapes (m,) and (n,)
        R of the last row and of the last column.
    open_end : str or None
        Which sequence may end anywhere.

    Returns
    -------
    End
        Of equally cheap ends the earliest one, and one in the last row before one in the last
        column.
    """
    n, m = len(last_column), len(last_row)
    ends = []
    if open_end in ("y", "both"):
        j = int(last_row.argmin())
        ends.append(End(n - 1, j, float(last_row[j])))
    if open_end in ("x", "both"):
        i = int(last_column.argmin())
        ends.append(End(i, m - 1, float(last_column[i])))
    if not ends:
        ends.append(End(n - 1, m - 1, float(last_row[-1])))
    return min(ends, key=lambda end: end.cost)
