"""Which cells a band of some width means: the definitions that libraries have, by name.

Each is a predicate of a cell, in whole numbers, that shares no code with any loss. For n = m most
are the same; beyond, seven libraries have six answers.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

OFFSET = "|i - j| <= band"


def _off_by_one(i: int, j: int, n: int, m: int, band: int) -> bool:
    return abs(i - j) < band


def _widened(i: int, j: int, n: int, m: int, band: int) -> bool:
    return -band - max(0, m - n) <= i - j <= band + max(0, n - m)


def _slanted(i: int, j: int, n: int, m: int, band: int) -> bool:
    """Tell it of the line from corner to corner, in frames of the shorter sequence."""
    return abs(i * (m - 1) - j * (n - 1)) <= band * max(n - 1, m - 1)


def _staircase(i: int, j: int, n: int, m: int, band: int) -> bool:
    """Tell it of the cells up to `band` beyond those of a staircase of max(n, m) + 1 steps."""
    if n > m:
        return _staircase(j, i, m, n, band)
    steps = max(n, m) + 1
    return any(
        step * m // steps == j and abs(step * n // steps - i) <= band for step in range(steps)
    )


Cells = Callable[[int, int, int, int, int], bool]

# Rows i of n and columns j of m are counted from 0.
DEFINITIONS: dict[str, Cells] = {
    OFFSET: lambda i, j, n, m, band: abs(i - j) <= band,
    "off by one: |i - j| < band": _off_by_one,
    "widened: |i - j| <= band + n - m on the longer side, <= band on the other": _widened,
    "widened, off by one: |i - j| < band + n - m on the longer side, < band on the other": (
        lambda i, j, n, m, band: _widened(i, j, n, m, band - 1)
    ),
    "widened: |i - j| <= band + |n - m|": (
        lambda i, j, n, m, band: abs(i - j) <= band + abs(n - m)
    ),
    "widened, off by one: |i - j| < band + |n - m|": (
        lambda i, j, n, m, band: abs(i - j) < band + abs(n - m)
    ),
    "widened: |i - j| <= max(band, |n - m|)": (
        lambda i, j, n, m, band: abs(i - j) <= max(band, abs(n - m))
    ),
    "slanted: from corner to corner, in frames of the shorter": _slanted,
    "slanted: from corner to corner, in frames of the longer": (
        lambda i, j, n, m, band: abs(i * (m - 1) - j * (n - 1)) <= band * max(1, min(n - 1, m - 1))
    ),
    "slanted: |i m / n - j| <= band": (lambda i, j, n, m, band: abs(i * m - j * n) <= band * n),
    "slanted: |i m / n - j| <= band, in frames of the longer": (
        lambda i, j, n, m, band: abs(i * m - j * n) <= band * min(n, m)
    ),
    "slanted: |i m / n - j| <= band, in frames of the longer, counted from 1": (
        lambda i, j, n, m, band: abs((i + 1) * m - (j + 1) * n) <= band * min(n, m)
    ),
}

# These take a share of a length for a band.
FRACTIONS: dict[str, tuple[Callable[[int, int], int], Cells]] = {
    "fraction of the longer: |i - j| <= band max(n, m)": (max, DEFINITIONS[OFFSET]),
    "fraction of the shorter: |i - j| <= band min(n, m)": (min, DEFINITIONS[OFFSET]),
    "fraction of the shorter, slanted in steps": (min, _staircase),
}


@lru_cache(maxsize=512)
def inside(definition: str, n: int, m: int, band: float) -> np.ndarray:
    """Return which cells `(n, m)` are inside a band.

    Parameters
    ----------
    definition : str
        A key of `DEFINITIONS`, or of `FRACTIONS`, for which `band` is a share of a length.
    n, m : int
        Lengths of the sequences.
    band : int or float
        As it is passed to the function.

    Returns
    -------
    ndarray of bool, shape (n, m)
        Read-only.
    """
    if definition in FRACTIONS:
        length, cells = FRACTIONS[definition]
        width = int(band * length(n, m))
    else:
        width, cells = int(band), DEFINITIONS[definition]
    mask = np.array([[cells(i, j, n, m, width) for j in range(m)] for i in range(n)])
    mask.setflags(write=False)
    return mask


def has_path(mask: np.ndarray) -> bool:
    """Tell whether a path with steps (1, 0), (0, 1), (1, 1) leads from corner to corner."""
    n, m = mask.shape
    reached = np.zeros((n + 1, m + 1), bool)
    reached[0, 0] = True
    for i in range(n):
        for j in range(m):
            before = reached[i, j] or reached[i, j + 1] or reached[i + 1, j]
            reached[i + 1, j + 1] = mask[i, j] and before
    return bool(reached[n, m])
