"""Plots and the notebook's view of an alignment."""

import sys

import numpy as np
import pytest

from tacref.alignment import align
from tacref.colors import PATH, ramp


@pytest.fixture
def alignment():
    rng = np.random.default_rng(0)
    return align(rng.normal(size=(12, 2)), rng.normal(size=(9, 2)), times_x=np.arange(12) / 25)


def test_the_plot_shows_the_path_and_the_costs(alignment):
    figure = alignment.plot()
    matrix, costs = figure.axes[:2]
    (line,) = matrix.lines
    np.testing.assert_array_equal(line.get_xydata(), alignment.path_times[:, ::-1])
    (image,) = matrix.images
    np.testing.assert_allclose(image.get_array(), alignment.D, rtol=1e-9)
    assert costs.get_xlabel() == "time in x"
    assert "matplotlib.pyplot" not in vars(sys.modules["tacref.alignment.plot"])


def test_the_plot_looks_like_the_report(alignment):
    figure = alignment.plot()
    matrix = figure.axes[0]
    figure.canvas.draw()
    first, last = (matrix.transData.transform((0, time))[1] for time in alignment.times_x[[0, -1]])
    assert first > last  # time in x runs downward
    assert matrix.xaxis.get_ticks_position() == "top"
    assert matrix.lines[0].get_color() == PATH
    np.testing.assert_allclose(matrix.images[0].cmap(np.arange(256))[:, :3], ramp(256) / 255)


def test_axes_of_ones_own(alignment):
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots(1, 2)
    assert alignment.plot(axes) is figure
    with pytest.raises(ValueError, match="axes must be two, got 1"):
        alignment.plot(axes[:1])


def test_what_a_notebook_shows(alignment, monkeypatch):
    assert repr(alignment).startswith("Alignment(12 and 9 frames, ")
    shown = alignment._repr_html_()
    assert "Alignment(12 and 9 frames" in shown
    assert "data:image/png;base64," in shown
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "<img" not in alignment._repr_html_()


def test_one_frame_against_one():
    assert align([[0.0]], [[1.0]]).plot() is not None


@pytest.mark.parametrize("opened", ["x", "y", "both"])
def test_frames_off_the_path_have_no_cost(opened):
    rng = np.random.default_rng(1)
    alignment = align(
        rng.normal(size=(9, 2)), rng.normal(size=(30, 2)), open_begin=opened, open_end=opened
    )
    figure = alignment.plot()
    figure.canvas.draw()
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), alignment.path_times[:, ::-1])
