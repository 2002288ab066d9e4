"""Which cells a band of some width means: the definitions that libraries have, by name.

Each is a predicate of a cell, in whole numbers, that shares no code with any loss. For n = m most
are the same; beyond, seven libraries have six answers.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

OFFSET = "|i - j| <= band"
DIAGONAL = "slanted: from corner to corner, in frames of the shorter"
ITAKURA = "between lines of slope band and 1 / band"
# What tacref's names of shapes mean.
SHAPES = {"offset": OFFSET, "diagonal": DIAGONAL, "itakura": ITAKURA}


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


def _parallelogram(i: int, j: int, n: int, m: int, slope: Fraction) -> bool:
    """Tell it of the lines of this slope and of 1 / slope through both corners."""
    if n == 1 or m == 1:
        return True
    u, v = Fraction(i, n - 1), Fraction(j, m - 1)
    return u / slope <= v <= slope * u and (1 - u) / slope <= 1 - v <= slope * (1 - u)


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
    DIAGONAL: _slanted,
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
        A key of `DEFINITIONS`; or of `FRACTIONS`, for which `band` is a share of a length; or
        `ITAKURA`, for which it is a slope, which is read to three decimals.
    n, m : int
        Lengths of the sequences.
    band : int or float
        As it is passed to the function.

    Returns
    -------
    ndarray of bool, shape (n, m)
        Read-only.
    """
    cells: Callable[[int, int, int, int, Any], bool]
    width: Any
    if definition == ITAKURA:
        width, cells = Fraction(round(1000 * band), 1000), _parallelogram
    elif definition in FRACTIONS:
        length, cells = FRACTIONS[definition]
        width = int(band * length(n, m))
    else:
        width, cells = int(band), DEFINITIONS[definition]
    mask = np.array([[cells(i, j, n, m, width) for j in range(m)] for i in range(n)])
    mask.setflags(write=False)
    return mask


def cells_inside(n: int, m: int, options: dict[str, Any]) -> np.ndarray | None:
    """Return which cells are inside the band that options of a problem ask for; None for all.

    The option `cells` names a definition, or `band_shape` one of tacref's shapes; else it is
    `OFFSET`.
    """
    if options.get("band") is None:
        return None
    shape = SHAPES[options.get("band_shape", "offset")]
    return inside(options.get("cells", shape), n, m, options["band"])
