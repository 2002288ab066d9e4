"""The soft-DTWs within dtw-loss-functions as `tacref.verify` calls them.

python -m tacref.verify dtw_loss_functions_adapter:maghoumi --as soft_dtw

It brings copies of pytorch-softdtw-cuda (`maghoumi`) and of sdtw-cuda-torch (`sdtw_cuda_torch`),
neither of which has a package of its own; its third back end is the package pysdtw, which has an
adapter of its own. Bands are |i - j| <= band at every shape, and 0 is no band.
"""

from dtw_loss_functions.soft_dtw import soft_dtw


def maghoumi(x, y, *, gamma, band=None, cost=None):
    """Soft-DTW of embeddings by pytorch-softdtw-cuda; it takes no lengths."""
    return _module("mag", gamma, band, dist_func=cost, use_cuda=x.is_cuda)(x, y)


def maghoumi_of_costs(D, *, gamma, band=None):
    """Soft-DTW of costs, which go in as what a distance function returns."""
    return maghoumi(D[:, :, :1], D.mT[:, :, :1], gamma=gamma, band=band, cost=lambda x, y: D)


def sdtw_cuda_torch(x, y, *, gamma, band=None):
    """Soft-DTW of embeddings by sdtw-cuda-torch; it takes no lengths and no other cost."""
    return _module("ron", gamma, band)(x, y)


def _module(implementation, gamma, band, **options):
    config = {"gamma": gamma, "bandwidth": band} | options
    return soft_dtw(implementation=implementation, sdtw_config=config)
