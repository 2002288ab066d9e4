"""torchdtw's DTW as `tacref.verify` calls it: PyTorch, on the CPU or the tensors' GPU.

python -m tacref.verify torchdtw_adapter:loss --as dtw

Its cost is the sum along the cheapest path over the length of that path; `dtw_path` gives the path.
"""

import torch
import torchdtw


def loss(D):
    """DTW of costs: the sums along the paths that it finds."""
    return torch.stack([each[tuple(torchdtw.dtw_path(each).T)].sum() for each in D])


def cost(D):
    """Return what it calls the cost of DTW, divided by the lengths of the paths."""
    B, n, m = D.shape
    rows, columns = torch.full((B,), n, device=D.device), torch.full((1,), m, device=D.device)
    return torchdtw.dtw_batch(D[:, None], rows, columns, symmetric=False)[:, 0]


def path(x, y):
    """Cells of the cheapest path of one pair of embeddings, NumPy arrays."""
    D = torch.cdist(torch.from_numpy(x), torch.from_numpy(y)).square()
    return torchdtw.dtw_path(D).numpy()
