"""dtaidistance's DTW as `tacref.verify` calls it: NumPy, pure Python or its C library.

python -m tacref.verify dtaidistance_adapter:loss --as dtw --framework numpy
"""

from dtaidistance import dtw, dtw_ndim


def loss(x, y):
    """DTW of embeddings; dtaidistance returns the root of the sum of squared distances."""
    return float(dtw_ndim.distance(x, y)) ** 2


def fast_loss(x, y):
    """As `loss`, by its C library, which wants float64 in C order."""
    return float(dtw_ndim.distance_fast(x, y)) ** 2


def fast_path(x, y):
    """Cells of the cheapest path, by its C library."""
    return dtw.warping_path_fast(x, y, use_ndim=True)
