"""Open begins and ends with every step set, band and cost: all paths, and the reference."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref import reference
from tacref.alignment import align, dtw, dtw_path, stepwise
from tacref.alignment import bound as bounds
from tacref.alignment.distances import COSTS, distance_matrix
from tacref.alignment.exact import path_within
from tacref.alignment.sweep import make_pair
from tacref.bands import band_columns
from tacref.ends import OpenEnds
from tacref.kernels.costs import ROWS
from tacref.kernels.dtw.tile import TILE
from tacref.steps import check_steps
from tests.alignment.test_open_ends import planted, tied
from tests.open_paths import OPEN, STEPS, cheapest
from tests.oracles import squared_distances

OPENS = st.sampled_from(OPEN)
LENGTHS = st.one_of(st.integers(1, 150), st.integers(1, 3 * TILE + 5))
SEEDS = st.integers(0, 2**32 - 1)


def bands(n, m, slack):
    """Widths of every shape that let a path from corner to corner through."""
    yield {}
    yield {"band": max(1, slack)}
    yield {"band": abs(n - m) + slack, "band_shape": "offset"}
    yield {"band": max(n, m) / min(n, m) + 1 + slack / 50, "band_shape": "itakura"}


def assert_as_reference(x, y, options):
    D = reference.cost_matrix(x, y)
    try:
        expected = reference.dtw(D, **options)
    except ValueError as error:
        for function in (dtw, dtw_path):
            with pytest.raises(ValueError, match=f"^{re.escape(str(error))}$"):
                function(x, y, **options)
        return
    assert dtw(x, y, **options) == expected
    assert_array_equal(dtw_path(x, y, **options), reference.dtw_path(D, **options))


@pytest.mark.parametrize("name", STEPS)
@given(st.integers(1, 4), st.integers(1, 4), SEEDS, OPENS, OPENS)
def test_the_first_of_the_cheapest_of_all_paths(name, n, m, seed, open_begin, open_end):
    x, y = tied(n, m, 1, seed)
    options = {"steps": STEPS[name], "open_begin": open_begin, "open_end": open_end}
    least, path = cheapest(squared_distances(x, y), open_begin, open_end, STEPS[name])
    if path is None:
        with pytest.raises(ValueError, match=r"^steps "):
            dtw(x, y, **options)
        return
    assert dtw(x, y, **options) == least
    assert_array_equal(dtw_path(x, y, **options), path)
    assert_array_equal(align(x, y, **options).path, path)


@pytest.mark.parametrize("name", ["any", *STEPS])
@given(LENGTHS, LENGTHS, SEEDS, OPENS, OPENS, st.integers(0, 200))
def test_value_and_path_are_those_of_the_reference(name, n, m, seed, open_begin, open_end, slack):
    x, y = tied(n, m, 2, seed)
    for band in bands(n, m, slack):
        options = {"open_begin": open_begin, "open_end": open_end, **band}
        assert_as_reference(x, y, {"steps": STEPS.get(name, name), **options})


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("open_begin", OPEN)
def test_blocks_within_blocks(name, open_begin, monkeypatch):
    monkeypatch.setattr(stepwise, "MAX_DIRECTION_BYTES", 0)
    for seed, (n, m) in enumerate([(600, 500), (500, 900), (65, 40)]):
        x, y = tied(n, m, 2, seed)
        for open_end in OPEN:
            for band in ({}, {"band": 40}):
                options = {"open_begin": open_begin, "open_end": open_end, **band}
                assert_as_reference(x, y, {"steps": STEPS[name], **options})


def test_an_end_in_the_last_column_of_any_strip_and_tile():
    for n in (1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS):
        for m in (1, TILE - 1, TILE, TILE + 1):
            x, y = tied(n, m, 1, n + m)
            for steps in ("any", [(1, 0, 1)], [(1, 0, 1), (0, 1, 1)], [(0, 1, 2), (2, 0, 1)]):
                options = {"steps": steps, "open_begin": "both", "open_end": "x"}
                assert_as_reference(x, y, options)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("steps", ["any", "slope"])
@pytest.mark.parametrize("open_begin", OPEN)
def test_every_cost(cost, steps, open_begin):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(70, 3)), rng.normal(size=(110, 3))
    D = distance_matrix(x, y, cost)
    for open_end in OPEN:
        for band in bands(70, 110, 20):
            options = {"steps": steps, "open_begin": open_begin, "open_end": open_end, **band}
            # Costs of the kernels may be rounded otherwise; random costs have no ties.
            assert_allclose(dtw(x, y, cost=cost, **options), reference.dtw(D, **options), 1e-12)
            path = dtw_path(x, y, cost=cost, **options)
            assert_array_equal(path, reference.dtw_path(D, **options))


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("open_begin", OPEN)
def test_a_bound_changes_no_bit_of_any_cost(cost, open_begin, monkeypatch):
    x, y = planted(90, 700, 1, noise=0.3)
    x, y = x + 1e-3, y + 1e-3  # rows of zeros have no cosine
    options = {"cost": cost, "open_begin": open_begin}
    for open_end in OPEN:
        for band in ({}, {"band": 8}, {"band": 12.0, "band_shape": "itakura"}):
            monkeypatch.setattr(bounds, "MIN_SECONDS_FOR_BOUND", np.inf)
            without = [f(x, y, open_end=open_end, **options, **band) for f in (dtw, dtw_path)]
            monkeypatch.setattr(bounds, "MIN_SECONDS_FOR_BOUND", 0.0)
            monkeypatch.setattr(bounds, "MAX_COARSE_COST_SHARE", np.inf)
            bounded = [f(x, y, open_end=open_end, **options, **band) for f in (dtw, dtw_path)]
            assert bounded[0] == without[0]
            assert_array_equal(bounded[1], without[1])


def test_a_band_in_seconds():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(36, 2)), rng.normal(size=(20, 2))
    times = {"times_x": np.arange(36) / 10, "times_y": np.arange(20) / 10}
    lines = np.arange(36) / 35 * 1.9, np.arange(20) / 10
    inside = np.abs(lines[0][:, None] - lines[1]) <= 0.25
    D = np.where(inside, reference.cost_matrix(x, y), np.inf)
    for steps in ("any", "slope"):
        for open_begin in OPEN:
            for open_end in OPEN:
                options = {"steps": steps, "open_begin": open_begin, "open_end": open_end}
                aligned = align(x, y, band_seconds=0.25, **times, **options)
                assert_array_equal(aligned.path, reference.dtw_path(D, **options))


@pytest.mark.parametrize("steps", [[(2, 2, 1)], [(0, 1, 1)]])
def test_a_band_in_seconds_that_steps_do_not_pass(steps):
    times = {"times_x": np.arange(40) / 10, "times_y": np.arange(20) / 10}
    with pytest.raises(ValueError, match=r"reach at least .* got m = 20|never go to another row"):
        align(
            np.zeros((40, 1)),
            np.zeros((20, 1)),
            steps=steps,
            band_seconds=0.3,
            open_begin="y",
            **times,
        )


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("steps", ["any", "slope", [(1, 1, 2), (1, 0, 1), (0, 1, 1)]])
def test_what_an_alignment_says_of_a_stretch(cost, steps):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 4)).cumsum(axis=0)
    y = np.concatenate((x[::-1] + 50, x + 0.01 * rng.normal(size=x.shape), x[::-1] - 50))
    aligned = align(x, y, cost=cost, steps=steps, open_begin="y", open_end="y")
    (first, begin), (last, end) = aligned.path[[0, -1]].tolist()
    assert (first, last) == (0, 59)
    assert 55 < begin < 65
    assert 115 < end < 125
    # Frames outside the stretch do not count: it is as if they were not there.
    cut = align(x, y[begin : end + 1], cost=cost, steps=steps)
    assert_array_equal(cut.path, aligned.path - (0, begin))
    assert aligned.relative_cost == pytest.approx(cut.relative_cost, rel=1e-12)
    assert aligned.relative_cost < 0.1
    assert aligned.mean_cost == pytest.approx(cut.mean_cost, rel=1e-12)
    assert np.isnan(aligned.matches_y[:begin]).all()
    assert np.isnan(aligned.matches_y[end + 1 :]).all()
    assert_allclose(aligned.matches_y[begin : end + 1], cut.matches_y)
    assert not np.isnan(aligned.matches_x).any()
    record = json.loads(json.dumps(aligned.to_json(), allow_nan=False))
    assert record["matches_y"][:begin] == [None] * begin


def test_skipped_frames_lie_between_and_others_are_off_the_path():
    x = np.arange(5.0)[:, None]
    y = np.array([7.0, 7, 0, 9, 1, 2, 3, 9, 4, 7])[:, None]
    aligned = align(x, y, steps="slope", open_begin="y", open_end="y")
    assert aligned.cost == 0.0
    assert_array_equal(aligned.path[:, 1], [2, 4, 5, 6, 8])
    nan = np.nan
    assert_allclose(aligned.matches_y, [nan, nan, 0, 0.5, 1, 2, 3, 3.5, 4, nan])


def test_progress_rises_to_the_whole():
    x, y = tied(300, 900, 1, 8)
    checked, ends, shares = check_steps("slope"), OpenEnds("y", "y"), []
    path = path_within(x, y, band_columns(300, 900, None), checked, "l1", ends)
    pair = make_pair(x, y, cost="l1", open_begin="y")
    assert_array_equal(stepwise.steps_path(pair, checked, "y", progress=shares.append), path)
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert 0.3 < shares[-1] <= 1


@pytest.mark.parametrize("function", [align, dtw, dtw_path])
def test_refusals(function):
    x, y = np.zeros((30, 1)), np.zeros((10, 1))
    with pytest.raises(ValueError, match=r"reach at least 0\.5 \(n - 1\) \+ 1 = 16 columns"):
        function(x, y, steps="slope", open_begin="y", open_end="y")
    with pytest.raises(ValueError, match="open_end must be None or one of x, y, both, got 'z'"):
        function(x, y, steps="slope", open_end="z")


@pytest.mark.parametrize(
    ("n", "m", "steps"), [(1, 3, "slope"), (3, 1, "slope"), (1, 3, "asymmetric")]
)
def test_a_band_in_seconds_of_clips_without_duration_checks_the_steps(n, m, steps):
    times = {"times_x": np.arange(n) / 10, "times_y": np.arange(m) / 10}
    with pytest.raises(ValueError, match="reach at"):
        align(np.zeros((n, 1)), np.zeros((m, 1)), steps=steps, band_seconds=1.0, **times)
