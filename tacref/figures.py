"""Matplotlib figures without `pyplot`: no window system, and no state is left behind.

They look like the report: the same colors, and time runs to the right and downward.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tacref.colors import GRID, SOFT, ramp

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure.

    Parameters
    ----------
    width, height : float
        In inches.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    load_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def ramp_colormap() -> "ListedColormap":
    """Return the report's colors from low, dark, to high, bright."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(ramp(256) / 255, name="tacref")


def style(axes: Iterable[Any]) -> None:
    """Give axes the report's look: quiet lines and no box.

    Parameters
    ----------
    axes : iterable of matplotlib Axes
        They are changed; what is drawn later keeps the look.
    """
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(GRID)
        axis.tick_params(colors=SOFT, labelsize="small")
        for label in (axis.xaxis.label, axis.yaxis.label):
            label.set_color(SOFT)


def style_matrix(axis: Any) -> None:
    """Give the axes of a matrix the report's look: columns are counted along the top.

    Parameters
    ----------
    axis : matplotlib Axes
        It is changed.
    """
    style([axis])
    axis.spines[:].set_visible(False)
    axis.xaxis.set_ticks_position("top")
    axis.xaxis.set_label_position("top")


def load_matplotlib() -> Any:
    """Import Matplotlib, even if MPLBACKEND names a backend that is not installed.

    A notebook sets it for every process that it starts, and Matplotlib then cannot be imported. Our
    figures need no backend.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return matplotlib
