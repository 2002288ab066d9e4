"""dtaidistance's DTW as `tacref.verify` calls it: NumPy, pure Python or its C library.

python -m tacref.verify dtaidistance_adapter:loss --as dtw --framework numpy
"""

from dtaidistance import dtw_ndim


def loss(x, y):
    """DTW of embeddings; dtaidistance returns the root of the sum of squared distances."""
    return float(dtw_ndim.distance(x, y)) ** 2
