"""dDTW's soft-DTW as `tacref.verify` calls it; on the CPU, or on the tensors' GPU.

python -m tacref.verify ddtw_adapter:loss --as soft_dtw

It returns the mean over the batch, computes in float32 unless told, and takes no band.
"""

import torch
from ddtw import DTW, SDTW

STEPS = [[1, 0], [0, 1], [1, 1]]


def loss(x, y, *, gamma, lengths_x=None, lengths_y=None, weights=(1.0, 1.0, 1.0), cost=None):
    """Soft-DTW of embeddings, the mean over the items; weights of the steps of `STEPS`."""
    # A function of costs gets the frames with one axis more.
    function = "MSE" if cost is None else lambda x, y: cost(x[..., 0], y[..., 0])
    module = _module(x, gamma=gamma, weights=weights, cost=function)
    return module(X=x, Y=y, list_N=lengths_x, list_M=lengths_y)


def loss_of_costs(D, *, gamma, lengths_x=None, lengths_y=None, weights=(1.0, 1.0, 1.0)):
    """Soft-DTW of costs, the mean over the items."""
    return _module(D, gamma=gamma, weights=weights)(C=D, list_N=lengths_x, list_M=lengths_y)


def hard_loss(D):
    """DTW of costs, the mean over the items."""
    return DTW(normalization="none", **_place(D))(C=D)


def summed_loss(x, y, *, gamma):
    """Soft-DTW of embeddings, the sum over the items."""
    return len(x) * loss(x, y, gamma=gamma)


def _module(like, *, gamma, weights, cost="MSE"):
    return SDTW(
        cost_function=cost,
        gamma=gamma,
        step_sizes=STEPS,
        global_step_weights=list(weights),
        normalization="none",
        **_place(like),
    )


def _place(like):
    """Return where, and in which precision: its CUDA code takes float32 alone."""
    if like.is_cuda:
        return {"backend": "cuda_cpp", "cuda_device": like.device, "dtype_float": torch.float32}
    return {"backend": "cpu_numba", "dtype_float": like.dtype}
