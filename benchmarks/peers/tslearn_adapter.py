"""tslearn's PyTorch soft-DTW loss as `tacref.verify` calls it.

python -m tacref.verify tslearn_adapter:loss --as soft_dtw
"""

from tslearn.metrics import SoftDTWLossPyTorch, soft_dtw


def loss(x, y, *, gamma):
    """Soft-DTW of embeddings; it takes no lengths."""
    return SoftDTWLossPyTorch(gamma=gamma)(x, y)


def soft_loss(x, y, *, gamma):
    """Soft-DTW of one pair in NumPy, the value alone."""
    return float(soft_dtw(x, y, gamma=gamma))
