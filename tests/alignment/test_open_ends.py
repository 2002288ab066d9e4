"""Open begins and ends of two embeddings: all paths, the reference, blocks, threads, bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref import reference
from tacref.alignment import align, dtw, dtw_path
from tacref.alignment import bound as bounds
from tacref.alignment.bound import upper_bound
from tacref.alignment.path import Blocks, find_path
from tacref.alignment.sweep import make_borders, make_pair, no_storage, run_sweep, whole_area
from tacref.bands import band_columns
from tacref.ends import find_end
from tacref.kernels.costs import ROWS
from tacref.kernels.dtw.tile import TILE
from tests.open_paths import OPEN, cheapest
from tests.oracles import squared_distances

OPENS = st.sampled_from(OPEN)
LENGTHS = st.one_of(st.integers(1, 150), st.integers(1, 3 * TILE + 5))
SEEDS = st.integers(0, 2**32 - 1)
BANDS = st.one_of(st.none(), st.integers(0, 200))


def tied(n, m, d, seed):
    """Embeddings of few whole numbers: costs are exact in any order, and many are equal."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, 3, (length, d)).astype(np.float64) for length in (n, m))


def planted(n, m, seed, noise=0.0):
    """A walk of whole numbers, and one that shows part of it, or some of it in between."""
    rng = np.random.default_rng(seed)
    walk = rng.integers(-2, 3, (n, 2)).cumsum(axis=0).astype(np.float64)
    y = rng.integers(-2, 3, (m, 2)).cumsum(axis=0) + 20.0
    length = min(n, m)
    begin = int(rng.integers(0, m - length + 1))
    y[begin : begin + length] = walk[np.sort(rng.integers(0, n, length))]
    return walk, y + np.rint(noise * rng.normal(size=y.shape))


def offset_pair(x, y, band, open_begin):
    columns = band_columns(len(x), len(y), band, "offset")
    return make_pair(x, y, columns, open_begin=open_begin)


@given(st.integers(1, 4), st.integers(1, 4), SEEDS, OPENS, OPENS)
def test_the_first_of_the_cheapest_of_all_paths(n, m, seed, open_begin, open_end):
    x, y = tied(n, m, 1, seed)
    options = {"open_begin": open_begin, "open_end": open_end}
    least, path = cheapest(squared_distances(x, y), open_begin, open_end)
    assert dtw(x, y, **options) == least
    assert_array_equal(dtw_path(x, y, **options), path)
    assert_array_equal(align(x, y, **options).path, path)


@given(LENGTHS, LENGTHS, st.integers(1, 3), SEEDS, OPENS, OPENS, BANDS)
def test_value_and_path_are_those_of_the_reference(n, m, d, seed, open_begin, open_end, slack):
    x, y = tied(n, m, d, seed)
    band = None if slack is None else abs(n - m) + slack
    options = {"band": band, "band_shape": "offset", "open_begin": open_begin, "open_end": open_end}
    D = reference.cost_matrix(x, y)
    assert dtw(x, y, **options) == reference.dtw(D, **options)
    expected = reference.dtw_path(D, **options)
    assert_array_equal(dtw_path(x, y, **options), expected)
    pair = offset_pair(x, y, band, open_begin)
    for blocks, threads in ((Blocks(ROWS, TILE), 1), (Blocks(2 * ROWS, 2 * TILE), 3)):
        path = find_path(pair, blocks, open_end=open_end, threads=threads)
        assert_array_equal(path, expected)


@given(LENGTHS, LENGTHS, SEEDS, OPENS, OPENS, BANDS)
def test_the_tightest_bound_changes_no_bit(n, m, seed, open_begin, open_end, slack):
    x, y = planted(n, m, seed)
    band = None if slack is None else abs(n - m) + slack
    options = {"band": band, "band_shape": "offset", "open_begin": open_begin, "open_end": open_end}
    D = reference.cost_matrix(x, y)
    least, path = reference.dtw(D, **options), reference.dtw_path(D, **options)
    pair = offset_pair(x, y, band, open_begin)
    row, left = make_borders(pair)
    run_sweep(pair, whole_area(pair, least), row, left, no_storage(), threads=2)
    assert find_end(row[1:], left[1:], open_end).cost == least
    for blocks in (Blocks(ROWS, TILE), Blocks(8 * ROWS, 2 * TILE)):
        assert_array_equal(find_path(pair, blocks, least, open_end=open_end, threads=2), path)


@pytest.mark.parametrize("open_begin", OPEN)
@pytest.mark.parametrize("open_end", OPEN)
@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (90, 700), (700, 90), (640, 640)])
def test_the_bound_is_the_cost_of_an_open_path(shape, open_begin, open_end, monkeypatch):
    monkeypatch.setattr(bounds, "MIN_SECONDS_FOR_BOUND", 0.0)
    monkeypatch.setattr(bounds, "MAX_COARSE_COST_SHARE", np.inf)
    options = {"band_shape": "offset", "open_begin": open_begin, "open_end": open_end}
    for seed in range(3):
        x, y = planted(*shape, seed, noise=0.3 * seed)
        D = reference.cost_matrix(x, y)
        for band in (None, abs(shape[0] - shape[1]) + 20):
            least = reference.dtw(D, band=band, **options)
            pair = offset_pair(x, y, band, open_begin)
            assert upper_bound(x, y, pair, whole_area(pair), open_end) >= least
            assert dtw(x, y, band=band, **options) == least
            expected = reference.dtw_path(D, band=band, **options)
            assert_array_equal(dtw_path(x, y, band=band, **options), expected)


def test_a_planted_part_leaves_most_out():
    x, y = planted(500, 6000, seed=1)
    pair = make_pair(x, y, open_begin="y")
    bound = upper_bound(x, y, pair, whole_area(pair), "y")
    assert bound < np.inf
    row, left = make_borders(pair)
    run_sweep(pair, whole_area(pair, bound), row, left, no_storage())
    assert np.isinf(row).mean() > 0.5


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_no_bit(threads):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(400, 7)), rng.normal(size=(1500, 7))
    pair = make_pair(x, y, open_begin="both")
    row, left = make_borders(pair)
    run_sweep(pair, whole_area(pair), row, left, no_storage(), threads=threads)
    for open_end in OPEN:
        assert find_end(row[1:], left[1:], open_end).cost == dtw(
            x, y, open_begin="both", open_end=open_end
        )


def test_values_that_are_rounded():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(120, 9)), rng.normal(size=(400, 9))
    D = reference.cost_matrix(x, y)
    for open_begin in OPEN:
        for open_end in OPEN:
            options = {"open_begin": open_begin, "open_end": open_end}
            # A cost of 9 terms may be summed in another order; all terms are positive.
            assert_allclose(dtw(x, y, **options), reference.dtw(D, **options), rtol=1e-13)
            assert_array_equal(dtw_path(x, y, **options), reference.dtw_path(D, **options))


def test_swapped_videos():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(200, 3))
    one = dtw_path(x, y, open_begin="y", open_end="y")
    other = dtw_path(y, x, open_begin="x", open_end="x")
    assert_array_equal(one, other[:, ::-1])


@pytest.mark.parametrize("function", [dtw, dtw_path, align])
@pytest.mark.parametrize("name", ["open_begin", "open_end"])
def test_refusals(function, name):
    for value in ("z", True, "X", 1):
        with pytest.raises(ValueError, match=rf"{name} must be None or one of x, y, both, got "):
            function([[1.0]], [[1.0]], **{name: value})


def closed(pair):
    row, left = np.full(pair.m + 1, np.inf), np.full(pair.n + 1, np.inf)
    left[0] = 0.0
    return row, left


def test_a_border_that_is_forgotten_is_found(monkeypatch):
    x, y = tied(90, 400, 1, seed=8)
    expected = reference.dtw(reference.cost_matrix(x, y), open_begin="y", open_end="y")
    assert dtw(x, y, open_begin="y", open_end="y") == expected
    monkeypatch.setattr("tacref.alignment.exact.make_borders", closed)
    assert dtw(x, y, open_begin="y", open_end="y") != expected
