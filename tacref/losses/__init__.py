"""The losses for training, in PyTorch: batched, with lengths, exact in both gradients.

Another algorithm than the reference's, so that a comparison proves something.
"""

from tacref.losses.contrastive_idm import ContrastiveIDMLoss, contrastive_idm
from tacref.losses.costs import cost_matrix
from tacref.losses.lav import LAVLoss, LAVTerms, lav_loss
from tacref.losses.objectives import DEFAULTS, LOSSES, MAX_TRAINING_WEIGHT, Terms, make_objective
from tacref.losses.sequence_contrastive import (
    SequenceContrastiveLoss,
    sequence_contrastive_loss,
)
from tacref.losses.soft_dtw import SoftDTWLoss, expected_alignment, soft_dtw
from tacref.losses.soft_dtw_divergence import SoftDTWDivergenceLoss, soft_dtw_divergence
from tacref.losses.tcc import TCCLoss, tcc_loss

__all__ = [
    "DEFAULTS",
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
