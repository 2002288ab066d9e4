"""Nearest frames against scipy's distances, where a matrix product alone would go wrong."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tacref.evaluation.nearest import k_nearest, nearest


def noise(rng, t, d):
    return rng.normal(size=(t, d))


def with_offset(rng, t, d):
    return rng.normal(size=(t, d)) + 1e8


def still_pictures(rng, t, d):
    return np.repeat(rng.normal(size=(t, d)), rng.integers(1, 6, t), axis=0)


def whole_numbers(rng, t, d):
    return rng.integers(-1, 2, (t, d)).astype(float)


def tight_clusters(rng, t, d):
    """Distances within a cluster are lost in the rounding of those between clusters."""
    centers = 1.0 + np.arange(2.0)[:, None] * np.ones(d)
    return centers[rng.integers(0, 2, t)] + 1e-9 * rng.normal(size=(t, d))


def many_scales(rng, t, d):
    return rng.normal(size=(t, d)) * 10.0 ** rng.integers(-8, 8, (t, 1))


def halves(rng, t, d):
    return rng.normal(size=(t, d)).astype(np.float16).astype(float) / 64


@pytest.mark.parametrize(
    "make",
    [
        noise, with_offset, still_pictures, whole_numbers, tight_clusters, many_scales, halves
    ],
)  # fmt: skip
def test_as_by_distances(make, monkeypatch):
    rng = np.random.default_rng(0)
    for d in (1, 2, 8, 33):
        for block in (1, 500, 1 << 22):
            monkeypatch.setattr("tacref.evaluation.nearest.DISTANCES_PER_BLOCK", block)
            videos = [make(rng, t, d) for t in (1, 9, 14)]
            found = nearest(videos)
            for a, x in enumerate(videos):
                for b, y in enumerate(videos):
                    np.testing.assert_array_equal(found[a][b], cdist(x, y, "sqeuclidean").argmin(1))
            gallery = np.concatenate(videos[:2])
            distances = cdist(videos[2], gallery, "sqeuclidean")
            for k in (1, 4, 100):
                np.testing.assert_array_equal(
                    k_nearest(videos[2], gallery, k),
                    np.argsort(distances, axis=1, kind="stable")[:, :k],
                )


def test_the_first_of_equal_frames():
    rng = np.random.default_rng(1)
    for _ in range(60):  # OpenBLAS tells some of these two equal columns apart
        query, row = rng.normal(size=(2, 1, 8))
        assert nearest([query, np.repeat(row, 2, axis=0)])[0][1] == [0]
    negative = np.array([[0.0, 1.0], [-0.0, 1.0]])
    np.testing.assert_array_equal(nearest([negative[1:], negative])[0][1], [0])
    np.testing.assert_array_equal(k_nearest(negative[1:], negative, 2), [[0, 1]])


@pytest.mark.parametrize("scale", [2.0**1000, 2.0**-1000, 2.0**664])
def test_squares_neither_overflow_nor_underflow(scale):
    rng = np.random.default_rng(2)
    videos = [still_pictures(rng, 7, 3) for _ in range(3)]
    for row, scaled_row in zip(nearest(videos), nearest([v * scale for v in videos]), strict=True):
        for found, scaled_found in zip(row, scaled_row, strict=True):
            np.testing.assert_array_equal(found, scaled_found)
    x, y, _ = videos
    np.testing.assert_array_equal(k_nearest(x, y, 6), k_nearest(x * scale, y * scale, 6))
