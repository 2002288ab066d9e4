"""dtw-python's DTW as `tacref.verify` calls it: NumPy, the value alone.

python -m tacref.verify dtw_python_adapter:loss --as dtw --framework numpy

Its window "sakoechiba" is |i - j| <= band at every shape.
"""

import contextlib
import io

import numpy as np

with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner
    import dtw

# By default it takes distances, and counts a diagonal step twice ("symmetric2").
OPTIONS = {"dist_method": "sqeuclidean", "step_pattern": "symmetric1"}


def loss(x, y, *, band=None):
    """DTW of embeddings, a sum of squared distances."""
    return float(dtw.dtw(x, y, distance_only=True, **OPTIONS, **_window(band)).distance)


def path(x, y, *, band=None):
    """Cells of the cheapest path."""
    alignment = dtw.dtw(x, y, **OPTIONS, **_window(band))
    return np.stack((alignment.index1, alignment.index2), axis=1)


def _window(band):
    if band is None:
        return {}
    return {"window_type": "sakoechiba", "window_args": {"window_size": band}}
