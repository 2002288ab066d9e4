"""How good embeddings are: functions of embeddings and labels only."""

from tacref.evaluation.kendall import kendall_tau

__all__ = ["kendall_tau"]
