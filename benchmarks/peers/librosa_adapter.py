"""librosa's DTW as `tacref.verify` calls it: NumPy, the value alone.

python -m tacref.verify librosa_adapter:loss --as dtw --framework numpy

Its band is a share of the shorter length, which a width in frames is made into here.
"""

import librosa


def loss(x, y, *, band=None):
    """DTW of embeddings `(n, d)`; librosa wants `(d, n)`, and takes distances unless told."""
    return float(_dtw(x, y, band, backtrack=False)[-1, -1])


def path(x, y, *, band=None):
    """Cells of the cheapest path, which librosa gives from the last to the first."""
    return _dtw(x, y, band)[1][::-1]


def _dtw(x, y, band, **options):
    if band is not None:
        options |= {"global_constraints": True, "band_rad": band / min(len(x), len(y))}
    return librosa.sequence.dtw(x.T, y.T, metric="sqeuclidean", **options)
