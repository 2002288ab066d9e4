"""Pictures of an alignment for Python and notebooks, by Matplotlib."""

import base64
import html
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from tacref.figures import new_figure

if TYPE_CHECKING:
    from tacref.alignment.align import Alignment

SIDE = 600
_PATH, _COST = "#d9622b", "#2f7253"


def plot_alignment(alignment: "Alignment", axes: Any = None) -> Any:
    """Draw the costs of all frames with the path, and the cost along x's time.

    Parameters
    ----------
    alignment : Alignment
        What to draw.
    axes : sequence of two matplotlib Axes, optional
        For the matrix and for the costs; by default a new figure is made, without the state of
        `pyplot`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        If `axes` are not two.
    """
    from tacref.alignment.costs import mean_costs

    if axes is None:
        axes = new_figure(7.0, 7.5).subplots(2, 1, height_ratios=(4, 1))
    if len(axes) != 2:
        raise ValueError(f"axes must be two, got {len(axes)}")
    matrix, line = axes
    times_x, times_y = alignment.times_x, alignment.times_y
    extent = (times_y[0], times_y[-1], times_x[-1], times_x[0])
    if extent[0] == extent[1] or extent[2] == extent[3]:  # a single frame has no extent
        extent = (times_y[0], times_y[-1] + 1.0, times_x[-1] + 1.0, times_x[0])
    picture = matrix.imshow(
        mean_costs(alignment.x, alignment.y, SIDE), cmap="cividis", extent=extent, aspect="auto"
    )
    matrix.figure.colorbar(picture, ax=matrix, label="squared distance")
    path_times = alignment.path_times
    matrix.plot(path_times[:, 1], path_times[:, 0], color=_PATH, linewidth=2, label="path")
    matrix.set(xlabel="time in y", ylabel="time in x", title="Every frame against every frame")
    i = alignment.path[:, 0]
    costs = np.bincount(i, weights=alignment.step_costs) / np.bincount(i)
    line.fill_between(times_x, costs, color=_COST, alpha=0.7)
    line.set(xlabel="time in x", ylabel="cost", ylim=(0, None))
    line.margins(x=0)
    for axis in (matrix, line):
        axis.spines[["top", "right"]].set_visible(False)
    return matrix.figure


def alignment_html(alignment: "Alignment") -> str:
    """Return an alignment as a notebook shows it: its text, and its picture where it can be."""
    text = f"<p><code>{html.escape(repr(alignment))}</code></p>"
    try:
        figure = plot_alignment(alignment)
    except ImportError:  # Matplotlib is not installed: the text says the most of it
        return text
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'{text}<img alt="Costs of all frames, with the path" src="data:image/png;base64,{data}">'
    )
