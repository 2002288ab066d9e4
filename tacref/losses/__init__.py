"""The losses for training, in PyTorch: batched, with lengths, exact in both gradients.

Another algorithm than the reference's, so that a comparison proves something.
"""

from tacref.losses._contrastive_idm import ContrastiveIDMLoss, contrastive_idm
from tacref.losses._lav import LAVLoss, LAVTerms, lav_loss
from tacref.losses._sequence_contrastive import (
    SequenceContrastiveLoss,
    sequence_contrastive_loss,
)
from tacref.losses._soft_dtw import SoftDTWLoss, expected_alignment, soft_dtw
from tacref.losses._soft_dtw_divergence import SoftDTWDivergenceLoss, soft_dtw_divergence
from tacref.losses._tcc import TCCLoss, tcc_loss
from tacref.losses.costs import cost_matrix
from tacref.losses.objectives import LOSSES, MAX_TRAINING_WEIGHT, Terms, make_objective

__all__ = [
    "LOSSES",
    "MAX_TRAINING_WEIGHT",
    "ContrastiveIDMLoss",
    "LAVLoss",
    "LAVTerms",
    "SequenceContrastiveLoss",
    "SoftDTWDivergenceLoss",
    "SoftDTWLoss",
    "TCCLoss",
    "Terms",
    "contrastive_idm",
    "cost_matrix",
    "expected_alignment",
    "lav_loss",
    "make_objective",
    "sequence_contrastive_loss",
    "soft_dtw",
    "soft_dtw_divergence",
    "tcc_loss",
]
