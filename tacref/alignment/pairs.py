"""DTW or soft-DTW of every pair of several sequences, on several threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.distances import (
    check_cost,
    comparable_rows,
    distance_matrix,
    half_unit_rows,
)
from tacref.alignment.exact import cost_within
from tacref.alignment.sweep import estimate_seconds
from tacref.checks import check_band_shape, check_positive, in_one_line
from tacref.cores import threads_available
from tacref.kernels.dtw.cost import SQEUCLIDEAN
from tacref.kernels.soft_dtw.batch import of_costs, of_embeddings
from tacref.reach import check_steps_reach
from tacref.reference import cost_matrix, soft_dtw
from tacref.reference.checks import check_rows, check_smoothing
from tacref.steps import Steps, check_steps
from tacref.terminal import progress_bar

# Soft-DTW holds the costs of a pair: at most 128 MiB a thread.
MAX_SOFT_CELLS = 2**24
# Pairs per thread that are handed out before the first of them is done.
_PAIRS_AHEAD = 16
# Values up to which the kernels of soft-DTW keep their digits, in units of gamma; beyond, the
# reference computes them.
_MAX_KERNEL_VALUE = 2.0**50
_MIN_KERNEL_GAMMA = 1e-290  # 1 / gamma is finite
# Mean time of a pair, about, from which on threads take less time than they cost.
_MIN_SECONDS_PER_PAIR = 1e-4


class _Options(NamedTuple):
    cost: str
    gamma: float | None
    steps: Steps
    band: float | None
    band_shape: str


def pairwise(
    sequences: Sequence[ArrayLike],
    *,
    others: Sequence[ArrayLike] | None = None,
    cost: str = "sqeuclidean",
    gamma: float | None = None,
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    threads: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """DTW cost, or soft-DTW, of every pair of sequences.

    The values are sums along the paths and are not normalized: long sequences have larger ones.
    Divided by the sum of both lengths, they can be compared::

        pairwise(sequences) / np.add.outer(lengths, lengths)

    Without `others`, each pair is computed once, unless `steps` count rows and columns
    differently (such as "asymmetric").

    Parameters
    ----------
    sequences : sequence of array_like, each of shape (n_k, d)
        Frame embeddings, at least one sequence. Not modified.
    others : sequence of array_like, each of shape (m_l, d), optional
        What they are compared with. By default each is compared with all of `sequences`.
    cost : {"sqeuclidean", "euclidean", "cosine", "l1"}
        Cost of a pair of frames: ||x - y||^2, ||x - y||, 1 - cos or the sum of |x - y|.
    gamma : float, optional
        Smoothing of soft-DTW, > 0, in the unit of the costs. By default the values are those of
        DTW.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path and their weights, as `tacref.reference.dtw` takes them.
    band : int or float, optional
        Frames are matched only within this band, as in `dtw`. By default there is no band.
    band_shape : {"diagonal", "offset", "itakura"}
        As in `dtw`.
    threads : int, optional
        The most threads that are used, >= 1; by default as many as there are cores. The values do
        not depend on it. Each takes a pair at a time; where there are fewer pairs than threads,
        they share one pair after the other; and very short pairs are left to one thread.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    ndarray of float64, shape (K, K) or (K, L)
        Entry (a, b) is `dtw(sequences[a], others[b])`, to the last bit; or with `gamma`,
        `tacref.reference.soft_dtw` of their costs, up to rounding. Soft-DTW of a sequence with
        itself is not 0 but at most 0.

    Raises
    ------
    ValueError
        If there are no sequences, a shape does not fit, a value is not finite or so large that
        costs would overflow, an option is out of range, `steps` or `band` leave a pair no path, a
        row is zero and `cost` is "cosine", or two sequences have more than `MAX_SOFT_CELLS` pairs
        of frames and there is a `gamma`. Names the sequence by its number, counted from 0.

    Examples
    --------
    >>> from tacref.alignment import pairwise
    >>> pairwise([[[0.0], [1.0]], [[0.0], [0.0], [1.0]], [[2.0], [3.0]]])
    array([[ 0.,  0.,  8.],
           [ 0.,  0., 12.],
           [ 8., 12.,  0.]])
    """
    checked = check_steps(steps)
    options = _Options(
        check_cost(cost),
        None if gamma is None else check_positive(gamma, "gamma"),
        checked,
        band,
        check_band_shape(band_shape),
    )
    if threads is None:
        threads = threads_available()
    elif isinstance(threads, bool) or not (isinstance(threads, Integral) and threads >= 1):
        raise ValueError(f"threads must be a whole number >= 1, got {in_one_line(threads)}")
    rows = check_sequences(sequences, "sequences", cost=cost)
    columns = rows
    if others is not None:
        columns = check_sequences(others, "others", d=rows[0].shape[1], cost=cost)
    names = "sequences", "sequences" if others is None else "others"
    once = others is None and _is_symmetric(checked)
    pairs = [(a, b) for a in range(len(rows)) for b in range(a if once else 0, len(columns))]
    if others is None and gamma is None and checked.are_any:  # equal sequences cost nothing
        pairs = [(a, b) for a, b in pairs if a != b]
    _check_lengths(rows, columns, pairs, options, names)
    at_once, within = _share_threads(rows, columns, pairs, threads)
    values = np.zeros((len(rows), len(columns)))

    def compute(a: int, b: int) -> None:
        try:
            values[a, b] = _value(rows[a], columns[b], options, within)
        except ValueError as error:
            raise ValueError(f"{names[0]}[{a}] and {names[1]}[{b}]: {error}") from None
        if once:
            values[b, a] = values[a, b]

    # The longest first: no thread is left with a long pair when the others have nothing to do.
    pairs.sort(key=lambda pair: -len(rows[pair[0]]) * len(columns[pair[1]]))
    done = _call_on_threads(compute, pairs, at_once)
    for _ in progress_bar(done, "compare", len(pairs), "pairs", enabled=progress):
        pass
    return values


def check_sequences(
    sequences: Sequence[ArrayLike], name: str, *, d: int | None = None, cost: str = "sqeuclidean"
) -> list[np.ndarray]:
    """Return sequences as contiguous float64, each `(n_k, d)`, non-empty and finite.

    Raises
    ------
    ValueError
        If there is none, a shape does not fit, a value is not finite, or a row is zero and `cost`
        is "cosine"; names the sequence by its number.
    """
    checked = [check_rows(rows, f"{name}[{k}]") for k, rows in enumerate(sequences)]
    if not checked:
        raise ValueError(f"{name} must hold at least one sequence, got none")
    wanted = checked[0].shape[1] if d is None else d
    for k, rows in enumerate(checked):
        if rows.shape[1] != wanted:
            raise ValueError(
                f"{name}[{k}] must have d = {wanted}, as sequences[0] has, got shape {rows.shape}"
            )
        if cost == "cosine":
            half_unit_rows(rows, f"{name}[{k}]")
    return checked


def _is_symmetric(steps: Steps) -> bool:
    """Whether DTW of y and x is DTW of x and y: each step goes both ways, at the same weight."""
    both = zip(steps.rows.tolist(), steps.columns.tolist(), steps.weights.tolist(), strict=True)
    triples = set(both)
    return triples == {(columns, rows, weight) for rows, columns, weight in triples}


def _check_lengths(
    rows: Sequence[np.ndarray],
    columns: Sequence[np.ndarray],
    pairs: Iterable[tuple[int, int]],
    options: _Options,
    names: tuple[str, str],
) -> None:
    """Refuse pairs whose lengths leave them no path or are too large, before any is computed.

    Raises
    ------
    ValueError
        Names the first such pair.
    """
    any_path = options.steps.are_any and options.band is None
    seen = set()
    for a, b in pairs:
        n, m = len(rows[a]), len(columns[b])
        if (n, m) in seen:
            continue
        seen.add((n, m))
        if options.gamma is not None and n * m > MAX_SOFT_CELLS:
            raise ValueError(
                f"{names[0]}[{a}] and {names[1]}[{b}]: soft-DTW takes at most {MAX_SOFT_CELLS} "
                f"pairs of frames, got {n} x {m}"
            )
        if any_path:
            continue
        try:
            check_steps_reach(options.steps, n, m, options.band, options.band_shape)
        except ValueError as error:
            raise ValueError(f"{names[0]}[{a}] and {names[1]}[{b}]: {error}") from None


def _share_threads(
    rows: Sequence[np.ndarray],
    columns: Sequence[np.ndarray],
    pairs: Sequence[tuple[int, int]],
    threads: int,
) -> tuple[int, int]:
    """Return how many pairs to compute at once, and the most threads for each."""
    if len(pairs) < threads:
        return 1, threads
    cells = sum(len(rows[a]) * len(columns[b]) for a, b in pairs)
    seconds = estimate_seconds(cells, rows[0].shape[1])
    return (threads if seconds >= _MIN_SECONDS_PER_PAIR * len(pairs) else 1), 1


def _value(x: np.ndarray, y: np.ndarray, options: _Options, threads: int) -> float:
    cost, gamma, steps, band, band_shape = options
    if gamma is None:
        columns = check_steps_reach(steps, len(x), len(y), band, band_shape)
        return cost_within(x, y, columns, steps, cost, threads=threads)
    if steps.are_any:
        value = _kernel_soft_dtw(x, y, options, gamma, threads)
        # Smaller values than gamma are rounded in its units.
        if gamma <= abs(value) < _MAX_KERNEL_VALUE * gamma and gamma >= _MIN_KERNEL_GAMMA:
            return value
    D = cost_matrix(x, y) if cost == "sqeuclidean" else distance_matrix(x, y, cost)
    listed = list(
        zip(steps.rows.tolist(), steps.columns.tolist(), steps.weights.tolist(), strict=True)
    )
    return soft_dtw(D, gamma=gamma, steps=listed, band=band, band_shape=band_shape)


def _kernel_soft_dtw(
    x: np.ndarray, y: np.ndarray, options: _Options, gamma: float, threads: int
) -> float:
    """Return soft-DTW by any steps, as the kernels compute it where it is in their range."""
    lengths = np.array([len(x)]), np.array([len(y)])
    rows, columns, kind = comparable_rows(x, y, options.cost)
    if kind == SQEUCLIDEAN and options.band is None:
        batch = np.ascontiguousarray(rows)[None], np.ascontiguousarray(columns)[None]
        return float(of_embeddings(*batch, *lengths, gamma, -1, None, None, threads)[0])
    D, _ = check_smoothing(
        distance_matrix(x, y, options.cost), gamma, options.band, options.band_shape
    )
    return float(of_costs(D[None], *lengths, gamma, -1, None, threads)[0])


def _call_on_threads(
    call: Callable[[int, int], None], pairs: Sequence[tuple[int, int]], threads: int
) -> Iterator[None]:
    """Call a function with each pair, and yield after each; raise the first error."""
    if threads == 1:
        for pair in pairs:
            call(*pair)
            yield
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[None]] = deque()
    try:
        for pair in pairs:
            waiting.append(pool.submit(call, *pair))
            if len(waiting) > _PAIRS_AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # after an error or ctrl-C nobody needs the rest
        pool.shutdown(cancel_futures=True)
