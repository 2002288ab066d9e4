"""Several processes that train one encoder together: torchrun's, or a single one."""

import gc
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Ranks:
    """A process among those that train together.

    Parameters
    ----------
    rank, world : int
        Its number, and how many there are.
    local : int
        Its number on this machine, which selects its GPU.
    job : str, optional
        What distinguishes this torchrun from others; None without torchrun.
    restarts : int
        How often torchrun has restarted the processes.
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    job: str | None = None
    restarts: int = 0

    @classmethod
    def from_environment(cls) -> "Ranks":
        """Return what torchrun says of this process; without torchrun, a single process."""
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            return cls()
        job = os.environ["TORCHELASTIC_RUN_ID"]
        return cls(
            rank=int(os.environ["RANK"]),
            world=int(os.environ["WORLD_SIZE"]),
            local=int(os.environ["LOCAL_RANK"]),
            job=job if job != "none" else _nameless_job(),
            restarts=int(os.environ["TORCHELASTIC_RESTART_COUNT"]),
        )

    @property
    def first(self) -> bool:
        """True for the one process that writes files and prints."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """Return the device of this process: with "cuda", each has its own GPU."""
        return f"cuda:{self.local}" if self.world > 1 and name == "cuda" else name

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over all processes."""
        if self.world == 1:
            return values
        dist.all_reduce(values)
        return values / self.world

    def gather(self, value: Any) -> list[Any]:
        """Return every process's value, in order of rank."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def gather_results(self, call: Callable[[], Any]) -> list[Any]:
        """Return the results of a call in every process; bad input in one is an error in all.

        Raises
        ------
        ValueError
            If the call raises it, or OSError, in a process.
        """
        if self.world == 1:
            return [call()]
        value, failure = None, None
        try:
            value = call()
        except (ValueError, OSError) as error:
            failure = str(error)
        results = self.gather((value, failure))
        for _, failure in results:
            if failure is not None:
                raise ValueError(failure)
        return [value for value, _ in results]

    def share_buffers(self, module: nn.Module) -> None:
        """Give every process the first one's buffers, such as batch statistics, in place."""
        if self.world > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, 0)

    def wait(self) -> None:
        """Wait for the others."""
        self.gather(None)


def _nameless_job() -> str:
    """Return what distinguishes a torchrun without a name from others, also after a restart.

    In containers, many have the same process number and some the same host name, but torchrun makes
    itself a folder of a random name, LOGS/none_XXXXXXXX/attempt_N/RANK/error.json.
    """
    logs = Path(os.environ.get("TORCHELASTIC_ERROR_FILE", "")).parts[:-3]
    return f"process {os.getppid()} on {socket.gethostname()}, {'/'.join(logs[-2:])}"


@contextmanager
def process_group(ranks: Ranks, device: str) -> Iterator[None]:
    """Connect the processes, by nccl on GPUs and gloo elsewhere, for the length of a block."""
    if ranks.world == 1:
        yield
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    # torchrun keeps one store over its restarts: without a prefix, restarted processes would wait
    # for the addresses of those that died.
    store, rank, world = next(dist.rendezvous("env://"))
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=dist.PrefixStore(f"restart {ranks.restarts}", store),
        rank=rank,
        world_size=world,
    )
    try:
        yield
        ranks.wait()  # nobody hangs up on another
    finally:
        # Objects that still refer to the group would end its threads while the interpreter shuts
        # down, which sometimes aborts.
        gc.collect()
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    """Sum over all processes, of values and of gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch normalization over the frames of all processes, on any backend.

    torch's own works only on GPUs, and could not be tested on a CPU. Processes may have
    different numbers of frames; every frame has the same weight.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map `(M, C, h, w)` to the same shape."""
        if not self.training:
            return super().forward(input)
        values = input.float()
        # Mean first, then deviations from it: the mean of squares would lose digits.
        sums = torch.cat(
            (values.sum((0, 2, 3)), values.new_tensor([values.numel() / values.shape[1]]))
        )
        sums = _Sum.apply(sums)  # (C + 1,)
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centered = values - mean[:, None, None]
        variance = _Sum.apply(centered.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centered * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)


def synchronize_batchnorm(encoder: nn.Module) -> None:
    """Make every batch normalization of an encoder one over all processes, in place.

    Names, parameters and statistics stay, so the encoder is saved as before.
    """
    for module in encoder.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncBatchNorm
