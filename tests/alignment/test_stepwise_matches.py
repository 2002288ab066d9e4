"""Matches by other steps and of other costs: all paths, the reference, free stretches; refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref import reference
from tacref.alignment import find_matches, stepwise_matches
from tacref.alignment import matches as module
from tacref.alignment.distances import COSTS, distance_matrix
from tacref.kernels.dtw.tile import TILE
from tacref.steps import check_steps
from tests import open_paths
from tests.alignment.test_exact import Bar
from tests.alignment.test_open_ends import planted, tied
from tests.open_paths import STEPS
from tests.oracles import squared_distances

SEEDS = st.integers(0, 2**32 - 1)
OPEN_Y = {"open_begin": "y", "open_end": "y"}


def greedy(D, count, steps):
    """Matches by the reference, each the best of all free stretches, the first one of ties."""
    free, found = [(0, D.shape[1])], []
    while len(found) < count:
        best = None
        for begin, stop in free:
            try:
                cost = reference.dtw(D[:, begin:stop], steps=steps, **OPEN_Y)
            except ValueError:
                continue
            if best is None or cost < best[0]:
                best = cost, begin, stop
        if best is None:
            break
        cost, begin, stop = best
        path = reference.dtw_path(D[:, begin:stop], steps=steps, **OPEN_Y) + (0, begin)  # noqa: RUF005
        found.append((cost, path))
        free.remove((begin, stop))
        free += [(begin, path[0, 1]), (path[-1, 1] + 1, stop)]
        free = sorted((one, other) for one, other in free if one < other)
    return found


def assert_same(found, expected):
    assert [cost for cost, _ in found] == [cost for cost, _ in expected]
    for (_, path), (_, right) in zip(found, expected, strict=True):
        assert_array_equal(path, right)


@pytest.mark.parametrize("name", STEPS)
@given(st.integers(1, 3), st.integers(1, 6), SEEDS, st.integers(1, 4))
def test_greedy_over_all_paths(name, n, m, seed, count):
    x, y = tied(n, m, 1, seed)
    expected = open_paths.matches(squared_distances(x, y), count, STEPS[name])
    if count > len(expected):
        with pytest.raises(ValueError, match=r"^matches must be at most \d, |^steps "):
            find_matches(x, y, matches=count, steps=STEPS[name])
        return
    found = find_matches(x, y, matches=count, steps=STEPS[name])
    assert [(match.begin, match.end, match.cost) for match in found] == [
        each[:3] for each in expected
    ]
    for match, (*_, path) in zip(found, expected, strict=True):
        assert_array_equal(match.path, path)


@pytest.mark.parametrize("name", STEPS)
@given(st.integers(1, 100), st.integers(1, 4 * TILE), SEEDS, st.integers(1, 5))
def test_matches_are_those_of_the_reference(name, n, m, seed, count):
    x, y = planted(min(n, m), m, seed)
    found = stepwise_matches.find_paths_by_steps(
        x, y, check_steps(STEPS[name]), "sqeuclidean", count
    )
    assert_same(found, greedy(reference.cost_matrix(x, y), count, STEPS[name]))


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("steps", ["any", "slope", [(1, 1, 2), (1, 0, 1), (0, 1, 1)]])
@pytest.mark.parametrize("seconds", [0.0, np.inf])  # with a bound, and without
def test_every_cost(cost, steps, seconds, monkeypatch):
    monkeypatch.setattr(module, "MIN_SECONDS_FOR_BOUND", seconds)
    rng = np.random.default_rng(4)
    x = rng.normal(size=(80, 3)).cumsum(axis=0)
    y = rng.normal(size=(900, 3)).cumsum(axis=0)
    for begin in (100, 500):
        y[begin : begin + 80] = x + 0.1 * rng.normal(size=x.shape)
    expected = greedy(distance_matrix(x, y, cost), 3, steps)
    found = find_matches(x, y, matches=3, cost=cost, steps=steps)
    checked = check_steps(steps)
    for match, (total, path) in zip(found, expected, strict=True):
        # Costs of the kernels may be rounded otherwise; random costs have no ties.
        assert match.cost == pytest.approx(total, rel=1e-12)
        assert_array_equal(match.path, path)
        moves = np.diff(path, axis=0)
        weights = 1 + (0 if checked.label != "1,1,2 1,0,1 0,1,1" else moves.sum(axis=1) - 1)
        weight = 1 + np.broadcast_to(weights, len(moves)).sum()
        assert match.mean_cost == pytest.approx(total / weight, rel=1e-12)
    assert sorted(match.begin // 50 for match in found[:2]) == [2, 10]


def test_a_step_does_not_pass_over_a_match():
    x, y = np.array([[0.0], [1.0]]), np.array([[-0.6], [0.5], [1.6]])
    first, second = find_matches(x, y, matches=2, steps="asymmetric")
    assert (first.begin, first.end, first.cost) == (1, 2, 0.5)
    # From (0, 0) to (1, 2) it would be 0.72, over the frame that is taken.
    assert (second.begin, second.end) == (0, 1)
    assert second.cost == pytest.approx(0.36 + 2.56)


def test_stretches_before_a_match_are_not_searched_again(monkeypatch):
    x, y = planted(60, 5000, seed=1)
    for begin in (1000, 3000, 4500):
        y[begin : begin + 60] = x + np.array([[begin / 1e4, 0]])
    searched, search = [], stepwise_matches._search

    def noted(x, y, begin, stop, *rest):
        searched.append((begin, stop))
        return search(x, y, begin, stop, *rest)

    monkeypatch.setattr(stepwise_matches, "_search", noted)
    found = find_matches(x, y, matches=3, steps="slope")
    ends = [match.end for match in found]
    assert searched[0] == (0, 5000)
    assert all(begin in ends for begin, _ in searched[1:])
    assert len(searched) <= 3


def test_only_the_columns_that_steps_reach_are_traced(monkeypatch):
    x, y = planted(60, 5000, seed=2)
    widths, trace = [], stepwise_matches.steps_path_to

    def noted(pair, *rest):
        widths.append(pair.m)
        return trace(pair, *rest)

    monkeypatch.setattr(stepwise_matches, "steps_path_to", noted)
    for steps in ("slope", "asymmetric"):
        found = find_matches(x, y, steps=steps)
        assert widths.pop() <= 2 * 59 + 1
        D = reference.cost_matrix(x, y)
        assert_array_equal(found[0].path, reference.dtw_path(D, steps=steps, **OPEN_Y))


def test_times_and_progress(monkeypatch):
    monkeypatch.setattr("tqdm.tqdm", Bar)
    x, y = planted(60, 2000, seed=3)
    times = np.arange(2000) / 25
    found = find_matches(x, y, matches=2, steps="slope", times_y=times, progress=True)
    assert Bar.made.options["total"] == Bar.made.n == 2000
    assert min(Bar.made.steps) >= 0
    assert_allclose([match.begin_time for match in found], [match.begin / 25 for match in found])


@pytest.mark.parametrize(
    ("n", "m", "options", "message"),
    [
        (30, 10, {"steps": "slope"}, r"reach at least 0\.5 \(n - 1\) \+ 1 = 16 columns .* m = 10"),
        (3, 3, {"steps": [(0, 1, 1)]}, "0,1,1 never go to another row, but n = 3"),
        (3, 3, {"steps": "slope", "matches": 2}, "matches must be at most 1, as many as fit"),
        (3, 3, {"steps": "steep"}, "steps must be one of any, slope, asymmetric"),
        (3, 3, {"cost": "manhattan"}, "cost must be one of .* got 'manhattan'"),
        (3, 3, {"cost": "cosine"}, "x must not hold rows of zeros"),
        (3, 3, {"cost": "cosine", "steps": "slope"}, "x must not hold rows of zeros"),
    ],
)
def test_refusals(n, m, options, message):
    with pytest.raises(ValueError, match=message):
        find_matches(np.zeros((n, 1)), np.zeros((m, 1)), **options)
