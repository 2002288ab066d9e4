"""soft-dtw-rust's soft-DTW as `tacref.verify` calls it: NumPy, the value alone.

python -m tacref.verify soft_dtw_rust_adapter:loss --as soft_dtw --framework numpy

It computes each channel alone and adds them up, so that it is soft-DTW for one number a frame;
and its README asks for series of one length.
"""

import numpy as np
import soft_dtw_rust


def loss(x, y, *, gamma):
    """Soft-DTW of embeddings `(n, d)`; it wants `(d, n)` in C order."""
    x, y = (np.ascontiguousarray(each.T, np.float64) for each in (x, y))
    return float(soft_dtw_rust.compute_sdtw_2d(x, y, gamma))
