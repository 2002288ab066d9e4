"""DTW by other steps: against every path, by hand; how far steps reach; refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from tacref import reach
from tacref.bands import BAND_SHAPES, band_columns
from tacref.reach import check_steps_reach
from tacref.reference import dtw, dtw_path
from tacref.steps import STEPS, check_steps, steps_from_text
from tests import oracles

# Written out, so that a change of the names is seen.
SETS = {
    "any": [(1, 1, 1), (1, 0, 1), (0, 1, 1)],
    "slope": [(1, 1, 1), (1, 2, 1), (2, 1, 1)],
    "asymmetric": [(1, 0, 1), (1, 1, 1), (1, 2, 1)],
    "weighted": [(1, 1, 2), (0, 1, 1), (1, 0, 1)],
    "free skips": [(1, 1, 1), (0, 1, 0), (3, 0, 0.5)],
    "along y": [(0, 1, 1), (0, 2, 1.5), (1, 1, 1), (2, 3, 0.25)],
    "knight": [(1, 2, 1), (2, 1, 0.5)],
}
TIED = st.integers(0, 2).map(float)
costs = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=TIED)
)


def public(name):
    return name if name in STEPS else SETS[name]


@pytest.mark.parametrize("name", SETS)
@given(D=costs)
def test_value_and_path_are_the_best_of_all_paths(name, D):
    expected, path = oracles.steps_dtw(D.tolist(), SETS[name])
    if path is None:
        for function in (dtw, dtw_path):
            with pytest.raises(ValueError, match=r"reach|lead|never"):
                function(D, steps=public(name))
    else:
        assert dtw(D, steps=public(name)) == expected
        found = dtw_path(D, steps=public(name))
        assert found.dtype == np.int64
        assert_array_equal(found, path)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("shape", BAND_SHAPES)
@given(D=costs, slack=st.integers(0, 3))
def test_every_step_set_in_every_band(name, shape, D, slack):
    n, m = D.shape
    band = slack + {"diagonal": 0, "offset": abs(n - m), "itakura": 1}[shape]
    inside = oracles.inside_band(n, m, band, shape)
    options = {"band": band, "band_shape": shape, "steps": public(name)}
    expected, path = oracles.steps_dtw(np.where(inside, D, np.inf).tolist(), SETS[name])
    if path is None or not oracles.is_connected(inside):
        with pytest.raises(ValueError, match=r"no path|reach|lead|never"):
            dtw(D, **options)
    else:
        assert dtw(D, **options) == expected
        assert_array_equal(dtw_path(D, **options), path)


@pytest.mark.parametrize("name", SETS)
def test_cells_that_are_forbidden(name):
    D = np.array([[0, 1, 2, 3], [np.inf, 0, 1, np.inf], [1, np.inf, 0, 1], [2, 1, 0, 0]])
    expected, path = oracles.steps_dtw(D.tolist(), SETS[name])
    if path is None:
        with pytest.raises(ValueError, match="across every path"):
            dtw(D, steps=public(name))
    else:
        assert dtw(D, steps=public(name)) == expected
        assert_array_equal(dtw_path(D, steps=public(name)), path)


def test_worked_by_hand():
    D = np.array([[1, 9, 9, 9], [9, 9, 2, 9], [9, 3, 9, 4]])
    # (0, 0), (1, 2), (2, 3): a step of two columns skips (1, 1), which costs nothing.
    assert dtw(D, steps="slope") == 1 + 2 + 4
    assert_array_equal(dtw_path(D, steps="slope"), [[0, 0], [1, 2], [2, 3]])
    assert dtw(D, steps=[(1, 2, 3), (1, 1, 5)]) == 1 + 3 * 2 + 5 * 4


def test_a_list_of_the_steps_of_equation_2_is_any():
    rng = np.random.default_rng(0)
    D = rng.integers(0, 3, (30, 40)).astype(float)
    assert check_steps([(1, 1, 1), (1, 0, 1), (0, 1, 1)]).are_any
    assert not check_steps([(1, 0, 1), (1, 1, 1), (0, 1, 1)]).are_any
    assert dtw(D, steps=[(1, 1, 1), (1, 0, 1), (0, 1, 1)]) == dtw(D)
    # In another order: the same cost, by another path where there are ties.
    assert dtw(D, steps=[(0, 1, 1), (1, 0, 1), (1, 1, 1)]) == dtw(D)


def test_weights_that_count_the_lengths():
    # Sakoe and Chiba's symmetric weights: every path of ones costs n + m.
    D = np.ones((7, 12))
    assert dtw(D, steps=[(1, 1, 2), (1, 0, 1), (0, 1, 1)]) == 7 + 12 - 1


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("slope", "slope"),
        ("1,1,1 1,2,1 2,1,1", [(1, 1, 1.0), (1, 2, 1.0), (2, 1, 1.0)]),
        (" 1,0,0.5   0,1,2e-1 ", [(1, 0, 0.5), (0, 1, 0.2)]),
    ],
)
def test_steps_from_text(text, steps):
    assert steps_from_text(text) == steps


@pytest.mark.parametrize("text", ["steep", "1,1", "1,1,1;1,2,1", "1,1,x", "a,1,1", "1.5,1,1"])
def test_text_that_is_none(text):
    with pytest.raises(ValueError, match=r"steps must be any, slope, asymmetric, or rows,columns"):
        steps_from_text(text)


def test_no_text_and_steps_that_are_refused():
    with pytest.raises(ValueError, match="steps must be 1 to 64, got 0"):
        steps_from_text(" ")
    with pytest.raises(ValueError, match=r"steps\[0\] must go on by a row or a column"):
        steps_from_text("0,0,1")


@pytest.mark.parametrize("function", [dtw, dtw_path])
@pytest.mark.parametrize(
    ("n", "m", "options", "message"),
    [
        (10, 30, {"steps": "slope"}, r'"slope" reach at most 2 \(n - 1\) \+ 1 = 19 columns .* 30'),
        (30, 10, {"steps": "slope"}, r"reach at least 0\.5 \(n - 1\) \+ 1 = 16 columns .* m = 10"),
        (1, 3, {"steps": "slope"}, r'"slope" reach at most 1 columns for n = 1, got m = 3'),
        (5, 10, {"steps": "asymmetric"}, r"reach at most 2 \(n - 1\) \+ 1 = 9 columns .* m = 10"),
        (4, 4, {"steps": [(2, 2, 1)]}, r"2,2,1 do not lead from \(0, 0\) to \(3, 3\)"),
        (4, 4, {"steps": [(0, 1, 1)]}, r"steps 0,1,1 never go to another row, but n = 4"),
        (
            9,
            9,
            {"steps": [(1, 3, 1), (3, 1, 1)], "band": 1},
            r"band must be >= 2 for steps 1,3,1 3,1,1, n = 9 and m = 9, or no path fits, got 1",
        ),
        (3, 3, {"steps": "steep"}, "steps must be one of any, slope, asymmetric or a list .* 'st"),
        (3, 3, {"steps": 3}, r"steps must be a name or a list of \(rows, columns, weight\), got 3"),
        (3, 3, {"steps": [1, 2]}, r"steps must be a name or a list of .* got \[1, 2\]"),
        (3, 3, {"steps": []}, "steps must be 1 to 64, got 0"),
        (3, 3, {"steps": [(1, 1)]}, r"steps\[0\] must be \(rows, columns, weight\), got \(1, 1\)"),
        (3, 3, {"steps": [(1, 1, 1), (-1, 1, 1)]}, r"steps\[1\] must go a whole .* rows, got -1"),
        (3, 3, {"steps": [(1, 1.0, 1)]}, r"steps\[0\] must go a whole .* columns, got 1\.0"),
        (3, 3, {"steps": [(65, 1, 1)]}, r"steps\[0\] must go at most 64 rows, got 65"),
        (3, 3, {"steps": [(0, 0, 1)]}, r"steps\[0\] must go on by a row or a column"),
        (3, 3, {"steps": [(1, 1, -1)]}, r"steps\[0\] must have a weight >= 0 and finite, got -1"),
        (3, 3, {"steps": [(1, 1, np.nan)]}, r"steps\[0\] must have a weight .* got nan"),
        (3, 3, {"steps": [(1, 1, 1e7)]}, r"steps\[0\] must have a weight of at most 1e\+06"),
        (3, 3, {"steps": [(1, 1, 1), (1, 1, 2)]}, "steps must differ in rows or columns"),
    ],
)
def test_refusals(function, n, m, options, message):
    with pytest.raises(ValueError, match=message):
        function(np.zeros((n, m)), **options)


def test_the_width_that_is_named_fits():
    steps = [(1, 3, 1), (3, 1, 1)]
    assert dtw(np.zeros((9, 9)), steps=steps, band=2) == 0
    assert band_columns(9, 9, 2).first[4] == 2


def test_columns_of_a_band_that_steps_fit_in():
    for steps in ("any", "slope"):
        first, stop = check_steps_reach(check_steps(steps), 90, 100, 3)
        expected = band_columns(90, 100, 3)
        assert_array_equal(first, expected.first)
        assert_array_equal(stop, expected.stop)


@pytest.mark.parametrize(
    ("steps", "n", "m", "band", "shape"),
    [
        ([(1, 5, 1), (5, 1, 1)], 31, 31, 1, "diagonal"),
        ([(1, 5, 1), (5, 1, 1)], 31, 31, 1.0, "itakura"),
        ([(1, 12, 1), (12, 1, 1)], 14, 14, 2, "offset"),
    ],
)
def test_the_least_width_is_named(steps, n, m, band, shape):
    checked = check_steps(steps)
    with pytest.raises(ValueError, match=r"band must be >= \d+ for steps .* or no path fits") as no:
        check_steps_reach(checked, n, m, band, shape)
    least = int(str(no.value).split(">= ")[1].split(" ")[0])
    check_steps_reach(checked, n, m, least, shape)
    with pytest.raises(ValueError, match="no path"):
        check_steps_reach(checked, n, m, least - 1, shape)


def test_long_sequences_get_no_width_named(monkeypatch):
    monkeypatch.setattr(reach, "_MAX_CELLS_SEARCHED", 0)
    with pytest.raises(ValueError, match=r"band must be wider for steps 1,3,1 3,1,1, n = 9"):
        check_steps_reach(check_steps([(1, 3, 1), (3, 1, 1)]), 9, 9, 1)


def test_no_width_suffices_for_itakura():
    # Its corners leave a path by equation 2's steps at any slope, but never this first step.
    with pytest.raises(ValueError, match=r"band must be wider for steps 0,1,1 1,1,1 2,0,1"):
        check_steps_reach(check_steps([(0, 1, 1), (1, 1, 1), (2, 0, 1)]), 4, 3, 3.0, "itakura")
