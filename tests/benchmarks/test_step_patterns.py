"""The comparison of steps and bands with other libraries: what it prints, and that it can fail."""

import numpy as np
import pytest

from benchmarks import step_patterns
from benchmarks.step_patterns import Comparison, compare, main
from tacref.reference import dtw_path

SLOPE = {"steps": "slope"}


def same(D, x, y):
    return dtw_path(D, **SLOPE)


def another(D, x, y):
    return dtw_path(D)


def refuse(D, x, y):
    raise RuntimeError("no path")


def test_the_same_path():
    assert compare(Comparison("p", "w", SLOPE, same), (30, 40)) == "same path"


@pytest.mark.parametrize("fault", [another, refuse])
def test_a_difference_is_seen(fault):
    assert compare(Comparison("p", "w", SLOPE, fault), (30, 40)).startswith("DIFFERS")


def test_no_path_in_either():
    assert compare(Comparison("p", "w", SLOPE, refuse), (10, 30)) == "no path in either"
    assert compare(Comparison("p", "w", SLOPE, another), (10, 30)).startswith("DIFFERS")


def test_wrong_costs_of_the_same_path_are_seen(monkeypatch):
    monkeypatch.setattr(step_patterns, "_cost", lambda D, path, steps: np.nan_to_num(np.inf))
    assert "along a path that costs" in compare(Comparison("p", "w", SLOPE, same), (30, 40))


def test_the_table(capsys, monkeypatch):
    monkeypatch.setattr(step_patterns, "PEERS", {"numpy": "numpy", "gone": "no_such_module"})
    monkeypatch.setattr(
        step_patterns,
        "comparisons",
        lambda: [Comparison("numpy", "slope", SLOPE, same), Comparison("gone", "", {}, refuse)],
    )
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("not installed: gone\n")
    assert out.count("| numpy | slope | ") == out.count("same path") == len(step_patterns.SHAPES)
    assert main(["--require-peers"]) == 1
    monkeypatch.setattr(
        step_patterns, "comparisons", lambda: [Comparison("numpy", "slope", SLOPE, another)]
    )
    assert main([]) == 1
