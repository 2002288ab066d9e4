"""Averages over the cells of a grid, against sums written out with fractions."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacref.data.cells import WHOLE, CellGrid, Crop, cell_averages, draw_crop

SHARES = st.integers(-4, 12).map(lambda eighths: Fraction(eighths, 8))


def average(line, cells, begin, end):
    """Integrate the line, a step function whose ends go on, over each cell."""
    edges = [len(line) * (begin + (end - begin) * Fraction(i, cells)) for i in range(cells + 1)]
    averages = []
    for low, high in itertools.pairwise(edges):
        steps = sorted({low, high, *(Fraction(i) for i in range(len(line) + 1) if low < i < high)})
        total = Fraction(0)
        for a, b in itertools.pairwise(steps):
            place = min(max(int((a + b) / 2 // 1), 0), len(line) - 1)
            total += (b - a) * line[place]
        averages.append(float(total / (high - low)))
    return averages


@given(
    line=st.lists(st.integers(-9, 9), min_size=1, max_size=9),
    cells=st.integers(1, 6),
    begin=SHARES,
    side=st.integers(1, 12),
)
def test_cells_are_averages_of_a_line_whose_ends_go_on(line, cells, begin, side):
    end = begin + Fraction(side, 8)
    weights = cell_averages(len(line), cells, float(begin), float(end))
    np.testing.assert_allclose(weights @ line, average(line, cells, begin, end), atol=1e-5)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize(("kept", "cells"), [((8, 6), (4, 3)), ((7, 7), (4, 4)), ((1, 1), (1, 1))])
def test_a_crop_averages_rows_and_columns_apart(kept, cells):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, *kept, 5)).astype(np.float16)
    crop = Crop((-0.1, 0.8), (0.25, 1.5))
    averages = CellGrid(kept, cells).average(features.reshape(3, -1), crop)
    assert averages.dtype == np.float32
    down = cell_averages(kept[0], cells[0], *crop.vertical).astype(np.float64)
    across = cell_averages(kept[1], cells[1], *crop.horizontal).astype(np.float64)
    expected = np.einsum("ah,thwc,bw->tabc", down, features.astype(np.float64), across)
    np.testing.assert_allclose(averages, expected.reshape(3, -1), atol=1e-5)


def test_the_whole_of_a_grid_as_it_is_kept_is_itself():
    features = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, -1)
    np.testing.assert_array_equal(CellGrid((3, 4), (3, 4)).average(features, WHOLE), features)


def test_drawn_crops_move_the_center_and_the_sides():
    rng = np.random.default_rng(0)
    spans = np.array([draw_crop(rng) for _ in range(2000)])  # (2000, 2, 2)
    sides, centers = np.diff(spans)[..., 0], spans.mean(2)
    for bounds, values in (((0.6, 1.3), sides), ((0.3, 0.7), centers)):
        assert bounds[0] <= values.min() < bounds[0] + 0.01
        assert bounds[1] - 0.01 < values.max() <= bounds[1]
    assert abs(np.corrcoef(sides.T)[0, 1]) < 0.1
