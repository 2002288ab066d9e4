"""Frames through a backbone in chunks, one thread a chunk, in training on a CPU.

A chunk is so small that what one layer writes is still in the processor's cache when the next one
reads it, in the backward pass too. Threads that share chunks, not layers, hardly ever wait for each
other, and the order of sums does not depend on their number.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

T = TypeVar("T")
R = TypeVar("R")


def in_chunks(
    compute: Callable[[Tensor], Tensor],
    frames: Tensor,
    weights: Iterable[Tensor],
    *,
    size: int,
    threads: int,
) -> Tensor:
    """Return `compute(frames)`, which treats each frame by itself; may be differentiated once.

    Parameters
    ----------
    compute : callable
        From some of the frames to as many rows; called by several threads at once.
    frames : Tensor, shape (M, ...)
        Not differentiated.
    weights : iterable of Tensor
        All that `compute` depends on and may be differentiated.
    size : int
        Frames of a chunk, >= 1.
    threads : int
        How many compute chunks, >= 1. With more than one, torch itself should use one thread, or
        it would start as many again in each of them.

    Returns
    -------
    Tensor, shape (M, ...)
        The rows of all frames.
    """
    trained = [weight for weight in weights if weight.requires_grad]
    rows: Tensor = _Chunked.apply(compute, frames.split(size), threads, trained, *trained)
    return rows


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        compute: Callable[[Tensor], Tensor],
        chunks: Sequence[Tensor],
        threads: int,
        trained: Sequence[Tensor],
        *inputs: Tensor,
    ) -> Tensor:
        def record(chunk: Tensor) -> Tensor:
            with torch.enable_grad():
                return compute(chunk)

        ctx.threads, ctx.trained = threads, trained
        ctx.rows = _on_threads(threads, record, chunks)
        return torch.cat([rows.detach() for rows in ctx.rows])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        chunks, ctx.rows = ctx.rows, ()
        if not chunks:
            raise RuntimeError("the gradient of chunks can be computed only once")

        def differentiate(chunk: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
            return torch.autograd.grad(chunk[0], ctx.trained, chunk[1])

        parts = grad.split([len(rows) for rows in chunks])
        shares = _on_threads(ctx.threads, differentiate, list(zip(chunks, parts, strict=True)))
        totals = [reduce(torch.add, of_weight) for of_weight in zip(*shares, strict=True)]
        return None, None, None, None, *totals


def _on_threads(threads: int, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return what a function gives for each item."""
    threads = min(threads, len(items))
    if threads == 1:
        return [function(item) for item in items]
    # New threads for each call: they take a tenth of a millisecond, and leave nothing behind.
    with ThreadPoolExecutor(threads, "tacref", torch.set_num_threads, (1,)) as pool:
        return list(pool.map(function, items))
