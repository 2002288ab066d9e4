"""Pictures of embeddings: time runs as in the report, and the videos can be told apart."""

import numpy as np
from numpy.testing import assert_allclose

from tacref.colors import ramp
from tacref.evaluation.plots import plot_similarity, plot_trajectories


def videos(count):
    rng = np.random.default_rng(0)
    return {f"{k}.mp4": rng.normal(size=(9 + k, 3)).cumsum(axis=0) for k in range(count)}


def test_similarity_runs_downward_and_is_dark_where_alike():
    figure = plot_similarity(videos(3))
    matrix = figure.axes[0]
    (image,) = matrix.images
    figure.canvas.draw()
    first, last = (matrix.transData.transform((0, row))[1] for row in (0, 8))
    assert first > last  # the first frame on top
    assert matrix.xaxis.get_ticks_position() == "top"
    assert matrix.xaxis.get_label_position() == "top"
    assert_allclose(image.cmap(np.arange(256))[:, :3], ramp(256) / 255)
    assert ramp(256)[0].sum() < ramp(256)[-1].sum()


def test_each_of_twelve_videos_has_a_line_of_its_own():
    figure = plot_trajectories(videos(13))
    over_time = figure.axes[1]
    looks = {(line.get_color(), line.get_linestyle()) for line in over_time.lines}
    assert len(over_time.lines) == len(looks) == 12
    texts = [text.get_text() for text in over_time.get_legend().get_texts()]
    assert texts == [f"{k}.mp4" for k in range(12)]
    figure.canvas.draw()
    legend = over_time.get_legend().get_window_extent()
    assert legend.x0 >= over_time.get_window_extent().x1 - 1  # next to the lines
    assert legend.x1 <= figure.bbox.x1
