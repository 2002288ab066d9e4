"""Moved to `tacref.encoder.chunks`."""

from tacref.encoder.chunks import iter_chunks

__all__ = ["iter_chunks"]
