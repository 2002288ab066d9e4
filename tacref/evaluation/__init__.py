"""How good embeddings are: functions of embeddings and labels only, from any encoder.

The package also has what `tacref evaluate` needs: baselines, the refusal of training data, the
table, the plots.
"""

from tacref.evaluation.bootstrap import Estimate, Scores, estimate
from tacref.evaluation.classification import classification_scores
from tacref.evaluation.cycle import cycle_scores
from tacref.evaluation.kendall import (
    UndefinedPairs,
    kendall_scores,
    kendall_scores_by_definition,
    kendall_tau,
    undefined_pairs,
)
from tacref.evaluation.progression import progression_scores, progression_scores_by_definition
from tacref.evaluation.retrieval import retrieval_scores
from tacref.evaluation.suite import all_scores, evaluate

__all__ = [
    "Estimate",
    "Scores",
    "UndefinedPairs",
    "all_scores",
    "classification_scores",
    "cycle_scores",
    "estimate",
    "evaluate",
    "kendall_scores",
    "kendall_scores_by_definition",
    "kendall_tau",
    "progression_scores",
    "progression_scores_by_definition",
    "retrieval_scores",
    "undefined_pairs",
]
