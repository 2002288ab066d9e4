"""tslearn's soft-DTW as `tacref.verify` calls it: a loss for PyTorch, and the value in NumPy.

python -m tacref.verify tslearn_adapter:loss --as soft_dtw

Its radius is |i - j| <= band where n = m; elsewhere it is widened by |n - m| on the longer side.
"""

from tslearn.metrics import SoftDTWLossPyTorch, dtw, dtw_path
from tslearn.metrics.softdtw_variants import soft_dtw


def loss(x, y, *, gamma, band=None, cost=None):
    """Soft-DTW of embeddings; it takes no lengths."""
    return SoftDTWLossPyTorch(gamma=gamma, dist_func=cost, **_radius(band))(x, y)


def loss_of_costs(D, *, gamma, band=None):
    """Soft-DTW of costs, which go in as what a distance function returns."""
    module = SoftDTWLossPyTorch(gamma=gamma, dist_func=lambda x, y: D, **_radius(band))
    return module(D[:, :, :1], D.mT[:, :, :1])


def soft_loss(x, y, *, gamma):
    """Soft-DTW of one pair in NumPy, the value alone."""
    return float(soft_dtw(x, y, gamma=gamma))


def hard_loss(x, y, *, band=None):
    """DTW of one pair; tslearn returns the root of the sum of squared distances."""
    return float(dtw(x, y, **_radius(band))) ** 2


def path(x, y, *, band=None):
    """Cells of the cheapest path."""
    return dtw_path(x, y, **_radius(band))[0]


def _radius(band):
    if band is None:
        return {}
    return {"global_constraint": "sakoe_chiba", "sakoe_chiba_radius": band}
