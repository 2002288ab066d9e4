"""The optimizer's groups of weights, and the learning rate of each step."""

import math

import torch
from torch import nn

from tacref.encoder import Encoder
from tacref.training.settings import Settings


def make_optimizer(encoder: Encoder, settings: Settings) -> torch.optim.Optimizer:
    """Return an optimizer of the trained weights.

    Biases and normalization weights, which are vectors, are not decayed. A backbone may have a
    learning rate of its own.

    Raises
    ------
    ValueError
        If a setting is for the backbone, and the encoder's has no weights.
    """
    backbone = {id(weight) for weight in encoder.backbone.parameters()}
    if not backbone and (settings.backbone_lr is not None or settings.freeze_backbone):
        raise ValueError(
            f"backbone_lr and freeze_backbone have no effect on the {encoder.config.name!r} "
            "encoder, whose backbone has no weights"
        )
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for weight in encoder.parameters():
        if not weight.requires_grad:
            continue
        own = settings.backbone_lr if id(weight) in backbone else None
        lr = settings.lr if own is None else own
        decay = settings.weight_decay if weight.ndim > 1 else 0.0
        groups.setdefault((lr, decay), []).append(weight)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    return kind(
        [
            {"params": weights, "lr": lr, "weight_decay": decay, "full_lr": lr}
            for (lr, decay), weights in groups.items()
        ]
    )


def lr_factor(step: int, settings: Settings) -> float:
    """Return a step's share of the learning rate: linear warm-up, then the schedule."""
    if step < settings.warmup:
        return (step + 1) / (settings.warmup + 1)
    if settings.schedule == "constant":
        return 1.0
    done = (step - settings.warmup) / (settings.steps - settings.warmup)
    return 0.5 * (1.0 + math.cos(math.pi * done))
