"""Embeddings that several tests of the losses are given."""

import math

import torch


def leaves(*shapes):
    """Float64 embeddings of these shapes, the same each time."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def ragged(rng, B, count, d):
    """Embeddings `(B, count, d)` to be differentiated, NaN beyond their lengths; the lengths."""
    rows = rng.normal(size=(B, count, d))
    lengths = rng.integers(1, count + 1, B)
    for b in range(B):
        rows[b, lengths[b] :] = math.nan
    return torch.from_numpy(rows).requires_grad_(), lengths.tolist()
