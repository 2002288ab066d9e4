"""Costs, steps and bands of `align`: by definition, with all that an alignment says of itself."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref import reference
from tacref.alignment import align, alignment, dtw, dtw_path
from tacref.alignment.costs import frame_means, mean_cost_of_all, mean_costs
from tacref.alignment.distances import COSTS, distance_matrix

SEEDS = st.integers(0, 2**32 - 1)


def plain_cost(a, b, cost):
    """Cost of two rows, by definition."""
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    if cost == "l1":
        return math.fsum(abs(p - q) for p, q in pairs)
    if cost == "cosine":
        return 1 - math.fsum(p * q for p, q in pairs) / (math.hypot(*a) * math.hypot(*b))
    squares = math.fsum((p - q) ** 2 for p, q in pairs)
    return math.sqrt(squares) if cost == "euclidean" else squares


def plain_matrix(x, y, cost):
    return np.array([[plain_cost(a, b, cost) for b in y] for a in x])


def embeddings(n, m, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d))


@pytest.mark.parametrize("cost", COSTS)
@given(n=st.integers(1, 130), m=st.integers(1, 220), d=st.integers(1, 9), seed=SEEDS)
def test_values_and_paths_of_every_cost(cost, n, m, d, seed):
    x, y = embeddings(n, m, d, seed)
    y[m // 2] = x[n // 3]
    D = plain_matrix(x, y, cost)
    aligned = align(x, y, cost=cost)
    # 1 - cos of near rows loses digits in the definition, not in the code.
    assert_allclose(aligned.D, D, rtol=1e-12, atol=1e-15)
    assert aligned.D[n // 3, m // 2] == 0.0
    expected = reference.dtw(aligned.D)
    assert_allclose(dtw(x, y, cost=cost), expected, rtol=1e-12, atol=1e-15)
    assert_allclose(aligned.cost, expected, rtol=1e-12, atol=1e-15)
    assert_allclose(aligned.step_costs, aligned.D[tuple(aligned.path.T)], rtol=1e-12)
    assert_allclose(dtw(x, y, cost=cost, steps=[(1, 0, 1), (1, 1, 1), (0, 1, 1)]), expected)


@pytest.mark.parametrize("cost", COSTS)
def test_equal_rows_cost_exactly_nothing(cost):
    x = np.random.default_rng(0).normal(size=(300, 37)) * 10.0 ** np.arange(-18, 19)
    assert dtw(x, x, cost=cost) == 0.0
    assert dtw(x, np.repeat(x, 2, axis=0), cost=cost) == 0.0
    assert dtw(x, x, cost=cost, steps="slope") == 0.0
    assert align(x, x, cost=cost).cost == 0.0
    assert align(x, x, cost=cost).relative_cost == 0.0


def test_cosine_does_not_see_lengths():
    x, y = embeddings(20, 30)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (20, 1))
    assert_allclose(dtw(x * lengths, y, cost="cosine"), dtw(x, y, cost="cosine"), rtol=1e-12)
    assert_allclose(dtw(x[:1], -x[:1], cost="cosine"), 2.0, rtol=1e-15)
    # Squares of these overflow or vanish; their cosine does not.
    assert_allclose(dtw(1e300 * x, 1e-300 * y, cost="cosine"), dtw(x, y, cost="cosine"))


@pytest.mark.parametrize("cost", COSTS)
def test_mean_costs_of_pairs_and_pictures(cost):
    x, y = embeddings(50, 40)
    D = distance_matrix(x, y, cost)
    assert_allclose(mean_cost_of_all(x, y, cost), D.mean(), rtol=1e-12)
    assert_allclose(mean_costs(x, y, 50, cost), D, rtol=1e-12)
    small = mean_costs(x, y, 10, cost)
    assert small.shape == (10, 8)
    if cost in ("sqeuclidean", "cosine"):
        assert_allclose(small, D.reshape(10, 5, 8, 5).mean(axis=(1, 3)), rtol=1e-12)
    else:
        assert (small <= D.reshape(10, 5, 8, 5).mean(axis=(1, 3)) + 1e-12).all()


def test_long_videos_have_a_sampled_mean_cost():
    x, y = embeddings(5000, 3000)
    every = distance_matrix(x, y, "l1").mean()
    assert mean_cost_of_all(x, y, "l1") == pytest.approx(every, rel=0.03)


def test_mismatch_of_distances_is_judged_by_the_root():
    x, y = embeddings(60, 60)
    assert align(x, y).mismatch_cost == alignment.MISMATCH_COST == 0.4
    assert align(x, y, cost="cosine").mismatch_cost == 0.4
    assert align(x, y, cost="euclidean").mismatch_cost == pytest.approx(0.4**0.5)
    line = np.linspace(0, 1, 60)[:, None]
    for cost in ("sqeuclidean", "euclidean", "l1"):
        assert align(line, line[::-1], cost=cost).mismatch
        assert not align(line, line**2, cost=cost).mismatch


def test_steps_that_skip_frames():
    x = np.arange(5.0)[:, None]
    y = np.array([0.0, 9, 1, 2, 3, 9, 4])[:, None]
    aligned = align(x, y, steps="slope", times_y=np.arange(7) / 10)
    assert aligned.cost == 0.0
    assert_array_equal(aligned.path, [(0, 0), (1, 2), (2, 3), (3, 4), (4, 6)])
    # The frames that are skipped lie between their neighbors.
    assert_allclose(aligned.matches_y, [0, 0.5, 1, 2, 3, 3.5, 4])
    assert_allclose(aligned.matches_x, [0, 0.2, 0.3, 0.4, 0.6])
    other = align(y, x, steps="slope")
    assert_allclose(other.matches_x, [0, 0.5, 1, 2, 3, 3.5, 4])
    json.dumps(aligned.to_json(), allow_nan=False)


def test_weighted_steps_cost_what_dtw_says():
    x, y = embeddings(30, 40)
    steps = [(1, 1, 2), (1, 0, 1), (0, 1, 1)]
    aligned = align(x, y, steps=steps)
    assert_allclose(aligned.cost, dtw(x, y, steps=steps), rtol=1e-12)
    moves = np.diff(aligned.path, axis=0).sum(axis=1)
    assert_array_equal(aligned.step_weights, [1, *moves])
    assert_allclose(aligned.mean_cost, aligned.cost / (30 + 40 - 1), rtol=1e-12)
    assert align(x, y).step_weights is None


def test_frame_means_off_the_path():
    frames, values = np.array([1, 1, 3]), np.array([2.0, 4.0, 5.0])
    assert_array_equal(frame_means(frames, values, 5), [np.nan, 3, 4, 5, np.nan])


def test_band_in_seconds():
    x, y = np.zeros((40, 1)), np.zeros((20, 1))
    times_x, times_y = np.arange(40) / 10, 5 + np.arange(20) / 10
    lines = times_x / times_x[-1] * 1.9, (times_y - 5) / 1.9 * 1.9
    rng = np.random.default_rng(0)
    x, y = x + rng.normal(size=x.shape), y + rng.normal(size=y.shape)
    inside = np.abs(lines[0][:, None] - lines[1]) <= 0.25
    D = np.where(inside, reference.cost_matrix(x, y), np.inf)
    aligned = align(x, y, times_x=times_x, times_y=times_y, band_seconds=0.25)
    assert_array_equal(aligned.path, reference.dtw_path(D))
    swapped = align(y, x, times_x=times_y, times_y=times_x, band_seconds=0.25)
    assert_array_equal(swapped.path[:, ::-1], aligned.path)


def test_seconds_of_whole_frames_are_those_frames():
    x, y = embeddings(60, 60)
    times = np.arange(60) / 30
    for frames in (1, 3, 7):
        aligned = align(x, y, times_x=times, times_y=times + 9, band_seconds=frames / 30)
        assert_array_equal(aligned.path, dtw_path(x, y, band=frames))


def test_seconds_and_steps():
    x, y = embeddings(60, 50)
    options = {"times_x": np.arange(60) / 30, "times_y": np.arange(50) / 30}
    path = align(x, y, steps="slope", band_seconds=0.2, **options).path
    assert_array_equal(path, align(x, y, steps="slope", band_seconds=0.2, **options).path)
    assert {tuple(move) for move in np.diff(path, axis=0)} <= {(1, 1), (1, 2), (2, 1)}
    # A clip of one time, or of one frame, has no line to stay near.
    still = align(x, y, times_x=np.zeros(60), times_y=options["times_y"], band_seconds=0.01)
    assert_array_equal(still.path, dtw_path(x, y))


def test_the_seconds_that_are_named_suffice():
    times_x = np.array([0.0, 0.1, 0.2, 3.0, 3.1])  # frames are missing in the middle
    x, y = embeddings(5, 32)
    options = {"times_x": times_x, "times_y": np.arange(32) / 10}
    with pytest.raises(
        ValueError, match=r"band_seconds must be >= [\d.]+ for clips of 5 and 32"
    ) as no:
        align(x, y, band_seconds=0.2, **options)
    least = float(str(no.value).split(">= ")[1].split(" ")[0])
    align(x, y, band_seconds=least, **options)
    with pytest.raises(ValueError, match="no path fits"):
        align(x, y, band_seconds=0.95 * least, **options)


TIMES = {"times_x": np.arange(6) / 10, "times_y": np.arange(8) / 10}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost": "manhattan"}, "cost must be one of sqeuclidean, euclidean, cosine, l1, got 'man"),
        ({"cost": None}, "cost must be one of .* got None"),
        ({"steps": "steep"}, "steps must be one of any, slope, asymmetric or a list"),
        ({"band": 0}, "band must be >= 1 for n = 6 and m = 8"),
        ({"band": 2, "band_shape": "round"}, "band_shape must be one of .* got 'round'"),
        ({"band_seconds": 1.0}, "band_seconds needs times_x and times_y"),
        ({"band_seconds": 1.0, "times_x": TIMES["times_x"]}, "band_seconds needs times_x and tim"),
        ({"band_seconds": 1.0, "band": 3, **TIMES}, "only one of band and band_seconds .* 3 and 1"),
        (
            {"band_seconds": 1.0, "band_shape": "itakura", **TIMES},
            "band_seconds follows the line .* got 'itakura'",
        ),
        ({"band_seconds": 0, **TIMES}, "band_seconds must be finite and > 0, got 0"),
        ({"band_seconds": "2s", **TIMES}, "band_seconds must be a number, got '2s'"),
        ({"band_seconds": 0.05, **TIMES}, r"must be at least a frame, 0\.0714 s .* got 0\.05"),
        (
            {"band_seconds": 1.0, **TIMES, "times_x": [0, 1, 2, 1.5, 3, 4]},
            r"times_x must not decrease for band_seconds, got 1\.5 after 2\.0 at frame 3",
        ),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        align(*embeddings(6, 8), **options)


@pytest.mark.parametrize("function", [align, dtw, dtw_path])
def test_rows_of_zeros_have_no_cosine(function):
    x, y = embeddings(6, 8)
    y[5] = 0.0
    with pytest.raises(ValueError, match=r"y must not hold rows of zeros, .* got one at row 5"):
        function(x, y, cost="cosine")
    with pytest.raises(ValueError, match=r"x must not hold rows of zeros, .* got one at row 5"):
        function(y, x, cost="cosine")


@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean", "l1"])
def test_values_whose_squares_overflow(cost):
    with pytest.raises(ValueError, match=r"stay finite .* got values up to 1e\+160 and 0\.0"):
        dtw([[1e160]], [[0.0]], cost=cost)
