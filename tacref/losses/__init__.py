"""The losses for training, in PyTorch: batched, with lengths, exact in both gradients.

Another algorithm than the reference's, so that a comparison proves something.
"""

from tacref.losses.contrastive_idm import ContrastiveIDMLoss, contrastive_idm
from tacref.losses.costs import cost_matrix
from tacref.losses.lav import LAVLoss, LAVTerms, lav_loss
from tacref.losses.soft_dtw import SoftDTWLoss, expected_alignment, soft_dtw

__all__ = [
    "ContrastiveIDMLoss",
    "LAVLoss",
    "LAVTerms",
    "SoftDTWLoss",
    "contrastive_idm",
    "cost_matrix",
    "expected_alignment",
    "lav_loss",
    "soft_dtw",
]
