"""Pictures of an alignment for Python and notebooks, by Matplotlib."""

import base64
import html
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from tacref.alignment.costs import mean_costs
from tacref.figures import new_figure

MATRIX_SIDE = 600  # rows or columns of the matrix that is drawn, at most
_PATH, _COST = "#d9622b", "#2f7253"


def plot_alignment(
    x: np.ndarray,
    y: np.ndarray,
    *,
    path: np.ndarray,
    times_x: np.ndarray,
    times_y: np.ndarray,
    step_costs: np.ndarray,
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
    if axes is None:
        axes = new_figure(7.0, 7.5).subplots(2, 1, height_ratios=(4, 1))
    if len(axes) != 2:
        raise ValueError(f"axes must be two, got {len(axes)}")
    matrix, line = axes
    extent = (times_y[0], times_y[-1], times_x[-1], times_x[0])
    if extent[0] == extent[1] or extent[2] == extent[3]:  # a single frame has no extent
        extent = (times_y[0], times_y[-1] + 1.0, times_x[-1] + 1.0, times_x[0])
    picture = matrix.imshow(
        mean_costs(x, y, MATRIX_SIDE), cmap="cividis", extent=extent, aspect="auto"
    )
    matrix.figure.colorbar(picture, ax=matrix, label="squared distance")
    i, j = path.T
    matrix.plot(times_y[j], times_x[i], color=_PATH, linewidth=2, label="path")
    matrix.set(xlabel="time in y", ylabel="time in x", title="Every frame against every frame")
    sums, steps = np.bincount(i, step_costs, len(x)), np.bincount(i, minlength=len(x))
    costs = np.divide(sums, steps, out=np.full(len(x), np.nan), where=steps > 0)
    line.fill_between(times_x, costs, color=_COST, alpha=0.7)
    line.set(xlabel="time in x", ylabel="cost", ylim=(0, None))
    line.margins(x=0)
    for axis in (matrix, line):
        axis.spines[["top", "right"]].set_visible(False)
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
