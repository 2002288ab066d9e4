"""aeon's DTW as `tacref.verify` calls it: NumPy, value and the path's 0/1 matrix.

python -m tacref.verify aeon_adapter:loss --as dtw --inputs embeddings --framework numpy
"""

from aeon.distances import dtw_distance


def loss(x, y):
    """DTW of embeddings `(n, d)`; aeon wants `(d, n)`."""
    return float(dtw_distance(x.T, y.T))
