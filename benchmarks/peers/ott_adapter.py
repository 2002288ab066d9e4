"""ott-jax's soft-DTW as `tacref.verify` calls it: jax behind NumPy, value and gradients.

python -m tacref.verify ott_adapter:loss --as soft_dtw --framework numpy
"""

import jax
import numpy as np
from ott.geometry import costs

jax.config.update("jax_enable_x64", True)


@jax.jit
def _value_and_gradients(x, y, gamma):
    return jax.value_and_grad(costs.SoftDTW(gamma), argnums=(0, 1))(x, y)


def loss(x, y, *, gamma):
    """Soft-DTW of embeddings `(n, d)`, and its gradients."""
    value, gradients = _value_and_gradients(x, y, float(gamma))
    return float(value), *(np.array(each) for each in gradients)
