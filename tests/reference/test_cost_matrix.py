"""Squared distances, and the chain rule from them to embeddings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from tacref.reference import cost_matrix
from tacref.reference.costs import embedding_gradients
from tests import oracles

SIDES = st.integers(1, 5)


@st.composite
def embeddings(draw):
    d = draw(st.integers(1, 4))
    values = st.floats(-1e3, 1e3)
    return tuple(draw(arrays(np.float64, (draw(SIDES), d), elements=values)) for _ in "xy")


def test_table_worked_by_hand():
    x, y = [[0, 0], [3, 4]], [[0, 0], [0, 1], [6, 8]]
    assert_array_equal(cost_matrix(x, y), [[0, 1, 100], [25, 18, 25]])


@given(embeddings())
def test_definition(pair):
    x, y = pair
    D = cost_matrix(x, y)
    assert D.dtype == np.float64
    # A sum of squares: a few roundings, no cancellation.
    assert_allclose(D, oracles.squared_distances(x.tolist(), y.tolist()), rtol=1e-14)
    assert_array_equal(cost_matrix(y, x), D.T)


def test_equal_rows_are_exactly_0_apart():
    x = np.random.default_rng(0).normal(1e6, 1.0, (5, 7))
    D = cost_matrix(x, x)
    assert_array_equal(np.diag(D), 0.0)
    assert_array_equal(D, D.T)


def test_near_rows_keep_their_digits():
    # |x|^2 + |y|^2 - 2 xy would give 0 here: 1e-12 is below the rounding of 2e8.
    x, y = np.array([[1e4, 1e4]]), np.array([[1e4, 1e4 + 2**-20]])
    assert cost_matrix(x, y)[0, 0] == 2.0**-40


@given(embeddings(), st.integers(0, 2**32 - 1))
def test_chain_rule(pair, seed):
    x, y = pair
    G = np.random.default_rng(seed).normal(size=(len(x), len(y)))
    grad_x, grad_y = embedding_gradients(x, y, G)
    # The costs are quadratic, so that differences are exact but for rounding, at any step.
    size = 1e-9 * (1 + np.abs(x).max() + np.abs(y).max()) ** 2
    for gradient, point, function in (
        (grad_x, x, lambda moved: float((G * cost_matrix(moved, y)).sum())),
        (grad_y, y, lambda moved: float((G * cost_matrix(x, moved)).sum())),
    ):
        assert_allclose(gradient, oracles.central_difference(function, point, 1.0), atol=size)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [[1.0]], r"x must have shape \(frames, d\), not empty, got \(2,\)"),
        ([[1.0]], np.zeros((0, 1)), r"y must have shape \(frames, d\), not empty, got \(0, 1\)"),
        ([[1.0]], 3.0, r"y must have shape \(frames, d\), not empty, got \(\)"),
        (np.zeros((2, 3)), np.zeros((4, 5)), r"same d, got shapes \(2, 3\) and \(4, 5\)"),
        ([[1.0, np.nan]], [[1.0, 2.0]], r"x must be finite, got .*nan.* at \(0, 1\)"),
        ([[1.0]], [[0.0], [np.inf]], r"y must be finite, got .*inf.* at \(1, 0\)"),
        ([["a"]], [[1.0]], "x must hold real numbers, got dtype <U1"),
        ([[1j]], [[1.0]], "x must hold real numbers, got dtype complex128"),
    ],
)
def test_errors(x, y, message):
    with pytest.raises(ValueError, match=message):
        cost_matrix(x, y)


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_overflow_does_not_pass_for_forbidden():
    with pytest.raises(ValueError, match=r"D must be finite, got .*inf.* at \(0, 0\)"):
        cost_matrix([[1e200]], [[-1e200]])
