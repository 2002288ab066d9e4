"""Tests of the tests: known faults, given to the comparisons that judge the reference.

Each comparison must pass the right result and object to each wrong one.
"""

import math

import numpy as np
import pytest

from tacref.reference import (
    contrastive_idm_of_distances_value_and_grad,
    lav_loss_value_and_grad,
    soft_dtw_divergence_value_and_grad,
    soft_dtw_hvp,
)
from tests import oracles
from tests.reference.comparisons import (
    assert_contrastive_idm,
    assert_divergence,
    assert_hvp,
    assert_lav,
    assert_soft_dtw,
)

GAMMA = 0.5
RNG = np.random.default_rng(0)
COSTS = RNG.random((6, 7))
HOLED = np.where(RNG.random((6, 7)) < 0.2, np.inf, COSTS)
HOLED[0, 0] = HOLED[-1, -1] = 1.0
DIRECTION = RNG.normal(size=(6, 7))
X, Y = RNG.normal(size=(4, 2)), RNG.normal(size=(3, 2))
# Squared distances of eighths are exact in float64.
X_8, Y_8 = np.round(8 * X) / 8, np.round(8 * Y) / 8


def soft_dtw(D, *, fault=None):
    """Soft-DTW in plain Python, right unless a fault is asked for."""
    D = np.array(D, dtype=np.float64)
    n, m = D.shape
    if fault == "float32 rounding":
        D = D.astype(np.float32).astype(np.float64)
    if fault == "forbidden cell leaks":
        D[np.isinf(D)] = 10.0  # large, not forbidden
    if fault == "padded cell leaks":
        D = np.pad(D, (0, 2))
    R = np.full((D.shape[0] + 1, D.shape[1] + 1), np.inf)
    R[0, 0] = 0.0
    shares = np.zeros((*D.shape, 3))
    for i, j in np.ndindex(D.shape):
        before = [R[i, j], R[i, j + 1], R[i + 1, j]]
        if math.isfinite(D[i, j]) and math.isfinite(min(before)):
            R[i + 1, j + 1] = D[i, j] + oracles.softmin(before, GAMMA)
            shares[i, j] = [math.exp((min(before) - r) / GAMMA) for r in before]
            shares[i, j] /= shares[i, j].sum()
    if fault == "weights swapped":
        shares = shares[:, :, [0, 2, 1]]
    if fault == "hard weights":
        shares = np.eye(3)[shares.argmax(axis=2)]
    mass = np.zeros(R.shape)
    mass[-1, -1] = 1.0
    for i in reversed(range(D.shape[0])):
        for j in reversed(range(D.shape[1])):
            for k, (di, dj) in enumerate(((1, 1), (1, 0), (0, 1))):
                mass[i + 1 - di, j + 1 - dj] += mass[i + 1, j + 1] * shares[i, j, k]
    value, E = R[n, m], mass[1 : n + 1, 1 : m + 1]
    if fault == "value by 1.001":
        value *= 1.001
    if fault == "gradient by 1.001":
        E = 1.001 * E
    if fault == "gradient in float32":
        E = E.astype(np.float32)
    if fault == "gradient transposed":
        E = E[::-1, ::-1]
    if fault == "dead gradient":
        E = np.zeros_like(E)
    return value, E


SOFT_DTW_FAULTS = [
    "weights swapped",
    "hard weights",
    "value by 1.001",
    "gradient by 1.001",
    "float32 rounding",
    "gradient in float32",
    "gradient transposed",
    "dead gradient",
    "padded cell leaks",
]


@pytest.mark.parametrize("D", [COSTS, HOLED], ids=["free", "holed"])
def test_soft_dtw_faults_are_caught(D):
    assert_soft_dtw(soft_dtw(D), D, GAMMA)
    for fault in SOFT_DTW_FAULTS:
        with pytest.raises(AssertionError):
            assert_soft_dtw(soft_dtw(D, fault=fault), D, GAMMA)


def test_leaks_through_forbidden_cells_are_caught():
    result = soft_dtw(HOLED, fault="forbidden cell leaks")
    with pytest.raises(AssertionError):
        assert_soft_dtw(result, HOLED, GAMMA)


@pytest.mark.parametrize("wrong_band", [1, 3])
def test_a_band_off_by_one_is_caught(wrong_band):
    banded = oracles.forbid_outside(COSTS, 2)
    assert_soft_dtw(soft_dtw(banded), banded, GAMMA)
    with pytest.raises(AssertionError):
        assert_soft_dtw(soft_dtw(oracles.forbid_outside(COSTS, wrong_band)), banded, GAMMA)


@pytest.mark.parametrize(
    "fault",
    [
        lambda product: 1.001 * product,
        lambda product: -product,
        lambda product: product * GAMMA,  # the division by gamma forgotten
        lambda product: product.astype(np.float32),
        np.zeros_like,
        lambda product: product + 1e-9 * (np.arange(7) == 3),
    ],
    ids=["by 1.001", "sign", "gamma", "float32", "dead", "column"],
)
def test_hessian_faults_are_caught(fault):
    product = soft_dtw_hvp(COSTS, DIRECTION, gamma=GAMMA)
    assert_hvp(product, COSTS, DIRECTION, GAMMA)
    with pytest.raises(AssertionError):
        assert_hvp(fault(product), COSTS, DIRECTION, GAMMA)


def test_a_direction_that_leaks_from_forbidden_cells_is_caught():
    product = soft_dtw_hvp(HOLED, DIRECTION, gamma=GAMMA)
    assert_hvp(product, HOLED, DIRECTION, GAMMA)
    leaking = soft_dtw_hvp(np.where(np.isinf(HOLED), 10.0, HOLED), DIRECTION, gamma=GAMMA)
    with pytest.raises(AssertionError):
        assert_hvp(leaking, HOLED, DIRECTION, GAMMA)


@pytest.mark.parametrize(
    "fault",
    [
        lambda value, grad_x, grad_y: (1.001 * value, grad_x, grad_y),
        lambda value, grad_x, grad_y: (value, 1.001 * grad_x, grad_y),
        lambda value, grad_x, grad_y: (value, grad_x, 1.001 * grad_y),
        lambda value, grad_x, grad_y: (value, grad_x, np.zeros_like(grad_y)),
        lambda value, grad_x, grad_y: (value, np.zeros_like(grad_x), grad_y),
        lambda value, grad_x, grad_y: (np.float32(value), grad_x, grad_y),
        lambda value, grad_x, grad_y: (value, grad_x.astype(np.float32), grad_y),
    ],
    ids=["value", "to x", "to y", "ignores y", "ignores x", "float32", "gradient in float32"],
)
def test_divergence_faults_are_caught(fault):
    result = soft_dtw_divergence_value_and_grad(X_8, Y_8, gamma=GAMMA)
    assert_divergence(result, X_8, Y_8, GAMMA)
    with pytest.raises(AssertionError):
        assert_divergence(fault(*result), X_8, Y_8, GAMMA)


def test_a_divergence_without_its_own_terms_is_caught():
    D = oracles.squared_distances(X_8.tolist(), Y_8.tolist())
    _, grad_x, grad_y = soft_dtw_divergence_value_and_grad(X_8, Y_8, gamma=GAMMA)
    biased = oracles.exact_soft_dtw(D, GAMMA)[0]
    with pytest.raises(AssertionError):
        assert_divergence((biased, grad_x, grad_y), X_8, Y_8, GAMMA)


# Whole sigma: there are pairs at exactly sigma, which are near.
OPTIONS = {"sigma": 2, "margin": 5.0, "variant": "paper"}
ROWS = RNG.random((6, 2)).tolist()
DISTANCES = np.array(oracles.squared_distances(ROWS, ROWS))


def contrastive_idm(*, fault=None):
    """Contrastive-IDM of `DISTANCES` in NumPy, right unless a fault is asked for."""
    D_X = DISTANCES.astype(np.float32) if fault == "float32 rounding" else DISTANCES
    gaps = np.abs(np.subtract.outer(np.arange(len(D_X)), np.arange(len(D_X))))
    far = gaps > OPTIONS["sigma"]
    if fault == "window off by one, below":
        far = gaps >= OPTIONS["sigma"]
    if fault == "window off by one, above":
        far = gaps > OPTIONS["sigma"] + 1
    if fault == "near and far swapped":
        far = ~far
    far_weights, near_weights = gaps**2 + 1.0, 1 / (gaps**2 + 1.0)
    if fault == "weights swapped":
        far_weights, near_weights = near_weights, far_weights
    hinge = np.maximum(0, OPTIONS["margin"] - D_X)
    value = np.where(far, far_weights * hinge, near_weights * D_X).sum()
    G = np.where(far, -far_weights * (hinge > 0), near_weights)
    if fault == "value by 1.001":
        value *= 1.001
    if fault == "gradient by 1.001":
        G *= 1.001
    if fault == "dead far term":
        G[far] = 0
    if fault == "dead near term":
        G[~far] = 0
    if fault == "pairs counted once":
        value, G = np.triu(np.where(far, far_weights * hinge, near_weights * D_X)).sum(), np.triu(G)
    return value, G


def test_the_distances_are_off_the_kink():
    assert DISTANCES.max() < 0.9 * OPTIONS["margin"]
    assert_contrastive_idm(contrastive_idm(), DISTANCES, OPTIONS)
    assert_contrastive_idm(
        contrastive_idm_of_distances_value_and_grad(DISTANCES, **OPTIONS), DISTANCES, OPTIONS
    )


@pytest.mark.parametrize(
    "fault",
    [
        "weights swapped",
        "near and far swapped",
        "value by 1.001",
        "gradient by 1.001",
        "float32 rounding",
        "window off by one, below",
        "window off by one, above",
        "dead far term",
        "dead near term",
        "pairs counted once",
    ],
)
def test_contrastive_idm_faults_are_caught(fault):
    with pytest.raises(AssertionError):
        assert_contrastive_idm(contrastive_idm(fault=fault), DISTANCES, OPTIONS)


LAV = {"gamma": GAMMA, "alpha": 0.5, "sigma": 1, "margin": 100.0, "variant": "paper"}


def lav(x=X, y=Y, **changes):
    return lav_loss_value_and_grad(x, y, **LAV | changes)


def padded_lav():
    """LAV loss of `X` with a padded frame that counts, the gradient cut to the true frames."""
    value, grad_x, grad_y = lav(x=np.vstack([X, np.zeros((1, 2))]))
    return value, grad_x[: len(X)], grad_y


LAV_FAULTS = {
    "value by 1.001": lambda: (1.001 * lav()[0], *lav()[1:]),
    "gradient to x by 1.001": lambda: (lav()[0], 1.001 * lav()[1], lav()[2]),
    "gradient to y by 1.001": lambda: (*lav()[:2], 1.001 * lav()[2]),
    "float32 rounding": lambda: lav(x=X.astype(np.float32), y=Y.astype(np.float32)),
    "window off by one": lambda: lav(sigma=2),
    "weights swapped": lambda: lav(variant="printed"),
    "dead regularizer": lambda: (lav()[0], *lav(alpha=0.0)[1:]),
    "no regularizer": lambda: lav(alpha=0.0),
    "ignores y": lambda: (*lav()[:2], np.zeros_like(Y)),
    "ignores x": lambda: (lav()[0], np.zeros_like(X), lav()[2]),
    "padded frame leaks": padded_lav,
    "padded frame leaks into the gradient": lambda: (lav()[0], *padded_lav()[1:]),
}


@pytest.mark.parametrize("fault", LAV_FAULTS)
def test_lav_faults_are_caught(fault):
    assert_lav(lav(), X, Y, LAV)
    with pytest.raises(AssertionError):
        assert_lav(LAV_FAULTS[fault](), X, Y, LAV)
