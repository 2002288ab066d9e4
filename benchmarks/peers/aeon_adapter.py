"""aeon's DTW as `tacref.verify` calls it: NumPy, the value alone.

python -m tacref.verify aeon_adapter:loss --as dtw --framework numpy
"""

from aeon.distances import dtw_distance


def loss(x, y):
    """DTW of embeddings `(n, d)`; aeon wants `(d, n)`."""
    return float(dtw_distance(x.T, y.T))
