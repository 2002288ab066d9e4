"""pysdtw's soft-DTW as `tacref.verify` calls it; on the CPU, or on the tensors' GPU.

python -m tacref.verify pysdtw_adapter:loss --as soft_dtw

Its band is |i - j| <= band where n = m; elsewhere it stretches the shorter side, and takes 0 for
no band.
"""

import pysdtw
from torch.nn.utils.rnn import pack_padded_sequence


def loss(x, y, *, gamma, lengths_x=None, lengths_y=None, band=None, cost=None):
    """Soft-DTW of embeddings; sequences of several lengths go in packed, as pysdtw wants them."""
    if lengths_x is not None:
        x = pack_padded_sequence(x, lengths_x, batch_first=True, enforce_sorted=False)
        y = pack_padded_sequence(y, lengths_y, batch_first=True, enforce_sorted=False)
    return _module(gamma, band, cost or pysdtw.distance.pairwise_l2_squared, x.is_cuda)(x, y)


def loss_of_costs(D, *, gamma, band=None):
    """Soft-DTW of costs, which go in as what a distance function returns."""
    return _module(gamma, band, lambda x, y: D, D.is_cuda)(D[:, :, :1], D.mT[:, :, :1])


def _module(gamma, band, cost, use_cuda):
    return pysdtw.SoftDTW(gamma=gamma, dist_func=cost, use_cuda=use_cuda, bandwidth=band)
