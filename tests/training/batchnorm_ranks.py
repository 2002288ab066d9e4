"""Batch normalization in two processes against one with all frames; run by test_several_processes.

The processes have unequal numbers of frames. Prints the largest differences.
"""

import copy

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tacref.training.distributed import Ranks, process_group, synchronize_batchnorm

torch.manual_seed(0)
frames = torch.randn(7, 3, 5, 4) + 3.0
targets = torch.randn(7, 6, 5, 4)
# One where statistics, and so frames of the other process, reach the gradient.
alone = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 1))
shared = copy.deepcopy(alone)
(alone(frames) * targets).sum().backward()

ranks = Ranks.from_environment()
with process_group(ranks, "cpu"):
    synchronize_batchnorm(shared)
    model = DistributedDataParallel(shared)
    own = slice(0, 5) if ranks.first else slice(5, 7)
    (model(frames[own]) * targets[own]).sum().backward()
    gradients = max(
        # The processes' gradients are averaged; the loss above is the sum.
        float((one.grad - ranks.world * two.grad).abs().max() / one.grad.abs().max().clamp(min=1))
        for one, two in zip(alone.parameters(), shared.parameters(), strict=True)
    )
    buffers = max(
        float((one - two).abs().max())
        for one, two in zip(alone.buffers(), shared.buffers(), strict=True)
    )
    plain = DistributedDataParallel(nn.BatchNorm2d(3))
    plain(frames[own])
    assert len({str(mean) for mean in ranks.gather(plain.module.running_mean)}) == 2
    ranks.share_buffers(plain)
    assert len({str(mean) for mean in ranks.gather(plain.module.running_mean)}) == 1
    ranks.wait()
    if ranks.first:
        print(f"\ndifferences {gradients} {buffers}")
        assert list(alone.state_dict()) == list(shared.state_dict())
