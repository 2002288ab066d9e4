"""Values and identities that the tests of other libraries state, each with where it is from.

The facts are theirs, the words and the code are ours. Where a library has other conventions (half
squared distances, a root over the sum, positions of a path from 1), the table says so.
"""

from functools import partial
from itertools import pairwise
from math import comb

import numpy as np
import pytest

from tacref.alignment import barycenter
from tacref.reference import (
    cost_matrix,
    dtw,
    dtw_path,
    expected_alignment,
    sharp_soft_dtw,
    soft_dtw,
    soft_dtw_divergence_value_and_grad,
    soft_dtw_hvp,
    soft_dtw_value_and_grad,
)
from tests.oracles import staircase_paths

SDTW_DIV = "google-research/soft-dtw-divergences, tests/numba_ops_test.py at f3ec283"
TSLEARN = "tslearn-team/tslearn, tests/test_barycenters.py at 10ba8fa"
DTW_PYTHON = "DynamicTimeWarping/dtw-python, tests/test_dtw.py at 24cc816"
DTW_CRAN = "DynamicTimeWarping/dtw-python, tests/test_cran.py at 3980620"
DTW_COUNTS = "DynamicTimeWarping/dtw-python, tests/test_countPaths.py at 3980620"
DTAIDISTANCE = "wannesm/dtaidistance, tests/test_dtw.py at 0fb1b96"
DTAIDISTANCE_BUGS = "wannesm/dtaidistance, tests/test_bugs.py at 095ae98"
DTAIDISTANCE_PATHS = "wannesm/dtaidistance, tests/test_warping.py at 0894cf4"
DTAIDISTANCE_PENALTY = "wannesm/dtaidistance, tests/test_penalty.py at 4eb2d10"

# Steps of dtw-python's symmetric2: the diagonal counts twice.
SYMMETRIC2 = ((1, 1, 2.0), (1, 0, 1.0), (0, 1, 1.0))


def series_of_sdtw_div():
    """Its two series, of 3 and 4 frames, and costs of half the squared distance."""
    rng = np.random.RandomState(0)
    x, y = rng.randn(3, 2), rng.randn(4, 2)
    return x, y, 0.5 * cost_matrix(x, y)


def all_paths(n, m):
    for path in staircase_paths(n, m):
        A = np.zeros((n, m))
        A[tuple(zip(*path, strict=True))] = 1.0
        yield A


def differences(f, array, step=1e-5):
    slopes = np.zeros_like(array)
    for cell in np.ndindex(array.shape):
        Z = np.zeros_like(array)
        Z[cell] = step
        slopes[cell] = (f(array + Z) - f(array - Z)) / (2 * step)
    return slopes


def gibbs():
    """Value, gradient and entropy over all paths, at gamma 0.1 and 1."""
    _, _, D = series_of_sdtw_div()
    paths = list(all_paths(*D.shape))
    for gamma in (0.1, 1.0):
        scores = -np.array([(A * D).sum() for A in paths]) / gamma
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        yield soft_dtw(D, gamma=gamma), -gamma * np.logaddexp.reduce(scores)
        E = sum(w * A for w, A in zip(weights, paths, strict=True))
        yield expected_alignment(D, gamma=gamma), E
        yield sharp_soft_dtw(D, gamma=gamma), (E * D).sum()
        entropy = -(weights * np.log(weights)).sum()
        yield (sharp_soft_dtw(D, gamma=gamma) - soft_dtw(D, gamma=gamma)) / gamma, entropy


def equal_series_at_small_gamma():
    """With gamma 1e-5, soft-DTW of a series with itself is 0 and its gradient the identity."""
    x, _, _ = series_of_sdtw_div()
    value, E = soft_dtw_value_and_grad(0.5 * cost_matrix(x, x), gamma=1e-5)
    yield value, 0.0
    yield E, np.eye(3)


def hessian_product():
    """The product with the costs is the slope of the directional derivative along the costs."""
    _, _, D = series_of_sdtw_div()

    def along(costs):
        return (expected_alignment(costs, gamma=1.0) * D).sum()

    yield soft_dtw_hvp(D, D, gamma=1.0), differences(along, D)


def jacobian_of_costs():
    """The slope of half squared distances in x is sum_j G_ij (x_i - y_j)."""
    x, y, D = series_of_sdtw_div()

    def weighted(z):
        return (D * 0.5 * cost_matrix(z, y)).sum()

    by_hand = [sum(D[i, j] * (x[i] - y[j]) for j in range(4)) for i in range(3)]
    yield differences(weighted, x), np.array(by_hand)


def number_of_paths():
    """It is a Delannoy number, and free costs give its logarithm."""
    for n in (1, 2, 3):
        for m in (1, 2, 3, 4):
            count = sum(comb(n - 1, k) * comb(m - 1, k) * 2**k for k in range(min(n, m)))
            yield len(list(staircase_paths(n, m))), count
            yield soft_dtw(np.zeros((n, m)), gamma=1.0), -np.log(count)


def mean_over_all_paths():
    """With gamma large, the expected alignment is the mean path and the sharp value its cost."""
    _, _, D = series_of_sdtw_div()
    mean = np.mean(list(all_paths(*D.shape)), axis=0)
    yield expected_alignment(D, gamma=1e9), mean
    yield sharp_soft_dtw(D, gamma=1e9), (mean * D).sum()


def divergence_of_equal_series():
    """Its gradient is 0, at gamma 0.1 and 1."""
    x, y, _ = series_of_sdtw_div()
    for gamma in (0.1, 1.0):
        value, grad_x, grad_y = soft_dtw_divergence_value_and_grad(x, x, gamma=gamma)
        yield np.array([value, *grad_x.ravel(), *grad_y.ravel()]), np.zeros(13)
        _, grad_x, _ = soft_dtw_divergence_value_and_grad(x, y, gamma=gamma)
        value_of = partial(soft_dtw_divergence_value_and_grad, y=y, gamma=gamma)
        yield grad_x, differences(lambda z, f=value_of: f(z)[0], x)


def barycenters_of_tslearn():
    """DBA, five iterations: from the mean, and from 9 random frames. Ours by a tiny gamma."""
    rng = np.random.RandomState(0)
    sequences = rng.randn(15, 10, 3)
    from_mean = [
        [0.33447722, 0.0418787, -0.03953774],
        [-0.75757987, -0.26841384, -0.22418874],
        [-0.0473153, 0.41030073, 0.06069343],
        [0.36250957, -0.79033572, 0.02300398],
        [0.02783764, -0.05039364, -0.79595523],
        [0.38139685, 0.37661911, 0.09506468],
        [0.48628337, 0.17192078, -1.16404917],
        [-0.40263459, 0.59364783, -0.6843561],
        [0.67493146, -0.37714421, 0.16604165],
        [-0.32249566, 0.09109832, 0.55489214],
    ]
    options = {"gamma": 1e-9, "iterations": 5}
    yield barycenter(sequences, start=sequences.mean(0), **options), np.array(from_mean)
    rng.rand(15)  # weights, which that test draws in between
    from_nine = [
        [0.421127, 0.054492, -0.124027],
        [-0.498396, -0.200649, 0.029864],
        [0.431492, -0.397721, -0.585897],
        [-0.906793, 0.021529, -0.514742],
        [0.629140, -0.152363, -0.434802],
        [0.609915, 0.348230, 0.447403],
        [-0.041696, 0.760246, -0.361783],
        [-0.042272, -0.642698, -0.662480],
        [0.261962, 0.111322, 0.389292],
    ]
    yield barycenter(sequences, start=rng.randn(9, 3), **options), np.array(from_nine)


def accumulated(D, steps):
    """Cost of reaching each cell: DTW of each corner of the matrix; NaN where no path leads."""
    R = np.full(D.shape, np.nan)
    for i, j in np.ndindex(D.shape):
        try:
            R[i, j] = dtw(D[: i + 1, : j + 1], steps=steps)
        except ValueError:
            continue
    return R


def symmetric2_of_dtw_python():
    """Accumulated costs where the diagonal counts twice."""
    expected = [[11, 21, 31, 41], [21, 32, 41, 51], [31, 41, 52, 61], [41, 51, 61, 72]]
    yield accumulated(10 * np.ones((4, 4)) + np.eye(4), SYMMETRIC2), np.array(expected, float)
    D = np.abs(np.subtract.outer([1.0, 2, 3], [2.0, 3, 4, 5, 6]))
    expected = [[1, 3, 6, 10, 15], [1, 2, 4, 7, 11], [2, 1, 2, 4, 7]]
    yield accumulated(D, SYMMETRIC2), np.array(expected, float)
    yield dtw_path(D, steps=SYMMETRIC2), np.array([[0, 1, 2, 2, 2, 2], [0, 0, 1, 2, 3, 4]]).T
    yield dtw(D, steps=SYMMETRIC2) / (3 + 5), 0.875
    D = np.abs(np.subtract.outer([1.0, 2, 3], [2.0, 3, 4]))
    yield dtw(D, steps=SYMMETRIC2), 2.0


def asymmetric_of_dtw_python():
    """Accumulated costs where each frame of x is taken once."""
    nan = np.nan
    D = [
        [1, 1, 2, 2, 3, 3],
        [1, 1, 1, 2, 2, 2],
        [3, 1, 2, 2, 3, 3],
        [3, 1, 2, 1, 1, 2],
        [3, 2, 1, 2, 1, 2],
        [3, 3, 3, 2, 1, 2],
    ]
    expected = [
        [1, nan, nan, nan, nan, nan],
        [2, 2, 2, nan, nan, nan],
        [5, 3, 4, 4, 5, nan],
        [8, 4, 5, 4, 5, 6],
        [11, 6, 5, 6, 5, 6],
        [14, 9, 8, 7, 6, 7],
    ]
    yield accumulated(np.array(D, float), "asymmetric"), np.array(expected)


def costs_of_cran():
    D = np.ones((6, 6))
    D[1] = D[:, 4] = 0.0
    D[1, 4] = 0.01
    return D


def cran_checks():
    """Distances and paths of the example of R's package, counted from 1 there."""
    D = costs_of_cran()
    yield dtw(D, steps=SYMMETRIC2), 2.0
    rows, columns = [1, 2, 2, 2, 3, 4, 5, 6, 6], [1, 2, 3, 4, 5, 5, 5, 5, 6]
    path = np.array([rows, columns]).T - 1
    yield cost_of_path(path, D, {(1, 1): 2.0}), 2.0
    yield dtw(D, steps="asymmetric"), 2.0
    path = np.array([range(1, 7), [1, 3, 5, 5, 5, 6]]).T - 1
    yield cost_of_path(path, D, {}), 2.0
    D = np.abs(np.subtract.outer([2.01, 3.01], [1.0, 2, 3, 4]))
    open_ends = {"steps": "asymmetric", "open_begin": "y", "open_end": "y"}
    yield dtw(D, **open_ends), 0.02
    yield dtw_path(D, **open_ends), np.array([[0, 1], [1, 2]])


def cran_counts():
    """How many paths there are through 6 x 6 cells."""
    yield np.exp(-soft_dtw(np.zeros((6, 6)), gamma=1.0)), 1683.0
    torch = pytest.importorskip("torch")
    from tacref.losses import soft_dtw as soft_dtw_of_steps

    free = torch.zeros(1, 6, 6, dtype=torch.float64)
    yield np.exp(-soft_dtw_of_steps(free, 1.0, steps="asymmetric").item()), 51.0


def cost_of_path(path, D, weights):
    """What a path costs, by the weights of its steps; 1 if a step has none."""
    total = D[tuple(path[0])]
    for before, after in pairwise(path):
        total += weights.get(tuple(after - before), 1.0) * D[tuple(after)]
    return total


def squared(a, b):
    return np.subtract.outer(np.array(a, float), np.array(b, float)) ** 2


S1, S2 = [0, 0, 1, 2, 1, 0, 1, 0, 0], [0, 1, 2, 0, 0, 0, 0, 0, 0]


def distances_of_dtaidistance():
    """Its distance is the root of ours."""
    yield np.sqrt(dtw(squared(S1, S2))), np.sqrt(2)
    yield np.sqrt(dtw(squared([0, 0, 2, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0, 0]))), 1.0


def penalty_of_dtaidistance():
    """A series shifted by half its period; a penalty of 1 (squared) for each step but (1, 1)."""
    D = squared([0, 1, 2, 1] * 3 + [0], [2, 1, 0, 1] * 3 + [2])
    yield np.sqrt(dtw(D)), np.sqrt(10)


def windows_of_dtaidistance():
    """Window 3 of 12 x 11 frames: -3 <= j - i <= 2, as the longer series widens it by 1."""
    s1 = [0.0, 0.01, 0.0, 0.01, 0.0, 0.0, 0.0, 0.01, 0.01, 0.02, 0.0, 0.0]
    s2 = [0.0, 0.02, 0.02, 0.0, 0.0, 0.01, 0.01, 0.0, 0.0, 0.0, 0.0]
    D = squared(s1, s2)
    yield np.sqrt(dtw(D)), 0.02
    rows, columns = np.indices(D.shape)
    inside = (columns - rows >= -3) & (columns - rows <= 2)
    yield np.sqrt(dtw(np.where(inside, D, np.inf))), 0.02
    # Ours, |i - j| <= 2, is narrower, and does not let that path through.
    yield np.sqrt(dtw(D, band=2, band_shape="offset")), np.sqrt(7) / 100


def path_of_dtaidistance():
    """The path that it states costs as much as the cheapest."""
    s1, s2 = [*S1, 0, 0], [*S2, 0, 0]
    path = [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (5, 5)]
    path += [(k, k) for k in range(6, 11)]
    yield cost_of_path(np.array(path), squared(s1, s2), {}), dtw(squared(s1, s2))


# 1e-7 is what assert_almost_equal asserts there; differences are off by about 1e-9. Printed values
# have as many digits as the tolerance.
@pytest.mark.parametrize(
    ("source", "facts", "tolerance"),
    [
        (SDTW_DIV, gibbs, 1e-12),
        (SDTW_DIV, equal_series_at_small_gamma, 1e-12),
        (SDTW_DIV, hessian_product, 1e-8),
        (SDTW_DIV, jacobian_of_costs, 1e-8),
        (SDTW_DIV, number_of_paths, 1e-12),
        (SDTW_DIV, mean_over_all_paths, 1e-7),
        (SDTW_DIV, divergence_of_equal_series, 1e-8),
        (TSLEARN, barycenters_of_tslearn, 1e-6),
        (DTW_PYTHON, symmetric2_of_dtw_python, 1e-12),
        (DTW_PYTHON, asymmetric_of_dtw_python, 1e-12),
        (DTW_CRAN, cran_checks, 1e-12),
        (DTW_COUNTS, cran_counts, 1e-9),
        (DTAIDISTANCE, distances_of_dtaidistance, 1e-12),
        (DTAIDISTANCE_PENALTY, penalty_of_dtaidistance, 1e-12),
        (DTAIDISTANCE_BUGS, windows_of_dtaidistance, 1e-12),
        (DTAIDISTANCE_PATHS, path_of_dtaidistance, 1e-12),
    ],
)
def test_published(source, facts, tolerance):
    for ours, theirs in facts():
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=source)


def test_no_path_is_refused_as_by_dtw_python():
    """4 frames cannot take 20 by steps of at most two."""
    with pytest.raises(ValueError, match="step"):
        dtw(np.ones((4, 20)), steps="asymmetric")
