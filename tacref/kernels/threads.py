"""Work on several threads: kernels release the GIL, and tell each other how far they are."""

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from llvmlite.binding import add_symbol
from numba import types

from tacref.compiled import njit
from tacref.forks import forked
from tacref.kernels.atomics import observe

# With fewer cells a thread costs more time to start than it saves.
MIN_CELLS_PER_THREAD = 1 << 12
# Arrays that are kept for later calls: the numbers of one (16 MB), and how many.
MAX_SPARE_SIZE = 1 << 21
MAX_SPARE_ARRAYS = 2 * (os.cpu_count() or 1)
# A thread that waits for another looks so often before it sleeps, and then between looks.
LOOKS_BEFORE_SLEEP = 1 << 12
SLEEP = 1 if os.name == "nt" else 20  # in the unit of the system's function: ms or microseconds
_spare: list[np.ndarray] = []
_pool: ThreadPoolExecutor | None = None


def _forget_threads() -> None:
    # A forked process has none of its parent's threads.
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


@contextmanager
def borrowed(size: int) -> Iterator[np.ndarray]:
    """Lend a float64 array of at least this size; later calls reuse small ones.

    New memory costs more than the computation in it: the system fills each page with zeros first.
    """
    try:  # not a look first: another thread may take the last one
        array = _spare.pop()
    except IndexError:
        array = np.empty(0)
    if len(array) < size:
        array = np.empty(size)
    try:
        yield array
    finally:
        if len(array) <= MAX_SPARE_SIZE and len(_spare) < MAX_SPARE_ARRAYS:
            _spare.append(array)


def useful_threads(cells: np.ndarray, threads: int) -> int:
    """Return how many of the threads are worth starting for items with these numbers of cells."""
    return max(1, min(threads, int(cells.sum()) // MIN_CELLS_PER_THREAD))


def run_parts(work: Callable[[int, int], None], costs: np.ndarray, threads: int) -> None:
    """Call `work(start, stop)` on consecutive parts of the items, each on a thread.

    Where torch has loaded GNU OpenMP, its threads do the work. They spin for a while after each
    operation, so a pool's threads would compete with them for the cores.

    Parameters
    ----------
    work : callable
        Does items `start` to `stop`; releases the GIL.
    costs : ndarray, shape (B,)
        How long each item takes, in any unit; the parts take about the same time.
    threads : int
        The largest number of parts.

    Raises
    ------
    OSError
        If the system has no more threads to give.
    """
    if threads == 1:
        work(0, len(costs))
        return
    sums = np.cumsum(costs)
    cuts = np.searchsorted(sums, sums[-1] * np.arange(1, threads) / threads, side="left") + 1
    bounds = sorted({0, len(costs), *cuts.tolist()})
    unclaimed = iter(list(pairwise(bounds)))
    errors: list[BaseException] = []

    def claim(_: object = None) -> None:
        try:
            for part in unclaimed:  # one thread at a time advances it, under the GIL
                work(*part)
        except BaseException as error:
            errors.append(error)

    parallel = None if forked() else _openmp()
    if parallel is not None:
        parallel(_CALLBACK(claim), None, len(bounds) - 1, 0)
    else:
        pending = []
        try:
            for _ in bounds[2:]:
                pending.append(_threads().submit(claim))
            claim()
        except RuntimeError as error:
            raise OSError(f"{error}, of {len(bounds) - 1} that share a batch") from error
        finally:
            for _ in unclaimed:  # after an error nobody needs these parts
                pass
            for future in pending:
                future.result()
    if errors:
        raise errors[0]


_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def _openmp() -> Any:
    """Return GNU OpenMP's function that calls another on several threads, if it is loaded."""
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None), "GOMP_parallel", None)
    if function is not None:
        function.argtypes = [_CALLBACK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        function.restype = None
    return function


def _threads() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="tacref")
    return _pool


def run_together(work: Callable[[int, int], None], threads: int, halt: np.ndarray) -> None:
    """Call `work(thread, threads)` on this many threads, which may wait for each other.

    The threads are new ones, not a pool's: in a busy pool one might never start while another
    waits for it.

    Parameters
    ----------
    work : callable
        Does the share of one thread; ends early where `halt` is not 0.
    threads : int
        How many; this one is among them.
    halt : ndarray of int64
        Zeros. Set to 1 once a share cannot be done, so that no thread goes on waiting for it.

    Raises
    ------
    OSError
        If the system has no more threads to give.
    MemoryError
        If a thread finds no memory.
    """
    errors: list[BaseException] = []

    def guarded(thread: int) -> None:
        try:
            work(thread, threads)
        except BaseException as error:
            halt[...] = 1
            errors.append(error)

    started: list[threading.Thread] = []
    try:
        for thread in range(1, threads):
            other = threading.Thread(target=guarded, args=(thread,))
            other.start()
            started.append(other)
        guarded(0)
        for other in started:
            other.join()
    except BaseException as error:  # no thread can be started, or ctrl-C
        halt[...] = 1
        for other in started:
            other.join()
        if isinstance(error, RuntimeError):
            raise OSError(
                f"{error}: {threads} share one long pair, and the system gave {len(started) + 1}; "
                "torch.set_num_threads(1) computes it without any other"
            ) from error
        raise
    if errors:
        raise errors[0]
    if halt.any():  # not even its error could be kept
        raise MemoryError("a thread that computes one long pair found no memory")


def _address_of_sleep() -> int:
    """Return where the system's function is that lets a thread sleep without the GIL."""
    library = ctypes.CDLL("kernel32" if os.name == "nt" else None)
    function = library.Sleep if os.name == "nt" else library.usleep
    return ctypes.cast(function, ctypes.c_void_p).value or 0


_sleep: Any = types.ExternalFunction("tacref_sleep", types.void(types.uint32))
add_symbol("tacref_sleep", _address_of_sleep())


@njit(cache=True)
def await_progress(progress: np.ndarray, index: int, needed: int) -> None:
    """Wait until another thread has published `needed` or more, or the last number is not 0."""
    last = len(progress) - 1
    looks = 0
    while observe(progress, index) < needed and observe(progress, last) == 0:
        looks += 1
        # The other thread may be waiting for this very core, for good where priorities are
        # real-time ones; SVT-AV1's encoder gives those to a process of root.
        if looks > LOOKS_BEFORE_SLEEP:
            _sleep(SLEEP)


@njit(cache=True)
def halted(progress: np.ndarray) -> bool:
    """Whether a thread has failed, so that there is no more to wait for."""
    return bool(observe(progress, len(progress) - 1) != 0)
