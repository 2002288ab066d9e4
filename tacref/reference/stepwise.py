"""Soft-DTW by any steps: value, expected alignment and Hessian along the paths of `check_steps`.

As `tacref.reference._soft_dtw` and `directional`, with a list of steps in place of equation 2's
three; unlike these, R is not kept to more than float64's digits.
"""

import math

import numpy as np

from tacref.compiled import njit


@njit(nogil=True, cache=True)
def forward_by_steps(
    D: np.ndarray, gamma: float, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """Value of soft-DTW, +inf where no path is free, and each cell's shares of its steps.

    Parameters
    ----------
    D : ndarray of float64, shape (n, m)
        Costs; +inf forbids a cell.
    gamma : float
        Smoothing.
    rows, columns, weights : ndarray, shape (K,)
        Step k goes `rows[k]` rows and `columns[k]` columns on, and costs `weights[k] * D[i, j]`.

    Returns
    -------
    value : float
        Soft minimum over all paths.
    shares : ndarray of float64, shape (n, m, K)
        The softmin weights of the steps into each cell; 0 where no path comes.
    """
    (n, m), K = D.shape, len(rows)
    R = np.full((n, m), np.inf)
    shares = np.zeros((n, m, K))
    R[0, 0] = D[0, 0]
    for i in range(n):
        for j in range(m):
            if D[i, j] == np.inf or (i == 0 and j == 0):
                continue
            least = np.inf
            for k in range(K):
                if rows[k] <= i and columns[k] <= j:
                    least = min(least, R[i - rows[k], j - columns[k]] + weights[k] * D[i, j])
            if least == np.inf:
                continue
            total = 0.0
            for k in range(K):
                if rows[k] <= i and columns[k] <= j:
                    summed = R[i - rows[k], j - columns[k]] + weights[k] * D[i, j]
                    # Subtract the smallest first: exp(-R / gamma) underflows at small gamma.
                    shares[i, j, k] = math.exp(-(summed - least) / gamma)
                    total += shares[i, j, k]
            shares[i, j] /= total
            # r(i, j) = min_gamma over steps of r(i - rows, j - columns) + weight D(i, j)
            R[i, j] = least - gamma * math.log(total)
    return R[n - 1, m - 1], shares


@njit(cache=True)
def backward_by_steps(
    shares: np.ndarray, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient E `(n, m)`, and the mass `(n, m)` of all paths through each cell."""
    n, m, K = shares.shape
    mass, E = np.zeros((n, m)), np.zeros((n, m))
    mass[n - 1, m - 1] = 1.0
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            for k in range(K):
                through = mass[i, j] * shares[i, j, k]
                if through > 0.0:
                    # eq. 4: a cell passes its mass on to where its steps come from
                    mass[i - rows[k], j - columns[k]] += through
                    E[i, j] += weights[k] * through
    E[0, 0] = mass[0, 0]
    return E, mass


@njit(cache=True)
def hvp_by_steps(
    Z: np.ndarray,
    gamma: float,
    shares: np.ndarray,
    mass: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Slopes of E along the direction Z `(n, m)`: both passes, differentiated.

    `shares` and `mass` are those of `forward_by_steps` and `backward_by_steps`.
    """
    n, m, K = shares.shape
    T = np.zeros((n, m))  # slopes of R
    slopes = np.zeros((n, m, K))  # of what each step arrives with, then of its share
    T[0, 0] = Z[0, 0]
    for i in range(n):
        for j in range(m):
            for k in range(K):
                if shares[i, j, k] > 0.0:
                    slopes[i, j, k] = T[i - rows[k], j - columns[k]] + weights[k] * Z[i, j]
                    T[i, j] += shares[i, j, k] * slopes[i, j, k]
    arriving = np.empty(K)
    mass_slope, E_slope = np.zeros((n, m)), np.zeros((n, m))
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            arriving[:] = slopes[i, j]
            for k in range(K):
                if shares[i, j, k] == 0.0:
                    continue
                # By pairs: a difference to the mean would lose digits where a share is nearly 1.
                change = 0.0
                for other in range(K):
                    change += shares[i, j, other] * (arriving[other] - arriving[k])
                share_slope = shares[i, j, k] * change / gamma
                through = mass_slope[i, j] * shares[i, j, k] + mass[i, j] * share_slope
                mass_slope[i - rows[k], j - columns[k]] += through
                E_slope[i, j] += weights[k] * through
    E_slope[0, 0] = mass_slope[0, 0]
    return E_slope
