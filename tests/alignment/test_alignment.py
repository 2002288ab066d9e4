"""Alignment: the path against all paths, matched times by hand, plain JSON, refusals."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tacref.alignment import align
from tacref.alignment import alignment as alignment_module
from tacref.reference import dtw_path


def paths(n, m):
    """Every path from (0, 0) to (n-1, m-1) with steps (1, 0), (0, 1), (1, 1)."""
    if n == 1 and m == 1:
        yield ((0, 0),)
        return
    for down, right in ((1, 1), (1, 0), (0, 1)):
        if n > down and m > right:
            for path in paths(n - down, m - right):
                yield (*path, (n - 1, m - 1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 3), (3, 5), (5, 4)])
def test_the_cheapest_of_all_paths(shape):
    rng = np.random.default_rng(sum(shape))
    x, y = (rng.normal(size=(length, 3)) for length in shape)
    D = ((x[:, None] - y[None]) ** 2).sum(-1)
    totals = {path: sum(D[cell] for cell in path) for path in paths(*shape)}
    best = min(totals, key=totals.__getitem__)
    alignment = align(x, y)
    assert_array_equal(alignment.path, best)
    # float64 sums of a few terms of order 1, in another order
    assert_allclose(alignment.D, D, rtol=1e-13)
    assert_allclose(alignment.cost, totals[best], rtol=1e-13)
    assert_allclose(alignment.mean_cost, totals[best] / len(best), rtol=1e-13)
    assert_allclose(alignment.step_costs, [D[cell] for cell in best], rtol=1e-13)


def test_matched_times_by_hand():
    # y shows x's frames 0, 1, 1, 2: its two middle frames both match x's frame 1.
    x, y = [[0.0], [5.0], [9.0]], [[0.0], [5.0], [5.0], [9.0]]
    alignment = align(x, y, times_x=[0.0, 1.0, 3.0], times_y=[10.0, 10.5, 11.5, 12.0])
    assert_array_equal(alignment.path, [(0, 0), (1, 1), (1, 2), (2, 3)])
    assert alignment.cost == 0.0
    assert_array_equal(alignment.matches_x, [10.0, 11.0, 12.0])
    assert_array_equal(alignment.matches_y, [0.0, 1.0, 1.0, 3.0])
    assert_array_equal(alignment.path_times, [(0, 10), (1, 10.5), (1, 11.5), (3, 12)])


def test_swapping_the_videos_swaps_the_answer():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=(9, 4))  # ties have probability 0
    one, other = align(x, y), align(y, x)
    assert_array_equal(one.path, other.path[:, ::-1])
    assert_array_equal(one.matches_x, other.matches_y)


def test_a_video_with_itself_and_inputs_untouched():
    x = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    x.flags.writeable = False
    alignment = align(x, x)
    assert alignment.cost == 0.0
    assert_array_equal(alignment.path, np.stack((np.arange(20),) * 2, 1))
    assert_array_equal(alignment.times_x, np.arange(20))


def test_json_is_plain_and_whole():
    rng = np.random.default_rng(2)
    alignment = align(rng.normal(size=(4, 2)), rng.normal(size=(6, 2)), times_y=np.arange(6) / 25)
    read = json.loads(json.dumps(alignment.to_json(), allow_nan=False))
    assert (read["frames_x"], read["frames_y"]) == (4, 6)
    assert (read["cost"], read["mean_cost"]) == (alignment.cost, alignment.mean_cost)
    for name in ("path", "path_times", "step_costs"):
        assert len(read[name]) == len(alignment.path)
    for name in ("path", "path_times", "step_costs", "times_x", "times_y"):
        assert_array_equal(read[name], getattr(alignment, name))
    for name, length in (("matches_x", 4), ("matches_y", 6)):
        assert len(read[name]) == length
        assert_array_equal(read[name], getattr(alignment, name))


@pytest.mark.parametrize(
    ("x", "y", "times", "message"),
    [
        (np.zeros(3), np.zeros((3, 1)), {}, r"x must have shape \(frames, d\)"),
        (np.zeros((3, 1)), np.zeros((0, 1)), {}, r"y must have shape .* got \(0, 1\)"),
        (np.zeros((3, 1)), np.zeros((3, 2)), {}, r"same d, got shapes \(3, 1\) and \(3, 2\)"),
        (np.full((3, 1), np.nan), np.zeros((3, 1)), {}, "x must be finite, got .*nan"),
        (np.zeros((3, 1)), np.zeros((2, 1)), {"times_x": [0, 1]}, r"times_x .*\(3,\).* \(2,\)"),
        (np.zeros((3, 1)), np.zeros((2, 1)), {"times_y": [0, np.inf]}, "times_y must be finite"),
    ],
)
def test_refusals(x, y, times, message):
    with pytest.raises(ValueError, match=message):
        align(x, y, **times)


def test_band():
    x, y = np.zeros((6, 1)), np.ones((7, 1))
    x[0] = y[:5] = 9.0
    assert np.ptp(align(x, y).path, axis=1).max() == 4
    alignment = align(x, y, band=2)
    assert_array_equal(alignment.path, dtw_path(alignment.D, band=2))
    assert np.ptp(alignment.path, axis=1).max() <= 2
    with pytest.raises(ValueError, match=r"band must be >= 1 for n = 6 and m = 7, .* got 0"):
        align(x, y, band=0)


def test_only_the_matrix_is_limited(monkeypatch):
    monkeypatch.setattr(alignment_module, "MAX_CELLS", 12)
    assert align(np.zeros((3, 1)), np.zeros((4, 1))).D.shape == (3, 4)
    alignment = align(np.zeros((13, 1)), np.ones((1, 1)))
    assert alignment.cost == 13.0
    assert alignment.to_json()["frames_x"] == 13
    with pytest.raises(ValueError, match="D must have at most 12 cells, got 13 x 1"):
        assert alignment.D is None


def test_relative_cost():
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 4, 60)
    x = np.stack((np.cos(angles), np.sin(angles)), 1)
    y = x[::2] + 0.05 * rng.normal(size=(30, 2))
    alignment = align(x, y)
    # The mean cost of any two frames, by its definition.
    assert_allclose(alignment.relative_cost, alignment.mean_cost / alignment.D.mean(), rtol=1e-12)
    assert alignment.relative_cost < 0.05
    assert not alignment.mismatch
    assert_allclose(align(3 * x + 7, 3 * y + 7).relative_cost, alignment.relative_cost, rtol=1e-9)
    still = np.ones((50, 2))
    for one, other in ((x, still), (still, x), (still, still), (still, -still), (x[:1], x[:1])):
        assert align(one, other).relative_cost == pytest.approx(1)
        assert align(one, other).mismatch
    assert align(x, x[rng.permutation(60)]).relative_cost > 0.4
    assert align(x, x).relative_cost == 0
    assert align(np.zeros((3, 2)), np.zeros((4, 2))).mismatch


def test_frames_off_an_open_path_match_nothing():
    x, y = [[1.0], [2.0]], [[9.0], [1.0], [2.0], [2.0], [7.0]]
    alignment = align(x, y, open_begin="y", open_end="y", times_y=[0.0, 1.0, 2.0, 4.0, 5.0])
    assert_array_equal(alignment.path, [(0, 1), (1, 2)])  # the earliest of equally cheap ends
    assert_array_equal(alignment.matches_x, [1, 2])
    assert_array_equal(alignment.matches_y, [np.nan, 0, 1, np.nan, np.nan])
    assert alignment.cost == alignment.relative_cost == 0.0
    read = json.loads(json.dumps(alignment.to_json(), allow_nan=False))
    assert read["matches_y"] == [None, 0, 1, None, None]
    assert (read["frames_x"], read["frames_y"]) == (2, 5)
    other = align(y, x, open_begin="x", open_end="x")
    assert_array_equal(other.matches_x, [np.nan, 0, 1, np.nan, np.nan])


def test_relative_cost_is_that_of_the_stretch_on_the_path():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(30, 3)), 0.1 * rng.normal(size=(30, 3))
    y = np.concatenate((rng.normal(size=(40, 3)) + 50, x + noise, rng.normal(size=(20, 3)) - 50))
    alignment = align(x, y, open_begin="y", open_end="y")
    begin, end = alignment.path[0, 1], alignment.path[-1, 1] + 1
    assert (begin, end) == (40, 70)
    assert_allclose(alignment.relative_cost, align(x, y[begin:end]).relative_cost, rtol=1e-12)
    assert_allclose(alignment.relative_cost, alignment.mean_cost / alignment.D[:, 40:70].mean())
