"""pysdtw's soft-DTW as `tacref.verify` calls it; on the CPU, or on the tensors' GPU.

python -m tacref.verify pysdtw_adapter:loss --as soft_dtw
"""

import pysdtw
from torch.nn.utils.rnn import pack_padded_sequence


def loss(x, y, *, gamma, lengths_x=None, lengths_y=None, band=None):
    """Soft-DTW of embeddings; sequences of several lengths go in packed, as pysdtw wants them."""
    if lengths_x is not None:
        x = pack_padded_sequence(x, lengths_x, batch_first=True, enforce_sorted=False)
        y = pack_padded_sequence(y, lengths_y, batch_first=True, enforce_sorted=False)
    distance = pysdtw.distance.pairwise_l2_squared
    return pysdtw.SoftDTW(gamma=gamma, dist_func=distance, use_cuda=x.is_cuda, bandwidth=band)(x, y)
