"""The reference: the equations in NumPy and Numba, float64, one function each.

NumPy in, NumPy out. Whatever else computes these losses is held against it.
"""

from tacref.reference._contrastive_idm import (
    contrastive_idm,
    contrastive_idm_of_distances,
    contrastive_idm_of_distances_value_and_grad,
    contrastive_idm_value_and_grad,
)
from tacref.reference._dtw import alignment_matrix, dtw, dtw_path
from tacref.reference._idm import idm, idm_loss
from tacref.reference._soft_dtw import (
    expected_alignment,
    soft_dtw,
    soft_dtw_value_and_grad,
    softmin,
)
from tacref.reference.costs import cost_matrix
from tacref.reference.cycle import cycle_back, soft_nearest_neighbors
from tacref.reference.directional import sharp_soft_dtw, soft_dtw_hvp
from tacref.reference.divergence import (
    soft_dtw_divergence,
    soft_dtw_divergence_value_and_grad,
)
from tacref.reference.lav import lav_loss, lav_loss_value_and_grad
from tacref.reference.sequence_contrastive import (
    sequence_contrastive_loss,
    sequence_contrastive_loss_value_and_grad,
)
from tacref.reference.tcc import tcc_loss, tcc_loss_value_and_grad

__all__ = [
    "alignment_matrix",
    "contrastive_idm",
    "contrastive_idm_of_distances",
    "contrastive_idm_of_distances_value_and_grad",
    "contrastive_idm_value_and_grad",
    "cost_matrix",
    "cycle_back",
    "dtw",
    "dtw_path",
    "expected_alignment",
    "idm",
    "idm_loss",
    "lav_loss",
    "lav_loss_value_and_grad",
    "sequence_contrastive_loss",
    "sequence_contrastive_loss_value_and_grad",
    "sharp_soft_dtw",
    "soft_dtw",
    "soft_dtw_divergence",
    "soft_dtw_divergence_value_and_grad",
    "soft_dtw_hvp",
    "soft_dtw_value_and_grad",
    "soft_nearest_neighbors",
    "softmin",
    "tcc_loss",
    "tcc_loss_value_and_grad",
]
