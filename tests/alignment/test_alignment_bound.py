"""What is left out for a bound changes no bit; the bound is never below the least cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tacref import reference
from tacref.alignment import bound as bounds
from tacref.alignment import dtw, dtw_path
from tacref.alignment.bound import upper_bound
from tacref.alignment.path import Blocks, find_path
from tacref.alignment.sweep import make_borders, make_pair, no_storage, run_sweep, whole_area
from tacref.bands import band_columns
from tacref.kernels.costs import ROWS
from tacref.kernels.dtw.tile import TILE

LENGTHS = st.integers(1, 5 * TILE)


def videos(n, m, seed, noise=0.0, d=2):
    """A walk of whole numbers at two paces, so that costs are exact and many are equal."""
    rng = np.random.default_rng(seed)
    walk = rng.integers(-1, 2, (max(n, m), d)).cumsum(axis=0).astype(np.float64)
    pairs = [walk[np.sort(rng.integers(0, len(walk), length))] for length in (n, m)]
    return tuple(frames + np.rint(noise * rng.normal(size=frames.shape)) for frames in pairs)


def bound_of(x, y, band=None):
    pair = make_pair(x, y, band_columns(len(x), len(y), band, "offset"))
    return upper_bound(x, y, pair, whole_area(pair))


def swept(pair, bound, threads=1):
    row, left = make_borders(pair)
    run_sweep(pair, whole_area(pair, bound), row, left, no_storage(), threads=threads)
    return row


@pytest.fixture
def always(monkeypatch):
    """Look for a bound however small the pair is, and however little it promises."""
    monkeypatch.setattr(bounds, "MIN_SECONDS_FOR_BOUND", 0.0)
    monkeypatch.setattr(bounds, "MAX_COARSE_COST_SHARE", np.inf)


bands = st.one_of(st.none(), st.integers(0, 200))
cases = given(LENGTHS, LENGTHS, st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 50]), bands)


@cases
def test_the_tightest_bound_changes_no_bit(n, m, seed, noise, slack):
    x, y = videos(n, m, seed, noise)
    band = None if slack is None else abs(n - m) + slack
    D = reference.cost_matrix(x, y)
    options = {"band": band, "band_shape": "offset"}
    least, path = reference.dtw(D, **options), reference.dtw_path(D, **options)
    pair = make_pair(x, y, band_columns(n, m, band, "offset"))
    for bound, threads in ((least, 1), (least, 3), (1.5 * least, 2)):
        assert swept(pair, bound, threads)[-1] == least
        for blocks in (Blocks(ROWS, TILE), Blocks(8 * ROWS, 2 * TILE)):
            assert_array_equal(find_path(pair, blocks, bound, threads=threads), path)


# The fixture changes constants only, once for all examples.
@pytest.mark.usefixtures("always")
class TestAlways:
    @pytest.mark.parametrize("noise", [0, 1, 50])
    @pytest.mark.parametrize(
        "shape", [(1, 1), (1, 300), (300, 1), (64, 96), (500, 350), (777, 900)]
    )
    def test_bound_and_answers(self, shape, noise):
        for seed in range(4):
            x, y = videos(*shape, seed, noise)
            D = reference.cost_matrix(x, y)
            for band in (None, abs(shape[0] - shape[1]), abs(shape[0] - shape[1]) + 30):
                options = {"band": band, "band_shape": "offset"}
                least = reference.dtw(D, **options)
                assert bound_of(x, y, band) >= least
                assert dtw(x, y, **options) == least
                assert_array_equal(dtw_path(x, y, **options), reference.dtw_path(D, **options))
            for band in (1, 20):
                assert dtw(x, y, band=band) == reference.dtw(D, band=band)
                assert_array_equal(dtw_path(x, y, band=band), reference.dtw_path(D, band=band))

    def test_rounded_costs(self):
        rng = np.random.default_rng(0)
        for seed in range(5):
            x, y = (
                frames + 0.1 * rng.normal(size=frames.shape) for frames in videos(900, 800, seed)
            )
            pair = make_pair(x, y)
            bound, least = upper_bound(x, y, pair, whole_area(pair)), swept(pair, np.inf)[-1]
            assert least <= bound < 1.5 * least
            assert dtw(x, y) == least
            # The tightest bound of all, to the last bit.
            assert swept(pair, least)[-1] == least

    def test_a_band_off_the_corridor_gives_no_bound(self):
        x = np.concatenate((np.zeros(500), np.arange(1, 101)))[:, None]
        y = np.concatenate((np.arange(100), np.full(500, 100)))[:, None].astype(float)
        assert bound_of(x, y, 3) == np.inf
        assert dtw(x, y, band=3) == reference.dtw(reference.cost_matrix(x, y), band=3)


def test_similar_videos_leave_most_out():
    x, y = videos(2000, 2000, seed=1, d=8)
    pair = make_pair(x, y)
    assert upper_bound(x, y, pair, whole_area(pair)) < np.inf
    assert np.isinf(swept(pair, upper_bound(x, y, pair, whole_area(pair)))).mean() > 0.5
    assert np.isfinite(swept(pair, np.inf)[1:]).all()


def test_no_bound_where_it_does_not_pay():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 1500, 20))
    assert bound_of(x, y) == np.inf  # nothing to tell frames apart
    x, y = videos(100, 100, seed=3)
    assert bound_of(x, y) == np.inf  # done sooner


def test_a_bound_too_low_is_not_taken_for_an_answer():
    x, y = videos(500, 500, seed=4, noise=1)
    pair = make_pair(x, y)
    least = swept(pair, np.inf)[-1]
    assert swept(pair, 0.9 * least)[-1] > 0.9 * least
