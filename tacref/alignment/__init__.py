"""Using embeddings: the path that aligns two videos, and the matched times.

Functions of embeddings only; the report, which needs pictures, is `tacref.report`.
"""

from tacref.alignment.alignment import Alignment, align
from tacref.alignment.exact import dtw, dtw_path
from tacref.alignment.groups import barycenter, medoid
from tacref.alignment.matches import Match, find_matches
from tacref.alignment.online import OnlineAligner, Position
from tacref.alignment.pairs import pairwise

__all__ = [
    "Alignment",
    "Match",
    "OnlineAligner",
    "Position",
    "align",
    "barycenter",
    "dtw",
    "dtw_path",
    "find_matches",
    "medoid",
    "pairwise",
]
