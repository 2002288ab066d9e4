"""Dropout whose masks depend only on seed, step and pair.

A resumed run, a run in several processes and one in micro-batches therefore drop the same units,
and there is no random state to save.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn


class DropoutMasks:
    """The masks of a step, drawn by one generator for each pair of this process.

    Parameters
    ----------
    seed : int
        Seed of the run.
    device : str
        Torch device.
    """

    def __init__(self, seed: int, device: str) -> None:
        self.seed, self.device = seed, device
        self.generators: list[torch.Generator] = []

    def begin_micro_batch(self, step: int, pairs: Sequence[int]) -> None:
        """Begin a micro-batch of a step; `pairs` are the numbers of its pairs, for each view."""
        while len(self.generators) < len(pairs):
            self.generators.append(torch.Generator(self.device))
        del self.generators[len(pairs) :]
        for generator, pair in zip(self.generators, pairs, strict=True):
            # The 1 keeps these numbers different from those that draw pairs and frames.
            state = np.random.SeedSequence([self.seed, step, pair, 1]).generate_state(1, np.uint64)
            generator.manual_seed(int(state[0] >> 1))

    def mask(self, rows: Tensor, keep: float) -> Tensor:
        """Return a mask of `(2 P N, width)` rows, ordered by side, pair and frame."""
        frames, width = len(rows) // (2 * len(self.generators)), rows.shape[1]
        drawn = [
            torch.rand(2, frames, width, generator=generator, device=rows.device)
            for generator in self.generators
        ]
        return torch.stack(drawn, 1).reshape(rows.shape) < keep  # (2, P, N, width)


class PairDropout(nn.Module):
    """Dropout of embedding rows, `(2 P N, width)`, with given masks.

    Parameters
    ----------
    p : float
        Share of units that are dropped.
    masks : DropoutMasks
        Shared by all layers of an encoder.
    """

    def __init__(self, p: float, masks: DropoutMasks) -> None:
        super().__init__()
        self.p, self.masks = p, masks

    def forward(self, rows: Tensor) -> Tensor:
        """Drop units in training; in evaluation, return `rows`."""
        if not self.training:
            return rows
        keep = 1.0 - self.p
        return rows * self.masks.mask(rows, keep).to(rows.dtype) / keep


@contextmanager
def dropout_by_pair(encoder: nn.Module, masks: DropoutMasks) -> Iterator[None]:
    """Replace an encoder's dropout by one with these masks for the length of a block."""
    replaced = [
        (parent, name, child)
        for parent in encoder.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Dropout) and child.p > 0
    ]
    for parent, name, child in replaced:
        setattr(parent, name, PairDropout(child.p, masks).train(child.training))
    try:
        yield
    finally:
        for parent, name, child in replaced:
            setattr(parent, name, child.train(parent.training))
