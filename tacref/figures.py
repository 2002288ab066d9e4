"""Matplotlib figures without `pyplot`: no window system, and no state is left behind."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
