"""dtaidistance's DTW as `tacref.verify` calls it: NumPy, pure Python or its C library.

python -m tacref.verify dtaidistance_adapter:loss --as dtw --framework numpy

Its window counts the diagonal, |i - j| < band, and is widened on the longer side.
"""

import numpy as np
from dtaidistance import dtw, dtw_ndim


def loss(x, y, *, band=None):
    """DTW of embeddings; dtaidistance returns the root of the sum of squared distances."""
    return float(dtw_ndim.distance(x, y, window=band)) ** 2


def fast_loss(x, y, *, band=None):
    """As `loss`, by its C library, which wants float64 in C order; series have a function."""
    x, y = (np.ascontiguousarray(each, np.float64) for each in (x, y))
    if x.shape[1] == 1:
        return float(dtw.distance_fast(x[:, 0], y[:, 0], window=band)) ** 2
    return float(dtw_ndim.distance_fast(x, y, window=band)) ** 2


def path(x, y, *, band=None):
    """Cells of the cheapest path."""
    return dtw.warping_path(x, y, use_ndim=True, window=band)


def fast_path(x, y, *, band=None):
    """As `path`, by its C library."""
    return dtw.warping_path_fast(x, y, use_ndim=True, window=band)
