"""Soft-DTW by any steps, in bands of any shape: against all paths, and by differences."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tacref.reference import (
    dtw,
    expected_alignment,
    sharp_soft_dtw,
    soft_dtw,
    soft_dtw_hvp,
    soft_dtw_value_and_grad,
)
from tacref.steps import STEPS
from tests import oracles

STEP_SETS = [
    STEPS["any"],
    STEPS["slope"],
    STEPS["asymmetric"],
    ((1, 1, 2.0), (1, 0, 1.0), (0, 1, 1.0)),
    ((1, 1, 1.0), (1, 2, 1.5), (2, 1, 0.7), (0, 3, 0.0)),
    ((0, 1, 1.0), (3, 0, 1.0), (1, 0, 0.5)),
]
small = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))


def costs(problem):
    n, m, seed = problem
    rng = np.random.default_rng(seed)
    D = rng.random((n, m))
    D[rng.random((n, m)) < 0.1] = math.inf
    D[0, 0], D[-1, -1] = rng.random(2)
    return D, rng.normal(size=(n, m))


@given(small, st.sampled_from(STEP_SETS), st.sampled_from([1e-3, 0.1, 1.0, 30.0]))
def test_all_paths(problem, steps, gamma):
    D, Z = costs(problem)
    value, E, product = oracles.steps_soft_dtw(D, steps, gamma, Z)
    if value == math.inf:
        with pytest.raises(ValueError, match=r"steps .*reach|do not lead|path of finite costs"):
            soft_dtw(D, gamma=gamma, steps=steps)
        return
    assert_allclose(soft_dtw(D, gamma=gamma, steps=steps), value, rtol=1e-12, atol=1e-12)
    again, gradient = soft_dtw_value_and_grad(D, gamma=gamma, steps=steps)
    assert_allclose([again], [value], rtol=1e-12, atol=1e-12)
    assert_allclose(gradient, E, rtol=1e-9, atol=1e-12)  # differences of R over gamma = 1e-3
    assert_allclose(expected_alignment(D, gamma=gamma, steps=steps), E, rtol=1e-9, atol=1e-12)
    sharp = (E * np.where(E > 0, D, 0)).sum()
    assert_allclose(sharp_soft_dtw(D, gamma=gamma, steps=steps), sharp, rtol=1e-9, atol=1e-12)
    made = soft_dtw_hvp(D, Z, gamma=gamma, steps=steps)
    assert_allclose(made, product, rtol=1e-6, atol=1e-9 / gamma)
    # At most log of the number of paths below the cheapest one.
    paths = sum(1 for _ in oracles.step_paths(*D.shape, steps))
    hard = dtw(D, steps=steps)
    assert hard - gamma * math.log(paths) - 1e-9 <= value <= hard + 1e-9


@given(
    small,
    st.sampled_from(STEP_SETS[:3]),
    st.sampled_from([("diagonal", 1), ("diagonal", 2), ("offset", 4), ("itakura", 2.5)]),
)
def test_bands(problem, steps, band):
    D, _ = costs(problem)
    shape, width = band
    allowed = oracles.inside_band(*D.shape, width, shape)
    banded = np.where(allowed, D, math.inf)
    value, E, _ = oracles.steps_soft_dtw(banded, steps, 0.3, np.zeros_like(D))
    options = {"gamma": 0.3, "steps": steps, "band": width, "band_shape": shape}
    if value == math.inf:
        with pytest.raises(ValueError, match=r"steps|band"):
            soft_dtw(D, **options)
        return
    made, gradient = soft_dtw_value_and_grad(D, **options)
    assert_allclose(made, value, rtol=1e-12, atol=1e-12)
    assert_allclose(gradient, E, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("steps", STEP_SETS)
def test_derivatives_by_differences(steps):
    rng = np.random.default_rng(5)
    D, Z = rng.random((9, 11)), rng.normal(size=(9, 11))
    options = {"gamma": 0.2, "steps": steps}
    E = oracles.central_difference(lambda D: soft_dtw(D, **options), D, 1e-4)
    assert_allclose(expected_alignment(D, **options), E, atol=1e-9)
    slope = (
        expected_alignment(D + 1e-5 * Z, **options) - expected_alignment(D - 1e-5 * Z, **options)
    ) / 2e-5
    assert_allclose(soft_dtw_hvp(D, Z, **options), slope, atol=1e-7)


def test_a_list_of_equation_2_is_any():
    D = np.random.default_rng(0).random((4, 6))
    assert soft_dtw(D, steps=[(1, 1, 1), (1, 0, 1), (0, 1, 1)]) == soft_dtw(D)
