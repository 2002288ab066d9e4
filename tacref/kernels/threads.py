"""Work on several threads: kernels release the GIL, and tell each other how far they have come."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from tacref.kernels.atomics import observe

# Cells of a batch, for which another thread takes about as long to start as it saves.
FEW = 1 << 12
_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    # A forked process has none of its parent's threads.
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def useful_threads(cells: np.ndarray, threads: int) -> int:
    """Return how many of the threads are worth starting for items of so many cells."""
    return max(1, min(threads, int(cells.sum()) // FEW))


def run_parts(work: Callable[[int, int], None], costs: np.ndarray, threads: int) -> None:
    """Call `work(start, stop)` on consecutive parts of the items, each on its own thread.

    Parameters
    ----------
    work : callable
        Does items `start` to `stop`; releases the GIL.
    costs : ndarray, shape (B,)
        What each item takes, in any unit: parts cost about the same.
    threads : int
        At most so many parts.
    """
    global _pool
    sums = np.cumsum(costs)
    cuts = np.searchsorted(sums, sums[-1] * np.arange(1, threads) / threads, side="left") + 1
    bounds = np.unique(np.concatenate(([0], cuts, [len(costs)])))
    parts = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    if len(parts) > 1 and _pool is None:
        _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="tacref")
    pending = [_pool.submit(work, *part) for part in parts[1:]] if _pool is not None else []
    try:
        work(*parts[0])
    finally:
        for future in pending:
            future.result()


def run_together(work: Callable[[int, int], None], threads: int) -> None:
    """Call `work(thread, threads)` on so many threads, which may wait for each other.

    Each has a thread of its own, and not one of a pool, where it might never start while another
    waits for it.
    """
    errors: list[BaseException] = []

    def guarded(thread: int) -> None:
        try:
            work(thread, threads)
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=guarded, args=(t,)) for t in range(1, threads)]
    for other in others:
        other.start()
    guarded(0)
    for other in others:
        other.join()
    if errors:
        raise errors[0]


@njit(cache=True)
def await_progress(progress: np.ndarray, place: int, needed: int) -> None:
    """Wait until another thread has published `needed` or more."""
    while observe(progress, place) < needed:
        pass
