"""What the tests compare with: the definitions, by enumeration, plain loops and 50 digits.

Imports nothing from tacref, so that it cannot share a fault with what it judges. Slow: paths are
listed one by one (321 at 5x5), so keep the sides at 5 or below; the recursions at 50 digits
(`exact_…`) reach sides of 64.
"""

import math
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np

DIGITS = 50
STEPS = ((1, 1), (1, 0), (0, 1))


@cache
def staircase_paths(n, m):
    """Every monotone path from (0, 0) to (n-1, m-1): 13 at 3x3, 63 at 4x4."""
    if n == 1 and m == 1:
        return (((0, 0),),)
    return tuple(
        (*path, (n - 1, m - 1))
        for dn, dm in STEPS
        if n > dn and m > dm
        for path in staircase_paths(n - dn, m - dm)
    )


@cache
def delannoy(i, j):
    """Number of paths from (0, 0) to (i, j) by the steps of `STEPS`."""
    if i < 0 or j < 0:
        return 0
    return 1 if i == j == 0 else sum(delannoy(i - di, j - dj) for di, dj in STEPS)


def path_costs(D):
    """Sum of `D` along each of `staircase_paths`."""
    return [math.fsum(D[i][j] for i, j in path) for path in staircase_paths(len(D), len(D[0]))]


def dtw(D):
    """Equation 1."""
    return min(path_costs(D))


def softmin(values, gamma):
    """Equation 3, for gamma > 0."""
    least = min(values)
    return least - gamma * math.log(math.fsum(math.exp((least - v) / gamma) for v in values))


def soft_dtw(D, gamma):
    """Equation 4: value, and E as the mean of the paths under their Gibbs law."""
    costs = path_costs(D)
    value, least = softmin(costs, gamma), min(costs)
    masses = [math.exp((least - cost) / gamma) for cost in costs]
    total = math.fsum(masses)
    E = np.zeros((len(D), len(D[0])))
    for path, mass in zip(staircase_paths(*E.shape), masses, strict=True):
        for cell in path:
            E[cell] += mass / total
    return value, E


def forbid_outside(D, band):
    """Copy of `D` with +inf where |i - j| > band; a band of None forbids nothing."""
    banded = np.array(D, dtype=np.float64)
    for i, j in np.ndindex(banded.shape):
        if band is not None and abs(i - j) > band:
            banded[i, j] = math.inf
    return banded


def is_inside(n, m, i, j, band, shape):
    """Whether cell (i, j) of `(n, m)` is inside a band, by its definition, in fractions."""
    if shape == "offset":
        return abs(i - j) <= band
    if shape == "diagonal":
        return abs(i * (m - 1) - j * (n - 1)) <= band * max(n - 1, m - 1)
    if n == 1 or m == 1:
        return True
    u, v, s = Fraction(i, n - 1), Fraction(j, m - 1), Fraction(f"{band:.3f}")
    return u / s <= v <= s * u and (1 - u) / s <= 1 - v <= s * (1 - u)


def inside_band(n, m, band, shape):
    """Mask `(n, m)` of the cells inside a band."""
    return np.array([[is_inside(n, m, i, j, band, shape) for j in range(m)] for i in range(n)])


def is_connected(allowed):
    """Whether the steps of `STEPS` lead from the first to the last cell over allowed ones."""
    reached = np.zeros_like(allowed)
    for i, j in np.ndindex(allowed.shape):
        before = any(i >= di and j >= dj and reached[i - di, j - dj] for di, dj in STEPS)
        reached[i, j] = allowed[i, j] and (before or i == j == 0)
    return bool(reached[-1, -1])


def _exact_prefixes(D, Z, gamma):
    """Soft minima over the paths from the first cell to each, and their slopes along Z."""
    values, slopes = {}, {}
    for i, j in np.ndindex(D.shape):
        before = [(i - di, j - dj) for di, dj in STEPS if values.get((i - di, j - dj)) is not None]
        if math.isinf(D[i, j]) or not (before or i == j == 0):
            values[i, j] = None
            continue
        cost, direction = mpmath.mpf(float(D[i, j])), mpmath.mpf(float(Z[i, j]))
        if not before:
            values[i, j], slopes[i, j] = cost, direction
            continue
        least = min(values[cell] for cell in before)
        masses = [mpmath.exp((least - values[cell]) / gamma) for cell in before]
        total = mpmath.fsum(masses)
        values[i, j] = cost + least - gamma * mpmath.log(total)
        mean = mpmath.fsum(m * slopes[cell] for m, cell in zip(masses, before, strict=True))
        slopes[i, j] = direction + mean / total
    return values, slopes


def exact_soft_dtw(D, gamma, Z=None):
    """Equation 4 at 50 digits: value, E, and the Hessian times `Z` (of ones by default).

    The recursion runs from both ends: the paths through a cell are those to it and those from it,
    so that log E is a difference of soft minima, and the Hessian its slope. Entries too small for
    float64 come out as 0; a value of None means that no path is free.
    """
    D = np.asarray(D, dtype=np.float64)
    Z = np.ones(D.shape) if Z is None else np.asarray(Z, dtype=np.float64)
    E, product = np.zeros(D.shape), np.zeros(D.shape)
    n, m = D.shape
    with mpmath.workdps(DIGITS):
        gamma = mpmath.mpf(float(gamma))
        to, to_slope = _exact_prefixes(D, Z, gamma)
        back, back_slope = _exact_prefixes(D[::-1, ::-1], Z[::-1, ::-1], gamma)
        value = to[n - 1, m - 1]
        if value is None:
            return None, E, product
        for i, j in np.ndindex(D.shape):
            other = (n - 1 - i, m - 1 - j)
            if to[i, j] is None or back[other] is None:
                continue
            cost, direction = mpmath.mpf(float(D[i, j])), mpmath.mpf(float(Z[i, j]))
            share = mpmath.exp((value - (to[i, j] + back[other] - cost)) / gamma)
            slope = to_slope[n - 1, m - 1] - (to_slope[i, j] + back_slope[other] - direction)
            E[i, j], product[i, j] = float(share), float(share * slope / gamma)
        return float(value), E, product


def exact_sharp(D, gamma):
    """<E, D> at 50 digits: the slope of the value along D."""
    D = np.asarray(D, dtype=np.float64)
    with mpmath.workdps(DIGITS):
        _, slopes = _exact_prefixes(D, D, mpmath.mpf(float(gamma)))
        return float(slopes[D.shape[0] - 1, D.shape[1] - 1])


def contrastive_idm(D_X, *, sigma, margin, variant, times=None, video_length=None):
    """Equation 7 in the four published forms, pair by pair."""
    n = len(D_X)
    total = 0.0
    for i in range(n):
        for j in range(n):
            distance = float(D_X[i][j])
            near_weight, far_weight = 1 / ((i - j) ** 2 + 1), (i - j) ** 2 + 1
            far = abs(i - j) > sigma
            if variant == "printed":
                far_weight = 1 / ((i - j) ** 2 + 1)
            if variant == "laser":
                distance = math.sqrt(distance)
            if variant == "official":
                length = Fraction(float(video_length or n))
                t_i, t_j = (
                    Fraction(float(times[k]) if times is not None else k) / length for k in (i, j)
                )
                near_weight, far_weight = 1, float((t_i - t_j) ** 2 + 1)
                far = abs(t_i - t_j) > Fraction(sigma) / length
            total += far_weight * max(0.0, margin - distance) if far else near_weight * distance
    return total / n**2 if variant == "laser" else total


def squared_distances(x, y):
    """Cost matrix as nested lists."""
    return [
        [math.fsum((a - b) ** 2 for a, b in zip(row, other, strict=True)) for other in y]
        for row in x
    ]


def lav_loss(x, y, *, gamma, alpha, sigma, margin, variant, source_x=(), source_y=()):
    """Equation 8; `source_x` and `source_y` are (times, video_length) or empty."""
    alignment, _ = soft_dtw(squared_distances(x, y), gamma)
    regularizer = sum(
        contrastive_idm(
            squared_distances(z, z),
            sigma=sigma,
            margin=margin,
            variant=variant,
            times=source[0] if source else None,
            video_length=source[1] if source else None,
        )
        for z, source in ((x, source_x), (y, source_y))
    )
    scale = 2 / (len(x) + len(y)) if variant == "official" else 1.0
    return scale * (alignment + alpha * regularizer)


def central_difference(function, point, step):
    """Gradient of a scalar function by central differences of order 4, entry by entry."""
    point = np.asarray(point, dtype=np.float64)
    gradient = np.empty_like(point)
    for index in np.ndindex(point.shape):

        def shifted(multiple, index=index):
            moved = point.copy()
            moved[index] += multiple * step
            return function(moved)

        near, wide = shifted(1) - shifted(-1), shifted(2) - shifted(-2)
        gradient[index] = (8 * near - wide) / (12 * step)
    return gradient


def step_paths(n, m, steps):
    """Every path from (0, 0) to (n-1, m-1) by (rows, columns, ...), with the steps it takes."""

    def grow(cell, cells, taken):
        if cell == (n - 1, m - 1):
            yield cells, taken
        for number, (rows, columns, *_) in enumerate(steps):
            i, j = cell[0] + rows, cell[1] + columns
            if i < n and j < m:
                yield from grow((i, j), (*cells, (i, j)), (*taken, number))

    yield from grow((0, 0), ((0, 0),), ())


def steps_dtw(D, steps):
    """Least cost over all paths by weighted steps, and of its paths the one that ties take.

    Costs must be exact in any order. Going back from the last cell, a tie takes the first step in
    the list, so that the reversed numbers of the steps come first in order. (inf, None) if there
    is no path.
    """
    best, best_order, best_path = math.inf, None, None
    for cells, taken in step_paths(len(D), len(D[0]), steps):
        costs = [float(D[i][j]) for i, j in cells]
        if math.inf in costs:
            continue
        weights = [steps[number][2] for number in taken]
        total = costs[0] + math.fsum(w * c for w, c in zip(weights, costs[1:], strict=True))
        order = taken[::-1]
        if total < best or (total == best and order < best_order):
            best, best_order, best_path = total, order, cells
    return best, best_path


def steps_soft_dtw(D, steps, gamma, Z):
    """Soft-DTW over all paths by weighted steps, its gradient, and its Hessian times Z.

    Each path is a vector of how much it weighs each cell: the value is their softmin, the gradient
    their mean under the Gibbs law, the Hessian their covariance over -gamma. (inf, zeros, zeros)
    if there is no path of finite costs.
    """
    paths = []
    for cells, taken in step_paths(len(D), len(D[0]), steps):
        A = np.zeros(np.shape(D))
        for (i, j), weight in zip(cells, [1.0, *(steps[k][2] for k in taken)], strict=True):
            A[i, j] += weight
        if all(math.isfinite(D[i][j]) for i, j in cells):
            paths.append(A)
    if not paths:
        return math.inf, np.zeros(np.shape(D)), np.zeros(np.shape(D))
    A = np.array(paths)
    totals = (A * np.where(np.isinf(D), 0.0, D)).sum((1, 2))
    masses = np.exp(-(totals - totals.min()) / gamma)
    law = masses / masses.sum()
    E = np.tensordot(law, A, 1)
    along = (A * Z).sum((1, 2))
    covariance = np.tensordot(law * (along - law @ along), A - E, 1)
    return totals.min() - gamma * math.log(masses.sum()), E, -covariance / gamma
