"""Right answers for other steps: recursions over single cells, which share no code.

The arrays hold decimals, inside `oracle.high_precision()`, or the widest floats of NumPy.
"""

from typing import Any

import numpy as np

# Rows, columns and weight of each step, as docs/equations.md defines them.
STEPS: dict[str, tuple[tuple[int, int, float], ...]] = {
    "any": ((1, 1, 1.0), (1, 0, 1.0), (0, 1, 1.0)),
    "slope": ((1, 1, 1.0), (1, 2, 1.0), (2, 1, 1.0)),
    "asymmetric": ((1, 0, 1.0), (1, 1, 1.0), (1, 2, 1.0)),
}

Cell = tuple[int, int]


def has_path(steps: str, n: int, m: int, inside: np.ndarray | None = None) -> bool:
    """Whether the steps lead from the first cell of n x m to the last one inside a band."""
    reached = set[Cell]()
    for i, j in _cells(n, m, inside):
        if i == j == 0 or any((i - a, j - b) in reached for a, b, _ in STEPS[steps]):
            reached.add((i, j))
    return (n - 1, m - 1) in reached


def dtw(D: np.ndarray, steps: str, inside: np.ndarray | None = None) -> Any:
    """Return the least cost of a path: r(i, j) = min over steps of r(i - a, j - b) + w D(i, j)."""
    n, m = D.shape
    R: dict[Cell, Any] = {}
    for i, j in _cells(n, m, inside):
        if i == j == 0:
            R[i, j] = D[0, 0]
            continue
        before = _before(R, i, j, steps)
        if before:
            R[i, j] = min(R[cell] + _times(D[i, j], weight) for cell, weight in before)
    return R[n - 1, m - 1]


def soft_dtw(
    D: np.ndarray, gamma: Any, steps: str, inside: np.ndarray | None = None
) -> tuple[Any, np.ndarray]:
    """Return the same with a soft minimum, and its gradient: the expected weight of each cell."""
    n, m = D.shape
    R: dict[Cell, Any] = {}
    shares: dict[Cell, list[tuple[Cell, float, Any]]] = {}
    for i, j in _cells(n, m, inside):
        if i == j == 0:
            R[i, j], shares[i, j] = D[0, 0], []
            continue
        before = _before(R, i, j, steps)
        if not before:
            continue
        totals = [R[cell] + _times(D[i, j], weight) for cell, weight in before]
        least = min(totals)
        parts = np.exp(np.array([(least - total) / gamma for total in totals], D.dtype))
        whole = parts.sum()
        R[i, j] = least - gamma * (whole.ln() if D.dtype == object else np.log(whole))
        shares[i, j] = [
            (cell, weight, part / whole) for (cell, weight), part in zip(before, parts, strict=True)
        ]
    zero = D[0, 0] * 0
    flow = dict.fromkeys(shares, zero)
    flow[n - 1, m - 1] = zero + 1
    E = np.full((n, m), zero)
    for (i, j), own in reversed(shares.items()):
        if not own:  # the first cell, whose weight is 1
            E[i, j] += flow[i, j]
        for cell, weight, share in own:
            E[i, j] += _times(flow[i, j] * share, weight)
            flow[cell] += flow[i, j] * share
    return R[n - 1, m - 1], E


def _cells(n: int, m: int, inside: np.ndarray | None) -> list[list[int]]:
    """Return the cells inside the band, all if it is None, row by row."""
    mask = np.ones((n, m), bool) if inside is None else inside
    cells: list[list[int]] = np.argwhere(mask).tolist()
    return cells


def _before(R: dict[Cell, Any], i: int, j: int, steps: str) -> list[tuple[Cell, float]]:
    return [((i - a, j - b), weight) for a, b, weight in STEPS[steps] if (i - a, j - b) in R]


def _times(number: Any, weight: float) -> Any:
    """Return the product; decimals are not multiplied by floats."""
    return number if weight == 1 else number * int(weight)
