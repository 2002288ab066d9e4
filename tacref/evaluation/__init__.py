"""How good embeddings are: functions of embeddings and labels only, from any encoder.

What else `tacref evaluate` needs lies beside them: baselines, the refusal of training data, the
table, the plots.
"""

from tacref.evaluation.bootstrap import Estimate, Scores, estimate
from tacref.evaluation.classification import classification_scores
from tacref.evaluation.cycle import cycle_scores
from tacref.evaluation.kendall import kendall_scores, kendall_tau
from tacref.evaluation.progression import progression_scores
from tacref.evaluation.retrieval import retrieval_scores
from tacref.evaluation.suite import all_scores, evaluate

__all__ = [
    "Estimate",
    "Scores",
    "all_scores",
    "classification_scores",
    "cycle_scores",
    "estimate",
    "evaluate",
    "kendall_scores",
    "kendall_tau",
    "progression_scores",
    "retrieval_scores",
]
