"""Right answers to 50 digits: the equations in Python decimals, sharing no code with anything else.

Slow on purpose, without tricks that could be wrong. Arrays are nested lists of `Decimal`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from decimal import Context, Decimal, localcontext

import numpy as np

DIGITS = 50
# Exponents that a soft minimum cannot reach; by default decimals underflow at 1e-999999.
_CONTEXT = Context(prec=DIGITS, Emin=-(10**17), Emax=10**17)

Matrix = list[list[Decimal]]
ZERO, ONE = Decimal(0), Decimal(1)


def soft_dtw(
    D: Matrix, gamma: Decimal, band: int | None = None, inside: np.ndarray | None = None
) -> tuple[Decimal, Matrix]:
    """Equation 4 and its gradient, forward and backward through the cells inside the band.

    Those are the cells with |i - j| <= band, and those where a mask `inside` is True.
    """
    n, m = len(D), len(D[0])
    R: dict[tuple[int, int], Decimal] = {}
    shares: dict[tuple[int, int], list[tuple[tuple[int, int], Decimal]]] = {}
    for i in range(n):
        for j in range(m):
            if band is not None and abs(i - j) > band:
                continue
            if inside is not None and not inside[i, j]:
                continue
            before = [c for c in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if c in R]
            if i == j == 0:
                R[i, j], shares[i, j] = D[i][j], []
            if not before:
                continue
            least = min(R[cell] for cell in before)
            weights = [((least - R[cell]) / gamma).exp() for cell in before]
            total = sum(weights, ZERO)
            R[i, j] = D[i][j] + least - gamma * total.ln()
            shares[i, j] = [(c, w / total) for c, w in zip(before, weights, strict=True)]
    E = [[ZERO] * m for _ in range(n)]
    E[n - 1][m - 1] = ONE
    for i in reversed(range(n)):
        for j in reversed(range(m)):
            for (row, column), share in shares.get((i, j), []):
                E[row][column] += E[i][j] * share
    return R[n - 1, m - 1], E


def dtw(D: Matrix, inside: np.ndarray | None = None) -> Decimal:
    """Equation 2: the least cost of a path, through the cells where `inside` is True."""
    R: dict[tuple[int, int], Decimal] = {}
    for i, row in enumerate(D):
        for j, cost in enumerate(row):
            if inside is not None and not inside[i, j]:
                continue
            before = [R[c] for c in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if c in R]
            if before or i == j == 0:
                R[i, j] = cost + min(before, default=ZERO)
    return R[len(D) - 1, len(D[0]) - 1]


def squared_distances(x: Matrix, y: Matrix) -> Matrix:
    """Squared Euclidean costs."""
    return [[sum(((a - b) ** 2 for a, b in zip(u, v, strict=True)), ZERO) for v in y] for u in x]


def to_embeddings(G: Matrix, x: Matrix, y: Matrix) -> tuple[Matrix, Matrix]:
    """Chain rule from costs to both embeddings."""
    grad_x = [[ZERO] * len(x[0]) for _ in x]
    grad_y = [[ZERO] * len(x[0]) for _ in y]
    for i, u in enumerate(x):
        for j, v in enumerate(y):
            for k in range(len(u)):
                slope = 2 * G[i][j] * (u[k] - v[k])
                grad_x[i][k] += slope
                grad_y[j][k] -= slope
    return grad_x, grad_y


def contrastive_idm(
    x: Matrix,
    sigma: Decimal,
    margin: Decimal,
    variant: str,
    times: Sequence[int] | None = None,
    video_length: int | None = None,
) -> tuple[Decimal, Matrix]:
    """Equation 7 in the named variant, and its gradient with respect to the embeddings."""
    n = len(x)
    times = range(n) if times is None or variant != "official" else times
    length = Decimal(n if video_length is None or variant != "official" else video_length)
    D = squared_distances(x, x)
    value, G = ZERO, [[ZERO] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            gap = abs(Decimal(times[i]) - Decimal(times[j]))
            far = gap > sigma
            if variant == "official":
                weight = (gap / length) ** 2 + 1 if far else ONE
            else:
                weight = gap**2 + 1
                if not far or variant == "printed":
                    weight = 1 / weight
            distance, slope = D[i][j], ONE
            if variant == "laser":
                distance = D[i][j].sqrt()
                slope = 1 / (2 * distance) if distance else ZERO
                weight /= Decimal(n) ** 2
            if not far:
                value += weight * distance
                G[i][j] = weight * slope
            elif distance < margin:
                value += weight * (margin - distance)
                G[i][j] = -weight * slope
    first, second = to_embeddings(G, x, x)
    return value, _add(first, second)


def lav(
    x: Matrix,
    y: Matrix,
    gamma: Decimal,
    alpha: Decimal,
    sigma: Decimal,
    margin: Decimal,
    variant: str,
) -> tuple[Decimal, Matrix, Matrix]:
    """Equation 8 and its gradients with respect to both embeddings."""
    alignment, E = soft_dtw(squared_distances(x, y), gamma)
    grad_x, grad_y = to_embeddings(E, x, y)
    value_x, own_x = contrastive_idm(x, sigma, margin, variant)
    value_y, own_y = contrastive_idm(y, sigma, margin, variant)
    frames = Decimal(len(x) + len(y)) / 2 if variant == "official" else ONE
    value = (alignment + alpha * (value_x + value_y)) / frames
    return (
        value,
        _scale(_add(grad_x, _scale(own_x, alpha)), 1 / frames),
        _scale(_add(grad_y, _scale(own_y, alpha)), 1 / frames),
    )


def to_decimals(array: np.ndarray) -> Matrix:
    """Convert an array `(n, k)` of floats to decimals, without rounding."""
    return [[Decimal(float(value)) for value in row] for row in array]


def to_floats(matrix: Matrix) -> np.ndarray:
    """Round decimals to an array of float64."""
    return np.array([[float(value) for value in row] for row in matrix])


def high_precision() -> AbstractContextManager[Context]:
    """Return a context manager that sets the precision of all functions here."""
    return localcontext(_CONTEXT)


def _add(a: Matrix, b: Matrix) -> Matrix:
    return [[u + v for u, v in zip(r, s, strict=True)] for r, s in zip(a, b, strict=True)]


def _scale(a: Matrix, factor: Decimal) -> Matrix:
    return [[factor * value for value in row] for row in a]
