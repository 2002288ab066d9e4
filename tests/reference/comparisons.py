"""How results are compared with the oracles, and the bounds that docs/equations.md states.

Kept apart from the tests, so that planted faults can be given to the same comparisons.
"""

import numpy as np
from numpy.testing import assert_allclose

from tests import oracles

# Below this, numbers are subnormal, or products of such: they have no digits to compare.
UNDERFLOW = 1e-290


def assert_soft_dtw(result, D, gamma):
    """Value and E, from costs that are taken as they are, against 50 digits."""
    value, E = result
    expected_value, expected_E, _ = oracles.exact_soft_dtw(D, gamma)
    # Costs add up without error; each of up to 127 logarithms rounds by gamma 2^-53.
    assert_allclose(value, expected_value, rtol=1e-13, atol=1e-13 * gamma)
    # Each entry, however small: 7.6e-14 is the worst that was seen, at sides up to 64.
    assert_allclose(E, expected_E, rtol=1e-12, atol=UNDERFLOW)
    assert (np.asarray(E)[np.isinf(D)] == 0).all()


def assert_hvp(product, D, Z, gamma):
    """Hessian-vector product against 50 digits."""
    _, E, expected = oracles.exact_soft_dtw(D, gamma, Z)
    # Sums along paths of up to n + m - 1 cells cancel; the bound is relative to their size.
    largest = sum(E.shape) * np.abs(Z).max() / gamma
    error = np.abs(product - expected)
    assert (error <= 1e-13 * E * largest + UNDERFLOW * (1 + largest)).all(), error.max()
    assert (np.asarray(product)[np.isinf(D)] == 0).all()


def assert_divergence(result, x, y, gamma, band=None):
    """Divergence and both gradients, where the squared distances are exact in float64."""
    value, *gradients = result
    terms, slopes = [], []
    for a, b in ((x, y), (x, x), (y, y)):
        D = oracles.forbid_outside(oracles.squared_distances(a.tolist(), b.tolist()), band)
        term, E, _ = oracles.exact_soft_dtw(D, gamma)
        gaps = a[:, None, :] - b[None, :, :]
        terms.append(term)
        slopes.append([2 * (E[:, :, None] * gaps).sum(1), -2 * (E[:, :, None] * gaps).sum(0)])
    # The terms may cancel: the bound is relative to them, and to gamma as for soft-DTW.
    size = max(map(abs, terms)) + gamma
    assert_allclose(value, terms[0] - (terms[1] + terms[2]) / 2, rtol=0, atol=1e-12 * size)
    expected = (slopes[0][0] - sum(slopes[1]) / 2, slopes[0][1] - sum(slopes[2]) / 2)
    for gradient, slope in zip(gradients, expected, strict=True):
        largest = np.abs(x).max() + np.abs(y).max()
        assert_allclose(gradient, slope, rtol=0, atol=1e-12 * largest * (len(x) + len(y)))


def assert_contrastive_idm(result, D_X, options):
    """Value and gradient to the self-distances, off kinks, against plain loops."""
    value, G = result

    def function(moved):
        return oracles.contrastive_idm(moved.tolist(), **options)

    assert_allclose(value, function(np.asarray(D_X)), rtol=1e-13)
    slope = oracles.central_difference(function, D_X, 1e-3 * options["margin"])
    # Linear but for "laser"; rounding of weights up to n^2 + 1 over the step.
    assert_allclose(G, slope, rtol=1e-7, atol=1e-8)


def assert_lav(result, x, y, options):
    """Value and gradients to both embeddings, off kinks, against enumeration of all paths."""
    value, grad_x, grad_y = result
    expected = oracles.lav_loss(x.tolist(), y.tolist(), **options)
    assert_allclose(value, expected, rtol=1e-12, atol=1e-12 * (1 + options["gamma"]))
    # Truncation ~ step^4 f^(5) with gamma >= 0.1; rounding ~ 2^-52 f / step.
    size = 1e-6 + 1e-11 * abs(expected)
    for gradient, function, point in (
        (grad_x, lambda moved: oracles.lav_loss(moved.tolist(), y.tolist(), **options), x),
        (grad_y, lambda moved: oracles.lav_loss(x.tolist(), moved.tolist(), **options), y),
    ):
        slope = oracles.central_difference(function, point, 1e-3)
        assert_allclose(gradient, slope, rtol=0, atol=size)
