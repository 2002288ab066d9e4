"""Right answers for long sequences: the equations in NumPy, sharing no code with anything else.

It computes in the widest float of NumPy (64 bits of mantissa on most machines), all cells of an
anti-diagonal at once. `oracle` computes the same to 50 digits; the tests compare the two.
"""

from collections.abc import Sequence

import numpy as np

Wide = np.longdouble


def soft_dtw(
    D: np.ndarray, gamma: float, band: int | None = None, inside: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Equation 4 and its gradient; each cell stores the shares of its three predecessors.

    A band, or a mask of the cells inside it, must leave a path.
    """
    n, m = D.shape
    D = D.astype(Wide)
    R = np.full((n + 1, m + 1), np.inf, Wide)
    shares = np.zeros((n + 1, m + 1, 3), Wide)
    R[0, 0] = 0
    for rows, columns in _diagonals(n, m, band, inside):
        before = np.stack([R[rows, columns], R[rows, columns + 1], R[rows + 1, columns]], 1)
        least = before.min(1)
        reached = np.isfinite(least)  # a mask may have cells that no path reaches
        rows, columns, before, least = (
            rows[reached],
            columns[reached],
            before[reached],
            least[reached],
        )
        weights = np.exp((least[:, None] - before) / gamma)
        total = weights.sum(1)
        R[rows + 1, columns + 1] = D[rows, columns] + least - gamma * np.log(total)
        shares[rows + 1, columns + 1] = weights / total[:, None]
    E = np.zeros((n + 1, m + 1), Wide)
    E[n, m] = 1
    for rows, columns in reversed(_diagonals(n, m, band, inside)):
        flow = E[rows + 1, columns + 1][:, None] * shares[rows + 1, columns + 1]
        E[rows, columns] += flow[:, 0]
        E[rows, columns + 1] += flow[:, 1]
        E[rows + 1, columns] += flow[:, 2]
    return R[n, m], E[1:, 1:]


def dtw(D: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
    """Equation 2: the least cost of a path, through the cells where `inside` is True."""
    n, m = D.shape
    R = np.full((n + 1, m + 1), np.inf, Wide)
    R[0, 0] = 0
    for rows, columns in _diagonals(n, m, None, inside):
        before = np.minimum(R[rows, columns], R[rows, columns + 1])
        R[rows + 1, columns + 1] = D[rows, columns] + np.minimum(before, R[rows + 1, columns])
    return R[n, m]


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean costs, one coordinate at a time."""
    x, y = x.astype(Wide), y.astype(Wide)
    D = np.zeros((len(x), len(y)), Wide)
    for k in range(x.shape[1]):
        D += (x[:, k, None] - y[None, :, k]) ** 2
    return D


def to_embeddings(G: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chain rule from costs to both embeddings."""
    x, y = x.astype(Wide), y.astype(Wide)
    # sum_j 2 G_ij (x_i - y_j), and the same for y
    grad_x = 2 * (G.sum(1)[:, None] * x - G @ y)
    return grad_x, 2 * (G.sum(0)[:, None] * y - G.T @ x)


def contrastive_idm(
    x: np.ndarray,
    sigma: float,
    margin: float,
    variant: str,
    times: Sequence[int] | None = None,
    video_length: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Equation 7 in the named variant, and its gradient with respect to the embeddings."""
    n = len(x)
    official = variant == "official"
    moments = np.array(times if official and times is not None else range(n), Wide)
    length = Wide(video_length if official and video_length is not None else n)
    D = squared_distances(x, x)
    gap = np.abs(moments[:, None] - moments)
    far = gap > sigma
    if official:
        weight = np.where(far, (gap / length) ** 2 + 1, Wide(1))
    else:
        quadratic = gap**2 + 1
        far_weight = 1 / quadratic if variant == "printed" else quadratic
        weight = np.where(far, far_weight, 1 / quadratic)
    slope = np.ones_like(D)
    if variant == "laser":
        D = np.sqrt(D)
        slope = np.divide(Wide(0.5), D, out=np.zeros_like(D), where=D > 0)
        weight = weight / Wide(n) ** 2
    inside = far & (margin > D)
    value = (weight * D)[~far].sum() + (weight * (Wide(margin) - D))[inside].sum()
    sign = np.where(far, np.where(inside, Wide(-1), Wide(0)), Wide(1))
    first, second = to_embeddings(sign * weight * slope, x, x)
    return value, first + second


def _diagonals(
    n: int, m: int, band: int | None, inside: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of the cells of each anti-diagonal inside the band."""
    diagonals = []
    for k in range(n + m - 1):
        rows = np.arange(max(0, k - m + 1), min(n, k + 1))
        columns = k - rows
        if band is not None:
            within = np.abs(rows - columns) <= band
            rows, columns = rows[within], columns[within]
        if inside is not None:
            within = inside[rows, columns]
            rows, columns = rows[within], columns[within]
        if len(rows):
            diagonals.append((rows, columns))
    return diagonals
