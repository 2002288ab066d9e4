"""Costs without their matrix: along paths longer than a chunk, and means of blocks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tacref.alignment.costs import mean_costs, step_costs
from tacref.reference import cost_matrix


def embeddings(n, m, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d))


def test_costs_along_a_path_longer_than_a_chunk():
    x, y = embeddings(300, 200)
    path = np.random.default_rng(1).integers(0, 200, (9000, 2))
    # sums of 3 terms, perhaps fused
    assert_allclose(step_costs(x, y, path), cost_matrix(x, y)[tuple(path.T)], rtol=1e-14)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 40), (40, 7)])
def test_short_videos_are_not_averaged(shape):
    x, y = embeddings(*shape)
    assert_array_equal(mean_costs(x, y, 40), cost_matrix(x, y))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((41, 41), (40, 40)), ((1000, 1000), (40, 40)), ((99, 300), (13, 40)), ((300, 2), (40, 1))],
)
def test_means_of_blocks(shape, size):
    x, y = embeddings(*shape)
    x += 100.0  # a common shift must cost no digits
    y += 100.0
    means = mean_costs(x, y, 40)
    assert means.shape == size
    D = cost_matrix(x, y)
    rows = [np.array_split(part, size[1], axis=1) for part in np.array_split(D, size[0])]
    expected = [[block.mean() for block in row] for row in rows]
    # Means of values near 100 round by 1e-14, which differences of order 0.1 feel as 1e-13.
    assert_allclose(means, expected, rtol=1e-12)
