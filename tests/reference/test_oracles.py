"""The oracles themselves, by what is known of them."""

import math

import numpy as np
import pytest

from tests import oracles


@pytest.mark.parametrize(("n", "m", "count"), [(1, 1, 1), (1, 4, 1), (2, 2, 3), (3, 3, 13)])
def test_numbers_of_paths(n, m, count):
    assert len(oracles.staircase_paths(n, m)) == count
    assert oracles.delannoy(n - 1, m - 1) == count


def test_central_delannoy_numbers():
    # OEIS A001850
    numbers = [oracles.delannoy(k, k) for k in range(8)]
    assert numbers == [1, 3, 13, 63, 321, 1683, 8989, 48639]


def test_paths_are_distinct_and_monotone():
    paths = oracles.staircase_paths(4, 3)
    assert len(set(paths)) == len(paths) == oracles.delannoy(3, 2)
    for path in paths:
        assert path[0] == (0, 0)
        assert path[-1] == (3, 2)
        assert set(map(tuple, np.diff(path, axis=0).tolist())) <= set(oracles.STEPS)


def test_differences_are_of_order_four():
    slope = oracles.central_difference(lambda x: float(x[0] ** 4 * x[1]), [2.0, 3.0], step=0.5)
    # Exact for polynomials up to degree 4 but for rounding.
    np.testing.assert_allclose(slope, [4 * 2**3 * 3, 2**4], rtol=1e-13)


def test_soft_minimum():
    assert oracles.softmin([1.0, 1.0], gamma=2.0) == pytest.approx(1 - 2 * math.log(2), rel=1e-15)
