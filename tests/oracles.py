"""What the tests compare with: the definitions, by enumeration and plain loops.

Imports nothing from tacref, so that it cannot share a fault with what it judges. Slow: paths are
listed one by one (321 at 5x5), so keep the sides at 5 or below.
"""

import math
from fractions import Fraction
from functools import cache

import numpy as np

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
                t_i, t_j = (
                    Fraction(int(times[k]) if times is not None else k, int(video_length or n))
                    for k in (i, j)
                )
                near_weight, far_weight = 1, float((t_i - t_j) ** 2 + 1)
                far = abs(t_i - t_j) > Fraction(sigma) / int(video_length or n)
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
