"""Checking weights."""

from collections.abc import Mapping

import torch


def check_finite(weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Refuse weights that are not finite.

    Raises
    ------
    ValueError
        Names the first tensor.
    """
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            bad = value[~torch.isfinite(value)][0].item()
            raise ValueError(f"{source}: {name} holds {bad}, so nothing it computes is a number")
