"""Using embeddings: the path that aligns two videos, the matched times, and a report to look at.

Functions of embeddings only; the report, which needs pictures, is loaded on its own.
"""

from tacref.alignment.align import Alignment, align
from tacref.alignment.dtw import dtw, dtw_path
from tacref.alignment.online import OnlineAligner, Position

__all__ = ["Alignment", "OnlineAligner", "Position", "align", "dtw", "dtw_path"]
