"""Losses with one planted fault each, for the report card to convict.

A fault is a small function, registered by `fault` with its kind, what it claims to compute, and the
rows of the card of which the first to fail must be one.
"""

from tests.verify.faults import (
    aligned,
    alike,
    arrays,
    batched,
    calls,
    numeric,
    pairs,
    paths,
    regularized,
    transformed,
)
from tests.verify.faults.registry import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "aligned",
    "alike",
    "arrays",
    "batched",
    "calls",
    "numeric",
    "pairs",
    "paths",
    "regularized",
    "transformed",
]
