"""Soft-DTW of batches on several threads: values and gradients, of embeddings or of costs."""

import numpy as np

from tacref.compiled import njit
from tacref.kernels.costs import ROWS, move_rows
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
)
from tacref.kernels.threads import borrowed, run_parts, run_together, useful_threads

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
    cells = lengths_x * lengths_y
    with_grad = grad_x is not None
    if grad_x is None or grad_y is None:
        grad_x = grad_y = np.empty((0, 0, 0), x.dtype)
    if not threads_share_pairs(lengths_x, lengths_y, threads):
        size = weights_size(x.shape[1], y.shape[1], with_grad)

        def items(start: int, stop: int) -> None:
            with borrowed(size) as weights:
                _embedding_items(
                    x, y, lengths_x, lengths_y, gamma, band, with_grad, start, stop, values, grad_x,
                    grad_y, weights,
                )  # fmt: skip

        run_parts(items, cells, useful_threads(cells, threads))
        return values
    for b in range(len(x)):
        n, m = int(lengths_x[b]), int(lengths_y[b])
        problem = _new_problem(x[b, :n], y[b, :m], gamma, band)
        half_grad_x, half_grads_y = np.zeros_like(problem.x), np.zeros((threads, len(problem.y)))
        values[b] = _solve_on_threads(
            problem, with_grad, problem.D, half_grad_x, half_grads_y, threads
        )
        if with_grad:
            half_grad_y = half_grads_y.sum(0)
            for half, grad, rows in ((half_grad_x, grad_x, n), (half_grad_y, grad_y, m)):
                grad[b, :rows] = 2.0 * half.reshape(-1, row_width(problem.d))[:rows, : problem.d]
                grad[b, rows:] = 0.0
    return values


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
    cells = lengths_x * lengths_y
    with_grad = E is not None
    out = np.empty((0, 0, 0), D.dtype) if E is None else E
    if not threads_share_pairs(lengths_x, lengths_y, threads):
        size = weights_size(D.shape[1], D.shape[2], with_grad)

        def items(start: int, stop: int) -> None:
            with borrowed(size) as weights:
                _cost_items(
                    D, lengths_x, lengths_y, gamma, band, with_grad, start, stop, values, out,
                    weights,
                )  # fmt: skip

        run_parts(items, cells, useful_threads(cells, threads))
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
    sums = _new_sums(problem.n, problem.m)
    values = np.full(threads, np.nan)
    size = weights_size(-(-problem.n // threads), problem.m, with_grad)

    def part(thread: int, threads: int) -> None:
        with borrowed(size) as weights:
            values[thread] = _pair_part(
                problem, sums, with_grad, E, half_grad_x, half_grads_y[thread], weights, thread,
                threads,
            )  # fmt: skip

    run_together(part, threads, sums.progress[:, -1])
    # The thread that has the last strip has the value.
    return float(values[~np.isnan(values)].sum()) if not np.isnan(values).all() else np.nan


@njit(nogil=True, cache=True)
def _embedding_items(
    x: np.ndarray,
    y: np.ndarray,
    lengths_x: np.ndarray,
    lengths_y: np.ndarray,
    gamma: float,
    band: int,
    with_grad: bool,
    start: int,
    stop: int,
    values: np.ndarray,
    grad_x: np.ndarray,
    grad_y: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Write values, and perhaps gradients, of some items of a batch of embeddings.

    Parameters
    ----------
    x, y, lengths_x, lengths_y, gamma, band
        As for `of_embeddings`.
    with_grad : bool
        Whether gradients are written.
    start, stop : int
        The first item, and one beyond the last.
    values : ndarray of float64, shape (B,)
        Written.
    grad_x, grad_y : ndarray, shapes and dtype of x and y
        Written; empty without `with_grad`.
    weights : ndarray of float64
        Memory of at least `weights_size(n, m, with_grad)`.
    """
    n, m, d = x.shape[1], y.shape[1], x.shape[2]
    width = row_width(d)
    space = embedding_problem(x[0], y[0], gamma, band)
    sums, scratch = new_sums(n, m), new_scratch(weights, m)
    half_grad_x, half_grad_y = np.zeros_like(space.x), np.zeros_like(space.y)
    for b in range(start, stop):
        problem = fill_problem(space, x[b], y[b], lengths_x[b], lengths_y[b])
        reset(sums, problem.n, problem.m)
        values[b] = solve(
            problem, sums, scratch, with_grad, space.D, half_grad_x, half_grad_y, 0, 1
        )
        if with_grad:
            move_rows(half_grad_x, 2.0, problem.n, width, grad_x[b])
            move_rows(half_grad_y, 2.0, problem.m, width, grad_y[b])


@njit(nogil=True, cache=True)
def _cost_items(
    D: np.ndarray,
    lengths_x: np.ndarray,
    lengths_y: np.ndarray,
    gamma: float,
    band: int,
    with_grad: bool,
    start: int,
    stop: int,
    values: np.ndarray,
    E: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Write values, and perhaps gradients, of some items of a batch of costs.

    Parameters
    ----------
    D, lengths_x, lengths_y, gamma, band
        As for `of_costs`.
    with_grad, start, stop, values, weights
        As for `_embedding_items`.
    E : ndarray, shape and dtype of D
        Written; empty without `with_grad`.
    """
    n, m = D.shape[1], D.shape[2]
    sums, scratch = new_sums(n, m), new_scratch(weights, m)
    for b in range(start, stop):
        problem = cost_problem(D[b], lengths_x[b], lengths_y[b], gamma, band)
        reset(sums, problem.n, problem.m)
        out = E[b] if with_grad else E[:0].reshape(0, 0)
        values[b] = solve(problem, sums, scratch, with_grad, out, problem.x, problem.y, 0, 1)


@njit(cache=True)
def _new_problem(x: np.ndarray, y: np.ndarray, gamma: float, band: int) -> Problem:
    return fill_problem(embedding_problem(x, y, gamma, band), x, y, len(x), len(y))


@njit(cache=True)
def _new_sums(n: int, m: int) -> Sums:
    sums = new_sums(n, m)
    reset(sums, n, m)
    return sums


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
