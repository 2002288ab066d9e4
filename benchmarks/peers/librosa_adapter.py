"""librosa's DTW as `tacref.verify` calls it: NumPy, the value alone.

python -m tacref.verify librosa_adapter:loss --as dtw --framework numpy
"""

import librosa


def loss(x, y):
    """DTW of embeddings `(n, d)`; librosa wants `(d, n)`, and takes distances unless told."""
    return float(librosa.sequence.dtw(x.T, y.T, metric="sqeuclidean", backtrack=False)[-1, -1])


def path(x, y):
    """Cells of the cheapest path, which librosa gives from the last to the first."""
    return librosa.sequence.dtw(x.T, y.T, metric="sqeuclidean")[1][::-1]
