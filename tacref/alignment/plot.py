"""Pictures of an alignment for Python and notebooks, by Matplotlib."""

import base64
import html
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from tacref.alignment.costs import frame_means, mean_costs
from tacref.alignment.distances import LABELS
from tacref.colors import CASING, COST, PATH
from tacref.figures import load_matplotlib, new_figure, ramp_colormap, style, style_matrix

MATRIX_SIDE = 600  # rows or columns of the matrix that is drawn, at most


def plot_alignment(
    x: np.ndarray,
    y: np.ndarray,
    *,
    path: np.ndarray,
    times_x: np.ndarray,
    times_y: np.ndarray,
    step_costs: np.ndarray,
    cost: str,
    axes: Any = None,
) -> Any:
    """Draw the costs of all frames with the path, and the cost over the time of x.

    Parameters
    ----------
    x, y : ndarray of float64, shapes (n, d) and (m, d)
        Embeddings.
    path : ndarray of int64, shape (L, 2)
        Pairs of frames.
    times_x, times_y : ndarray of float64, shapes (n,) and (m,)
        Time of each frame.
    step_costs : ndarray of float64, shape (L,)
        Cost of each step of the path.
    cost : str
        What a pair of frames costs, one of `tacref.alignment.distances.COSTS`.
    axes : sequence of two matplotlib Axes, optional
        For the matrix and for the costs. By default a new figure is made, without `pyplot`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        If there are not two `axes`.
    """
    load_matplotlib()
    from matplotlib.patheffects import Normal, Stroke

    if axes is None:
        axes = new_figure(7.0, 7.5).subplots(2, 1, height_ratios=(4, 1))
    if len(axes) != 2:
        raise ValueError(f"axes must be two, got {len(axes)}")
    matrix, line = axes
    extent = (times_y[0], times_y[-1], times_x[-1], times_x[0])
    if extent[0] == extent[1] or extent[2] == extent[3]:  # a single frame has no extent
        extent = (times_y[0], times_y[-1] + 1.0, times_x[-1] + 1.0, times_x[0])
    picture = matrix.imshow(
        mean_costs(x, y, MATRIX_SIDE, cost), cmap=ramp_colormap(), extent=extent, aspect="auto"
    )
    bar = matrix.figure.colorbar(picture, ax=matrix, label=LABELS[cost])
    bar.outline.set_visible(False)
    i, j = path.T
    cased = [Stroke(linewidth=5, foreground=CASING, alpha=0.75), Normal()]
    matrix.plot(times_y[j], times_x[i], color=PATH, linewidth=2, label="path", path_effects=cased)
    matrix.set(xlabel="time in y", ylabel="time in x")
    costs = frame_means(i, step_costs, len(x))
    line.fill_between(times_x, costs, color=COST, alpha=0.75, linewidth=0)
    line.set(xlabel="time in x", ylabel="cost", ylim=(0, None))
    line.margins(x=0)
    style_matrix(matrix)
    style([line, bar.ax])
    return matrix.figure


def notebook_html(text: str, plot: Callable[[], Any]) -> str:
    """Return what a notebook shows: a text, and below it a figure if Matplotlib is installed."""
    paragraph = f"<p><code>{html.escape(text)}</code></p>"
    try:
        figure = plot()
    except ImportError:  # the text says most of it
        return paragraph
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    source = f"data:image/png;base64,{data}"
    return f'{paragraph}<img alt="Costs of all frames, with the path" src="{source}">'
