"""Using embeddings: the path that aligns two videos, the matched times, and a report to look at."""

from tacref.alignment.align import Alignment, align

__all__ = ["Alignment", "align"]
