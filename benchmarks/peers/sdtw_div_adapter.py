"""soft-dtw-divergences' soft-DTW as `tacref.verify` calls it: NumPy, value and gradient.

python -m tacref.verify sdtw_div_adapter:loss_of_costs --as soft_dtw --framework numpy

It has no package; of embeddings it takes half the squared distance, and differentiates x alone.
"""

from sdtw_div import numba_ops


def loss_of_costs(D, *, gamma):
    """Soft-DTW of costs, and its gradient."""
    return numba_ops.sdtw_value_and_grad_C(D, gamma=gamma)


def loss(x, y, *, gamma):
    """Soft-DTW of embeddings, and its gradients; y's is that of x with the two exchanged."""
    value, to_x = numba_ops.sdtw_value_and_grad(x, y, gamma=gamma / 2)
    to_y = numba_ops.sdtw_value_and_grad(y, x, gamma=gamma / 2)[1]
    return 2 * value, 2 * to_x, 2 * to_y
