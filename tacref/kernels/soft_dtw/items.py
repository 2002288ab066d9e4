"""Soft-DTW of the items of a batch, each by one thread."""

import math

import numpy as np

from tacref.compiled import inner, njit
from tacref.kernels.costs import move_rows
from tacref.kernels.simd import LANES, load, splat, store, widened
from tacref.kernels.soft_dtw.pair import solve
from tacref.kernels.soft_dtw.problem import (
    Problem,
    cost_problem,
    embedding_problem,
    fill_problem,
    new_scratch,
    new_sums,
    reset,
    row_width,
    with_rough,
)
from tacref.kernels.threads import take_item, take_next_item

# Of embeddings of float32, softmin weights and gradients are kept in float32 up to these costs and
# this many frames; all else is computed in float64.
MAX_COST = 1e30
MAX_FRAMES = 1024
# Distances are, too, where it moves the gradient by less than 1e-6 of its largest entry. Their
# errors are divided by gamma, and add up along the path: this bounds its length in units of gamma,
# if all costs were the largest. Few dimensions do not cancel errors, and very small squares lose
# digits.
MAX_ROUGH_PATH = 44.0 * 128
MIN_ROUGH_FRAMES = 32
MIN_ROUGH_DIMENSIONS = 64
MIN_ROUGH_GAMMA = 1e-20
# What of a problem is computed in float32: nothing; weights and gradients; distances, too.
NONE, WEIGHTS, DISTANCES = 0, 1, 2


@njit(nogil=True, cache=True)
def embedding_items(
    x: np.ndarray,
    y: np.ndarray,
    lengths_x: np.ndarray,
    lengths_y: np.ndarray,
    gamma: float,
    band: int,
    with_grad: bool,
    values: np.ndarray,
    grad_x: np.ndarray,
    grad_y: np.ndarray,
    left_out: np.ndarray,
    weights: np.ndarray,
    queue: np.ndarray,
) -> None:
    """Write values, and perhaps gradients, of the items that this thread takes.

    Parameters
    ----------
    x, y, lengths_x, lengths_y, gamma, band
        As for `tacref.kernels.soft_dtw.batch.of_embeddings`.
    with_grad : bool
        Whether gradients are written.
    values : ndarray of float64, shape (B,)
        Written.
    grad_x, grad_y : ndarray, shapes and dtype of x and y
        Written; empty without `with_grad`.
    left_out : ndarray of bool, shape (B,)
        Of embeddings of float32, the items for which that is not enough; true is written there, and
        nothing else. Empty for float64.
    weights : ndarray, dtype of x and y
        Memory of at least `weights_size(n, m, with_grad)`.
    queue : ndarray of int64
        As for `take_item`.
    """
    b = take_item(queue)
    if b >= len(x):
        return
    n, m, d = x.shape[1], y.shape[1], x.shape[2]
    width = row_width(d)
    space = embedding_problem(x[0], y[0], gamma, band)
    sums, scratch = new_sums(n, m), new_scratch(weights, m)
    half_grad_x, half_grad_y = np.zeros(n * width, x.dtype), np.zeros(m * width, x.dtype)
    while b < len(x):
        problem = fill_problem(space, x[b], y[b], lengths_x[b], lengths_y[b])
        if len(left_out) > 0:
            kept = precision(problem)
            if kept == NONE:
                left_out[b] = True
                b = take_next_item(queue)
                continue
            problem = with_rough(problem, kept == DISTANCES)
        reset(sums, problem.n, problem.m)
        values[b] = solve(
            problem, sums, scratch, with_grad, space.D, half_grad_x, half_grad_y, 0, 1
        )
        if with_grad:
            move_rows(half_grad_x, 2.0, problem.n, width, grad_x[b])
            move_rows(half_grad_y, 2.0, problem.m, width, grad_y[b])
        b = take_next_item(queue)


@njit(nogil=True, cache=True)
def cost_items(
    D: np.ndarray,
    lengths_x: np.ndarray,
    lengths_y: np.ndarray,
    gamma: float,
    band: int,
    with_grad: bool,
    values: np.ndarray,
    E: np.ndarray,
    weights: np.ndarray,
    queue: np.ndarray,
) -> None:
    """Write values, and perhaps gradients, of the items that this thread takes.

    Parameters
    ----------
    D, lengths_x, lengths_y, gamma, band
        As for `tacref.kernels.soft_dtw.batch.of_costs`.
    with_grad, values, queue
        As for `embedding_items`.
    E : ndarray, shape and dtype of D
        Written; empty without `with_grad`.
    weights : ndarray of float64
        As for `embedding_items`.
    """
    b = take_item(queue)
    if b >= len(D):
        return
    n, m = D.shape[1], D.shape[2]
    sums, scratch = new_sums(n, m), new_scratch(weights, m)
    while b < len(D):
        problem = cost_problem(D[b], lengths_x[b], lengths_y[b], gamma, band)
        reset(sums, problem.n, problem.m)
        out = E[b] if with_grad else E[:0].reshape(0, 0)
        values[b] = solve(problem, sums, scratch, with_grad, out, problem.x, problem.y, 0, 1)
        b = take_next_item(queue)


@inner
def precision(problem: Problem) -> int:
    """Return how much of a problem of float32 may be computed in it: NONE, WEIGHTS or DISTANCES."""
    width = row_width(problem.d)
    length_x = _longest(problem.x, problem.n * width, width)
    length_y = _longest(problem.y, problem.m * width, width)
    most = (length_x + length_y) ** 2  # no cost is above it; inf, if one is not finite
    frames = max(problem.n, problem.m)
    if not most <= MAX_COST or frames > MAX_FRAMES:
        return NONE
    path = most * max(frames, MIN_ROUGH_FRAMES)
    if (
        problem.d >= MIN_ROUGH_DIMENSIONS
        and problem.gamma >= MIN_ROUGH_GAMMA
        and path <= MAX_ROUGH_PATH * problem.gamma
    ):
        return DISTANCES
    return WEIGHTS


@inner
def _longest(rows: np.ndarray, size: int, width: int) -> float:
    """Return the length of the longest row; inf, if one is not finite."""
    longest = 0.0
    lanes = np.empty(LANES)
    for start in range(0, size, width):
        squares = splat(0.0)
        for k in range(start, start + width, LANES):
            part = load(rows, k)
            squares = squares + widened(part * part)
        store(lanes, 0, squares)
        square = 0.0  # by hand: Numba's own sum would import SciPy
        for lane in range(LANES):
            square += lanes[lane]
        if not square < np.inf:
            return np.inf
        longest = max(longest, square)
    return math.sqrt(longest)
