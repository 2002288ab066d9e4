"""Soft-DTW of batches on several threads: values and gradients, of embeddings or of costs."""

import numpy as np

from tacref.compiled import njit
from tacref.kernels.costs import ROWS
from tacref.kernels.soft_dtw.items import (
    DISTANCES,
    MAX_FRAMES,
    NONE,
    cost_items,
    embedding_items,
    precision,
)
from tacref.kernels.soft_dtw.pair import solve
from tacref.kernels.soft_dtw.problem import (
    Problem,
    Sums,
    cost_problem,
    embedding_problem,
    fill_problem,
    new_scratch,
    new_sums,
    reset,
    row_width,
    strip_weights,
    with_rough,
)
from tacref.kernels.threads import borrowed, run_items, run_together, useful_threads

# From this many strips per thread on, all threads work on one pair at a time, not on a pair each.
MIN_STRIPS_PER_THREAD = 8
# Threads for a smaller pair would take longer to start than they save.
MIN_CELLS_FOR_THREADS = 1 << 18
# Softmin weights kept for a whole pair (64 MB); of a larger pair, those of one strip are kept.
MAX_KEPT_WEIGHTS = 1 << 23


def of_embeddings(
    x: np.ndarray,
    y: np.ndarray,
    lengths_x: np.ndarray,
    lengths_y: np.ndarray,
    gamma: float,
    band: int,
    grad_x: np.ndarray | None,
    grad_y: np.ndarray | None,
    threads: int,
) -> np.ndarray:
    """Return soft-DTW of embeddings with squared Euclidean costs; write its gradients.

    Embeddings of float32 are compared in float32 where that is exact enough; all else is float64.

    Parameters
    ----------
    x, y : ndarray of float32 or float64, shapes (B, n, d) and (B, m, d)
        Embeddings, C-contiguous.
    lengths_x, lengths_y : ndarray of int64, shape (B,)
        Valid rows of x and y.
    gamma : float
        Smoothing.
    band : int
        Cells with |i - j| > band are forbidden; -1: none.
    grad_x, grad_y : ndarray, shapes and dtype of x and y, or None
        Written, with zeros beyond the valid rows.
    threads : int
        The most threads that are used.

    Returns
    -------
    ndarray of float64, shape (B,)
        Values; +inf where the band leaves no path.
    """
    values = np.empty(len(x))
    gradients = None if grad_x is None or grad_y is None else (grad_x, grad_y)
    arguments = x, y, lengths_x, lengths_y, gamma, band
    if x.dtype == np.float64:
        _of_embeddings(*arguments, values, gradients, threads)
        return values
    left = np.arange(len(x))
    if np.maximum(lengths_x, lengths_y).min() <= MAX_FRAMES:
        left = _of_embeddings(*arguments, values, gradients, threads)
    if len(left):
        wide_x, wide_y = x[left].astype(np.float64), y[left].astype(np.float64)
        wide = None if gradients is None else (np.empty_like(wide_x), np.empty_like(wide_y))
        values[left] = of_embeddings(
            wide_x, wide_y, lengths_x[left], lengths_y[left], gamma, band,
            None if wide is None else wide[0], None if wide is None else wide[1], threads,
        )  # fmt: skip
        for gradient, exact in zip(gradients or (), wide or (), strict=True):
            gradient[left] = exact
    return values


def _of_embeddings(
    x: np.ndarray,
    y: np.ndarray,
    lengths_x: np.ndarray,
    lengths_y: np.ndarray,
    gamma: float,
    band: int,
    values: np.ndarray,
    gradients: tuple[np.ndarray, np.ndarray] | None,
    threads: int,
) -> np.ndarray:
    """Write values and gradients, computed in the dtype of x; return the items that need float64.

    Parameters
    ----------
    x, y, lengths_x, lengths_y, gamma, band, threads
        As for `of_embeddings`.
    values : ndarray of float64, shape (B,)
        Written.
    gradients : tuple of ndarray, or None
        Of x and y; written.
    """
    left_out = np.zeros(len(x) if x.dtype == np.float32 else 0, np.bool_)
    nothing = np.empty((0, 0, 0), x.dtype)
    grad_x, grad_y = gradients or (nothing, nothing)
    with_grad = gradients is not None
    if not threads_share_pairs(lengths_x, lengths_y, threads):
        size = weights_size(x.shape[1], y.shape[1], with_grad)

        def items(queue: np.ndarray) -> None:
            with borrowed(size, x.dtype) as weights:
                embedding_items(
                    x, y, lengths_x, lengths_y, gamma, band, with_grad, values,
                    grad_x, grad_y, left_out, weights, queue,
                )  # fmt: skip

        run_items(items, len(x), useful_threads(lengths_x * lengths_y, threads))
        return np.flatnonzero(left_out)
    for b in range(len(x)):
        n, m = int(lengths_x[b]), int(lengths_y[b])
        problem, kept = _new_problem(x[b, :n], y[b, :m], gamma, band)
        if len(left_out):
            if kept == NONE:
                left_out[b] = True
                continue
            problem = with_rough(problem, kept == DISTANCES)
        width = row_width(problem.d)
        half_grad_x = np.zeros(n * width, x.dtype)
        half_grads_y = np.zeros((threads, m * width), x.dtype)
        values[b] = _solve_on_threads(
            problem, with_grad, problem.D, half_grad_x, half_grads_y, threads
        )
        if with_grad:
            half_grad_y = half_grads_y.sum(0)
            for half, grad, rows in ((half_grad_x, grad_x, n), (half_grad_y, grad_y, m)):
                grad[b, :rows] = 2.0 * half.reshape(-1, width)[:rows, : problem.d]
                grad[b, rows:] = 0.0
    return np.flatnonzero(left_out)


def of_costs(
    D: np.ndarray,
    lengths_x: np.ndarray,
    lengths_y: np.ndarray,
    gamma: float,
    band: int,
    E: np.ndarray | None,
    threads: int,
) -> np.ndarray:
    """Return soft-DTW of costs `(B, n, m)`; write its gradient.

    Parameters
    ----------
    D : ndarray of float32 or float64, shape (B, n, m)
        Costs, C-contiguous; +inf forbids a cell.
    lengths_x, lengths_y, gamma, band, threads
        As for `of_embeddings`.
    E : ndarray, shape and dtype of D, or None
        Zeros, to be filled.

    Returns
    -------
    ndarray of float64, shape (B,)
        Values; +inf where no path is free.
    """
    values = np.empty(len(D))
    with_grad = E is not None
    out = np.empty((0, 0, 0), D.dtype) if E is None else E
    if not threads_share_pairs(lengths_x, lengths_y, threads):
        size = weights_size(D.shape[1], D.shape[2], with_grad)

        def items(queue: np.ndarray) -> None:
            with borrowed(size) as weights:
                cost_items(
                    D, lengths_x, lengths_y, gamma, band, with_grad, values, out, weights, queue
                )

        run_items(items, len(D), useful_threads(lengths_x * lengths_y, threads))
        return values
    for b in range(len(D)):
        problem = cost_problem(D[b], int(lengths_x[b]), int(lengths_y[b]), gamma, band)
        item = out[b] if with_grad else problem.D
        no_gradients = np.empty((threads, 0))
        values[b] = _solve_on_threads(problem, with_grad, item, problem.x, no_gradients, threads)
    return values


def weights_size(n: int, m: int, with_grad: bool) -> int:
    """Return how many softmin weights to hold: those of the whole pair, or those of one strip."""
    strip = int(strip_weights(m)) if with_grad else 0
    whole = strip * -(-n // ROWS)
    return whole if whole <= MAX_KEPT_WEIGHTS else strip


def threads_share_pairs(lengths_x: np.ndarray, lengths_y: np.ndarray, threads: int) -> bool:
    """Whether all threads should work on one pair after the other."""
    shortest = -(-int(lengths_x.min()) // ROWS)
    return (
        threads > 1
        and int((lengths_x * lengths_y).min()) >= MIN_CELLS_FOR_THREADS
        and (
            shortest >= MIN_STRIPS_PER_THREAD * threads
            or (len(lengths_x) < threads and shortest >= threads)
        )
    )


def _solve_on_threads(
    problem: Problem,
    with_grad: bool,
    E: np.ndarray,
    half_grad_x: np.ndarray,
    half_grads_y: np.ndarray,
    threads: int,
) -> float:
    """Return the value of a pair, each thread taking every `threads`-th strip; write gradients."""
    sums = new_sums(problem.n, problem.m)
    reset(sums, problem.n, problem.m)
    values = np.full(threads, np.nan)
    size = weights_size(-(-problem.n // threads), problem.m, with_grad)

    def part(thread: int, threads: int) -> None:
        with borrowed(size, half_grads_y.dtype) as weights:
            values[thread] = _pair_part(
                problem, sums, with_grad, E, half_grad_x, half_grads_y[thread], weights, thread,
                threads,
            )  # fmt: skip

    run_together(part, threads, sums.progress[:, -1])
    # The thread that has the last strip has the value.
    return float(values[~np.isnan(values)].sum()) if not np.isnan(values).all() else np.nan


@njit(cache=True)
def _new_problem(x: np.ndarray, y: np.ndarray, gamma: float, band: int) -> tuple[Problem, int]:
    """Return a pair's problem, and what of it may be computed in float32."""
    problem = fill_problem(embedding_problem(x, y, gamma, band), x, y, len(x), len(y))
    return problem, precision(problem)


@njit(nogil=True, cache=True)
def _pair_part(
    problem: Problem,
    sums: Sums,
    with_grad: bool,
    E: np.ndarray,
    half_grad_x: np.ndarray,
    half_grad_y: np.ndarray,
    weights: np.ndarray,
    thread: int,
    threads: int,
) -> float:
    """Do a thread's part of a pair, as `solve` does, with scratch memory around its `weights`.

    The other parameters are those of `solve`.
    """
    scratch = new_scratch(weights, problem.m)
    return solve(problem, sums, scratch, with_grad, E, half_grad_x, half_grad_y, thread, threads)
