"""Open begins and ends of DTW against every path: value, path, ties; refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from tacref.reference import dtw, dtw_path
from tests.open_paths import ANY, OPEN, STEPS, cheapest, open_paths
from tests.oracles import inside_band, is_connected

SIDES = st.integers(1, 4)
OPENS = st.sampled_from(OPEN)


def costs(elements):
    return st.tuples(SIDES, SIDES).flatmap(
        lambda shape: arrays(np.float64, shape, elements=elements)
    )


def test_the_oracle_knows_more_paths_where_more_is_open():
    counts = [len(list(open_paths(3, 3, one, other))) for one in OPEN for other in OPEN]
    assert counts[0] == 13  # the Delannoy number
    assert counts[-1] == max(counts)
    assert len(list(open_paths(1, 3, "y", "y"))) == 6


@given(costs(st.integers(0, 2).map(float)), OPENS, OPENS)
def test_value_path_and_ties(D, open_begin, open_end):
    least, path = cheapest(D.tolist(), open_begin, open_end)
    assert dtw(D, open_begin=open_begin, open_end=open_end) == least
    assert_array_equal(dtw_path(D, open_begin=open_begin, open_end=open_end), path)


@given(costs(st.integers(-2, 2).map(float)), OPENS, OPENS)
def test_costs_may_be_negative(D, open_begin, open_end):
    least, path = cheapest(D.tolist(), open_begin, open_end)
    assert dtw(D, open_begin=open_begin, open_end=open_end) == least
    assert_array_equal(dtw_path(D, open_begin=open_begin, open_end=open_end), path)


@given(costs(st.sampled_from([0.0, 1.0, np.inf])), OPENS, OPENS)
def test_forbidden_cells(D, open_begin, open_end):
    least, path = cheapest(D.tolist(), open_begin, open_end)
    options = {"open_begin": open_begin, "open_end": open_end}
    if path is None:
        with pytest.raises(ValueError, match="leave a path of finite costs"):
            dtw_path(D, **options)
    else:
        assert dtw(D, **options) == least
        assert_array_equal(dtw_path(D, **options), path)


@given(costs(st.floats(-10, 10)), OPENS, OPENS)
def test_rounded_costs_and_open_is_never_dearer(D, open_begin, open_end):
    value = dtw(D, open_begin=open_begin, open_end=open_end)
    assert value == pytest.approx(
        cheapest(D.tolist(), open_begin, open_end)[0], rel=1e-13, abs=1e-12
    )
    assert value <= dtw(D)
    path = dtw_path(D, open_begin=open_begin, open_end=open_end)
    assert D[tuple(path.T)].sum() == pytest.approx(value, rel=1e-13, abs=1e-12)


@pytest.mark.parametrize("name", STEPS)
@given(costs(st.sampled_from([0.0, 1.0, 2.0, np.inf])), OPENS, OPENS)
def test_other_steps(name, D, open_begin, open_end):
    steps = STEPS[name]
    least, path = cheapest(D.tolist(), open_begin, open_end, steps)
    options = {"steps": steps, "open_begin": open_begin, "open_end": open_end}
    if path is None:
        for function in (dtw, dtw_path):
            with pytest.raises(ValueError, match=r"leave a path of finite costs|^steps "):
                function(D, **options)
    else:
        assert dtw(D, **options) == least
        assert_array_equal(dtw_path(D, **options), path)


@pytest.mark.parametrize("shape", ["diagonal", "offset", "itakura"])
@pytest.mark.parametrize("name", ["any", *STEPS])
@given(costs(st.integers(0, 2).map(float)), OPENS, OPENS, st.integers(1, 3))
def test_bands_of_every_shape(shape, name, D, open_begin, open_end, band):
    n, m = D.shape
    if shape == "offset":
        band = max(band, abs(n - m))
    inside = inside_band(n, m, band, shape)
    if not is_connected(inside):  # a band lets a path from corner to corner through, or is refused
        with pytest.raises(ValueError, match="band"):
            dtw(D, band=band, band_shape=shape, open_begin=open_begin, open_end=open_end)
        return
    steps = STEPS.get(name, ANY)
    banded = np.where(inside, D, np.inf).tolist()
    least, path = cheapest(banded, open_begin, open_end, steps)
    options = {
        "steps": STEPS.get(name, name),
        "band": band,
        "band_shape": shape,
        "open_begin": open_begin,
        "open_end": open_end,
    }
    if path is None:
        with pytest.raises(ValueError, match=r"^steps |^band must be "):
            dtw(D, **options)
    else:
        assert dtw(D, **options) == least
        assert_array_equal(dtw_path(D, **options), path)


def test_by_hand():
    D = np.array([[5.0, 0, 3, 5], [5, 4, 1, 2]])
    assert_array_equal(dtw_path(D, open_begin="y", open_end="y"), [(0, 1), (1, 2)])
    assert dtw(D, open_begin="y", open_end="y") == 1
    assert dtw(D, open_begin="y") == 3
    assert dtw(D, open_end="y") == 6
    assert dtw(D, open_begin="x", open_end="x") == 5 + 0 + 1 + 2
    assert dtw(D, open_begin="both", open_end="both") == 1


def test_a_band_bounds_open_paths():
    D = np.ones((3, 3))
    D[0, 2] = 0
    assert dtw(D, open_begin="y") == 2  # (0, 2), (1, 2), (2, 2)
    assert dtw(D, open_begin="y", band=1) == 3


@pytest.mark.parametrize("function", [dtw, dtw_path])
@pytest.mark.parametrize(
    ("n", "m", "options", "message"),
    [
        (30, 10, {"steps": "slope", "open_end": "y"}, r"least 0\.5 \(n - 1\) \+ 1 = 16 columns"),
        (10, 30, {"steps": "slope", "open_begin": "x"}, r"at most 2 \(n - 1\) \+ 1 = 19 columns"),
        (4, 4, {"steps": [(0, 1, 1)], "open_end": "y"}, "0,1,1 never go to another row, but n = 4"),
        (
            4,
            4,
            {"steps": [(2, 2, 1)], "open_begin": "y"},
            "2,2,1 leave no path for n = 4 and m = 4 with open_begin 'y' and open_end None",
        ),
        (
            9,
            9,
            {"steps": [(1, 3, 1), (3, 1, 1)], "band": 1, "open_end": "y"},
            r"band must be >= 2 for steps 1,3,1 3,1,1, n = 9 and m = 9, or no path fits, got 1",
        ),
    ],
)
def test_steps_that_lead_nowhere(function, n, m, options, message):
    with pytest.raises(ValueError, match=message):
        function(np.zeros((n, m)), **options)


def test_open_ends_let_steps_through_that_do_not_fit_corners():
    with pytest.raises(ValueError, match="at most 2"):
        dtw(np.zeros((10, 30)), steps="slope")
    assert dtw(np.zeros((10, 30)), steps="slope", open_end="y") == 0
    assert dtw(np.zeros((30, 10)), steps="slope", open_begin="x") == 0
    # A path of one row, where x may both begin and end anywhere.
    D = np.array([[1.0, 1], [0, 0], [1, 1]])
    assert dtw(D, steps=[(0, 1, 1)], open_begin="x", open_end="x") == 0


@pytest.mark.parametrize("function", [dtw, dtw_path])
@pytest.mark.parametrize("name", ["open_begin", "open_end"])
@pytest.mark.parametrize("value", ["z", True, ["x"], ""])
def test_refusals(function, name, value):
    with pytest.raises(ValueError, match=rf"{name} must be None or one of x, y, both, got "):
        function([[1.0]], **{name: value})
