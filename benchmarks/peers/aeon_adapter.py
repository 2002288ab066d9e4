"""aeon's DTW as `tacref.verify` calls it: NumPy, the value alone.

python -m tacref.verify aeon_adapter:loss --as dtw --framework numpy

aeon wants `(d, n)`. It gets a transposed view, in which a frame's numbers are neighbors: a copy in
C order takes some thirty times as long. Its band is a share of the longer length.
"""

from aeon.distances import dtw_alignment_path, dtw_distance, soft_dtw_distance


def loss(x, y, *, band=None):
    """DTW of embeddings `(n, d)`, a sum of squared distances."""
    return float(dtw_distance(x.T, y.T, window=band))


def path(x, y, *, band=None):
    """Cells of the cheapest path."""
    return dtw_alignment_path(x.T, y.T, window=band)[0]


def soft_loss(x, y, *, gamma, band=None):
    """Soft-DTW's absolute value, which is what aeon returns."""
    return float(soft_dtw_distance(x.T, y.T, gamma=gamma, window=band))
