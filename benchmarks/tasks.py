"""The tasks: how a contestant is called, and what its answer ought to be."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np
import torch

import tacref  # its reference, and with it Numba, is loaded where it is used
from benchmarks import contestants
from benchmarks.contestants import GAMMA, Contestant
from benchmarks.inputs import make_batch

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Task:
    """What is asked of every contestant.

    Parameters
    ----------
    name : str
        On the command line.
    title : str
        Of its tables.
    contestants : tuple of Contestant
        Ours first.
    shapes : tuple of (B, n, d)
        To measure at.
    solve : callable
        The reference's value of one pair, and its gradients to x and y if `gradient`.
    gradient : bool
        The gradient to the embeddings is asked for, too.
    """

    name: str
    title: str
    contestants: tuple[Contestant, ...]
    shapes: tuple[Shape, ...]
    solve: Callable[[np.ndarray, np.ndarray], tuple[Any, ...]]
    gradient: bool = False


def _soft_dtw_with_gradient(x: np.ndarray, y: np.ndarray) -> tuple[Any, ...]:
    from tacref.reference.costs import embedding_gradients

    value, E = tacref.reference.soft_dtw_value_and_grad(
        tacref.reference.cost_matrix(x, y), gamma=GAMMA
    )
    return value, *embedding_gradients(x, y, E)


def _soft_dtw(x: np.ndarray, y: np.ndarray) -> tuple[Any, ...]:
    return (tacref.reference.soft_dtw(tacref.reference.cost_matrix(x, y), gamma=GAMMA),)


def _dtw(x: np.ndarray, y: np.ndarray) -> tuple[Any, ...]:
    return (tacref.reference.dtw(tacref.reference.cost_matrix(x, y)),)


def _lav_loss(x: np.ndarray, y: np.ndarray) -> tuple[Any, ...]:
    return tacref.reference.lav_loss_value_and_grad(x, y, gamma=GAMMA)


PAPER: Shape = (32, 20, 128)  # what the paper trains with
SHAPES: tuple[Shape, ...] = (PAPER, (16, 128, 128), (4, 512, 64), (32, 512, 64), (1, 8192, 64))
SMALL: Shape = (3, 24, 16)
ONE: tuple[Shape, ...] = ((1, 2048, 64),)

TASKS = {
    task.name: task
    for task in (
        Task(
            "gradient",
            f"Soft-DTW from embeddings, forward and backward, gamma {GAMMA}",
            contestants.GRADIENT,
            SHAPES,
            _soft_dtw_with_gradient,
            gradient=True,
        ),
        Task(
            "value",
            f"Soft-DTW from embeddings, the value alone, gamma {GAMMA}",
            contestants.VALUE,
            SHAPES,
            _soft_dtw,
        ),
        Task(
            "lav",
            f"LAV loss, forward and backward, gamma {GAMMA}",
            contestants.LAV,
            (PAPER,),
            _lav_loss,
            gradient=True,
        ),
        Task("dtw", "DTW, the value", contestants.DTW, ONE, _dtw),
        Task("path", "DTW, the path", contestants.PATH, ONE, _dtw),
    )
}


@dataclass(frozen=True)
class Answer:
    """Values `(B,)`, and the gradients of their sum where they are asked for; float64."""

    values: np.ndarray
    gradients: tuple[np.ndarray, ...] = ()


def prepare(
    task: Task, who: Contestant, kind: str, shape: Shape, dtype: str, device: str
) -> Callable[[], Any]:
    """Return the call that is measured: everything else is done."""
    function = who.load(device)
    x, y = (rows.astype(dtype) for rows in make_batch(kind, shape))
    if not who.tensors:
        return lambda: function(x, y)
    a, b = (torch.from_numpy(rows).to(device) for rows in (x, y))
    if not task.gradient:
        return torch.no_grad()(lambda: function(a, b))
    a.requires_grad_()
    b.requires_grad_()

    def forward_and_backward() -> tuple[torch.Tensor, ...]:
        a.grad = b.grad = None
        values = function(a, b)
        values.sum().backward()
        return values.detach(), a.grad, b.grad

    return forward_and_backward


def read(task: Task, kind: str, shape: Shape, raw: Any) -> Answer:
    """Return what a call answered, for comparison.

    A path is judged by its cost, summed here.

    Raises
    ------
    ValueError
        If a path is none.
    """
    if task.gradient:
        values, *gradients = (tensor.cpu().double().numpy() for tensor in raw)
        return Answer(values, tuple(gradients))
    if task.name == "path":
        pairs = zip(*(rows.astype(np.float64) for rows in make_batch(kind, shape)), strict=True)
        return Answer(np.array([_cost(*pair, path) for pair, path in zip(pairs, raw, strict=True)]))
    values = raw.cpu() if isinstance(raw, torch.Tensor) else raw
    return Answer(np.asarray(values, np.float64))


def solve(task: Task, kind: str, shape: Shape) -> Answer:
    """Return the reference's answer."""
    pairs = zip(*(rows.astype(np.float64) for rows in make_batch(kind, shape)), strict=True)
    values, *gradients = (np.stack(item) for item in zip(*starmap(task.solve, pairs), strict=True))
    return Answer(values, tuple(gradients))


def value_error(who: Contestant, answer: Answer, truth: Answer) -> float:
    """Largest error of a value, over the larger of 1 and the value.

    Raises
    ------
    ValueError
        If it is not one value for each item, or one for the batch.
    """
    values = np.abs(truth.values) if who.unsigned else truth.values
    values = values.sum(keepdims=True) if who.summed else values
    if answer.values.size != values.size:
        raise ValueError(f"{who.name} returned {answer.values.size} values, not {values.size}")
    return float((np.abs(answer.values - values) / np.maximum(1.0, np.abs(values))).max())


def gradient_error(answer: Answer, truth: Answer) -> float | None:
    """Largest error of a gradient's entry over the largest entry; None where there is none."""
    if not truth.gradients:
        return None
    largest = max(np.abs(gradient).max() for gradient in truth.gradients)
    pairs = zip(answer.gradients, truth.gradients, strict=True)
    return float(max(np.abs(got - true).max() for got, true in pairs) / largest)


def _cost(x: np.ndarray, y: np.ndarray, path: Any) -> float:
    cells = np.asarray(path)
    tacref.reference.alignment_matrix(cells, (len(x), len(y)))  # raises if this is no path
    return float(((x[cells[:, 0]] - y[cells[:, 1]]) ** 2).sum())
