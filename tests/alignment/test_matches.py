"""Matches of a short video in a long one: all paths, the reference, bounds, blocks; refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref import reference
from tacref.alignment import dtw, dtw_path, find_matches
from tacref.alignment import matches as module
from tacref.alignment.matches import find_paths
from tacref.alignment.path import Blocks
from tacref.alignment.sweep import make_pair
from tacref.kernels.costs import ROWS
from tacref.kernels.dtw.tile import TILE
from tests import open_paths
from tests.alignment.test_exact import Bar
from tests.alignment.test_open_ends import planted, tied
from tests.oracles import squared_distances

SEEDS = st.integers(0, 2**32 - 1)


def greedy(x, y, count):
    """Matches by the reference, with columns forbidden one match after the other."""
    D = reference.cost_matrix(x, y)
    found = []
    while len(found) < count and np.isfinite(D).any():
        cost = reference.dtw(D, open_begin="y", open_end="y")
        path = reference.dtw_path(D, open_begin="y", open_end="y")
        found.append((cost, path))
        D[:, path[0, 1] : path[-1, 1] + 1] = np.inf
    return found


def assert_same(found, expected):
    assert [cost for cost, _ in found] == [cost for cost, _ in expected]
    for (_, path), (_, right) in zip(found, expected, strict=True):
        assert_array_equal(path, right)


@given(st.integers(1, 3), st.integers(1, 5), SEEDS, st.integers(1, 5))
def test_greedy_over_all_paths(n, m, seed, count):
    x, y = tied(n, m, 1, seed)
    expected = open_paths.matches(squared_distances(x, y), count)
    if count > len(expected):
        with pytest.raises(ValueError, match=r"matches must be at most \d, "):
            find_matches(x, y, matches=count)
        return
    found = find_matches(x, y, matches=count)
    assert [(match.begin, match.end, match.cost) for match in found] == [
        each[:3] for each in expected
    ]
    for match, (_, _, cost, path) in zip(found, expected, strict=True):
        assert_array_equal(match.path, path)
        assert match.mean_cost == cost / len(path)


@given(st.integers(1, 200), st.integers(1, 5 * TILE), SEEDS, st.integers(1, 6))
def test_any_blocks_any_threads_any_bound(n, m, seed, count):
    x, y = planted(n, m, seed)
    expected = greedy(x, y, count)
    middle = expected[len(expected) // 2][0]
    original, module._plan = module._plan, lambda pair: Blocks(ROWS, TILE)
    try:
        for bound, threads in ((np.inf, 1), (middle, 3), (expected[-1][0], 2), (0.0, 1)):
            assert_same(
                find_paths(make_pair(x, y, open_begin="y"), count, bound, threads=threads), expected
            )
    finally:
        module._plan = original
    assert_same(find_paths(make_pair(x, y, open_begin="y"), count), expected)


@pytest.mark.parametrize(
    ("n", "m", "seed", "count"),
    [(27, 184, 4195779082, 3), (8, 345, 1835295430, 4), (56, 214, 3893875791, 4)],
)
def test_costs_above_a_bound_that_is_too_low_are_not_taken(n, m, seed, count, monkeypatch):
    monkeypatch.setattr(module, "_plan", lambda pair: Blocks(ROWS, TILE))
    x, y = planted(n, m, seed)
    assert_same(
        find_paths(make_pair(x, y, open_begin="y"), count, 0.0, threads=1), greedy(x, y, count)
    )


def test_repetitions_are_found_one_by_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).cumsum(axis=0)
    noise = [0.01, 0.05, 0.2]
    y = rng.normal(size=(9000, 4)).cumsum(axis=0) + 200
    begins = 7000, 300, 4000
    for begin, scale in zip(begins, noise, strict=True):
        y[begin : begin + 200] = x + scale * rng.normal(size=x.shape)
    times = np.arange(9000) / 25
    found = find_matches(x, y, matches=3, times_x=times[:200], times_y=times)
    assert [(match.begin, match.end) for match in found] == [(b, b + 200) for b in begins]
    assert [match.begin_time for match in found] == [280, 12, 160]
    assert [match.end_time for match in found] == [288, 20, 168]
    assert found[0].cost < found[1].cost < found[2].cost
    assert_array_equal(found[0].path_times, times[found[0].path])
    assert found[0].cost == dtw(x, y, open_begin="y", open_end="y")
    assert_array_equal(found[0].path, dtw_path(x, y, open_begin="y", open_end="y"))
    rows, columns = found[2].path.T
    # A cost of 4 terms and a sum along the path, in another order.
    assert_allclose(found[2].cost, ((x[rows] - y[columns]) ** 2).sum(), rtol=1e-12)
    assert_allclose(found[2].mean_cost, found[2].cost / len(rows), rtol=1e-12)


def test_few_columns_are_searched_again(monkeypatch):
    x, y = planted(150, 20_000, seed=1)
    for begin in (3000, 9000, 15_000):
        y[begin : begin + 150] = x
    areas, sweep = [], module.run_sweep

    def counted(pair, area, *arguments, **options):
        if pair.n == 150:
            areas.append((area.column_start, area.column_stop))
        sweep(pair, area, *arguments, **options)

    monkeypatch.setattr(module, "run_sweep", counted)
    # As many as the averages tell, then more, for which all columns are looked at once more.
    for count, whole in ((3, 1), (6, 2)):
        areas.clear()
        found = [(match.cost, match.path) for match in find_matches(x, y, matches=count)]
        assert_same(found, greedy(x, y, count))
        assert areas.count((0, 20_000)) <= whole
        rest = [stop - start for start, stop in areas if stop - start < 20_000]
        assert sum(rest) < 2000 * count


def test_the_last_match_ends_with_the_video():
    x, y = np.array([[1.0], [2.0]]), np.array([[5.0], [1.0], [2.0]])
    (match,) = find_matches(x, y, times_y=[0.0, 0.5, 1.5])
    assert (match.begin, match.end, match.begin_time, match.end_time) == (1, 3, 0.5, 2.25)
    (match,) = find_matches([[1.0]], [[2.0]])
    assert (match.begin_time, match.end_time, match.cost) == (0, 1, 1)


def test_inputs_stay():
    x, y = tied(10, 40, 2, seed=2)
    copies = x.copy(), y.copy()
    for array in (x, y):
        array.flags.writeable = False
    find_matches(x, y, matches=3)
    assert_array_equal(x, copies[0])
    assert_array_equal(y, copies[1])


def test_progress_rises_to_the_whole(monkeypatch):
    monkeypatch.setattr("tqdm.tqdm", Bar)
    x, y = tied(100, 3000, 2, seed=3)
    find_matches(x, y, matches=3, progress=True)
    assert Bar.made.options["total"] == Bar.made.n == 3000
    assert min(Bar.made.steps) >= 0


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.zeros((0, 2)), np.zeros((3, 2)), {}, r"x must have shape .* got \(0, 2\)"),
        (np.zeros((3, 2)), np.zeros((0, 2)), {}, r"y must have shape .* got \(0, 2\)"),
        (np.zeros((3, 2)), np.zeros((3, 1)), {}, r"same d, got shapes \(3, 2\) and \(3, 1\)"),
        ([[np.nan]], [[1.0]], {}, "x must be finite"),
        ([[1e160]], [[1.0]], {}, "stay finite"),
        ([[1.0]], [[1.0]], {"matches": 0}, "matches must be a whole number >= 1, got 0"),
        ([[1.0]], [[1.0]], {"matches": 1.0}, r"matches must be a whole number >= 1, got 1\.0"),
        ([[1.0]], [[1.0]], {"matches": True}, "matches must be a whole number >= 1, got True"),
        ([[1.0]], [[1.0]], {"matches": 2}, "matches must be at most 1, the frames of y, got 2"),
        (
            [[1.0], [2.0]],
            [[1.0], [2.0]],
            {"matches": 2},
            "matches must be at most 1, as many as fit without overlap .* got 2",
        ),
        ([[1.0]], [[1.0]], {"times_y": [1, 2]}, r"times_y must have shape \(1,\)"),
    ],
)
def test_refusals(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        find_matches(x, y, **options)
