"""Work on several threads: kernels release the GIL, and tell each other how far they are."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import numpy as np
from llvmlite.binding import add_symbol
from numba import types

from tacref.compiled import inner, njit
from tacref.kernels.atomics import add, observe

# With fewer cells a thread costs more time to start than it saves.
MIN_CELLS_PER_THREAD = 1 << 12
# Arrays that are kept for later calls: the numbers of one (16 MB), and how many.
MAX_SPARE_SIZE = 1 << 21
MAX_SPARE_ARRAYS = 2 * (os.cpu_count() or 1)
# A thread that waits for another looks so often before it sleeps, and then between looks.
LOOKS_BEFORE_SLEEP = 1 << 12
SLEEP = 1 if os.name == "nt" else 20  # in the unit of the system's function: ms or microseconds
_spare: list[np.ndarray] = []
_helpers: "_Helpers"
# What a queue of items holds: the next one's number, how many are done, and whether to stop.
_NEXT, _DONE, _HALT = 0, 1, 2


@contextmanager
def borrowed(size: int, dtype: Any = np.float64) -> Iterator[np.ndarray]:
    """Lend an array of at least this size, of float64 or float32; later calls reuse small ones.

    New memory costs more than the computation in it: the system fills each page with zeros first.
    """
    size = -(-size * np.dtype(dtype).itemsize // 8)
    try:  # not a look first: another thread may take the last one
        array = _spare.pop()
    except IndexError:
        array = np.empty(0)
    if len(array) < size:
        array = np.empty(size)
    try:
        yield array.view(dtype)
    finally:
        if len(array) <= MAX_SPARE_SIZE and len(_spare) < MAX_SPARE_ARRAYS:
            _spare.append(array)


def useful_threads(cells: np.ndarray, threads: int) -> int:
    """Return how many of the threads are worth starting for items with these numbers of cells."""
    return max(1, min(threads, int(cells.sum()) // MIN_CELLS_PER_THREAD))


class _Job:
    """Items that a call shares with other threads; once it needs none, `work` is None."""

    def __init__(self, work: Callable[[np.ndarray], None], queue: np.ndarray) -> None:
        self.work: Callable[[np.ndarray], None] | None = work
        self.queue = queue
        self.errors: list[BaseException] = []

    def help(self) -> None:
        """Do what items there are left; a thread that comes late finds none."""
        work = self.work
        if work is None:
            return
        try:
            work(self.queue)
        except BaseException as error:
            self.errors.append(error)
            self.queue[_HALT] = 1


def run_items(work: Callable[[np.ndarray], None], items: int, threads: int) -> None:
    """Call `work(queue)` here and on other threads, each of which takes items until none is left.

    No thread is waited for that has taken none, as on a busy machine it may come late.

    Parameters
    ----------
    work : callable
        Does items as `take_item` hands them out; releases the GIL.
    items : int
        How many there are.
    threads : int
        The largest number of threads, this one among them.

    Raises
    ------
    OSError
        If the system has no more threads to give.
    MemoryError
        If a thread finds no memory.
    """
    queue = np.zeros(_HALT + 1, np.int64)
    helpers = min(threads, items) - 1
    if helpers < 1:
        work(queue)
        return
    job = _Job(work, queue)
    try:
        _helpers.call(job, helpers)
    except RuntimeError as error:
        raise OSError(f"{error}, of {helpers + 1} that share a batch") from error
    try:
        work(queue)
        _await_items(queue, items)
    finally:
        queue[_NEXT] = items  # after an error nobody needs them
        job.work = None
    if job.errors:
        raise job.errors[0]


class _Helpers:
    """Threads that sleep until there is a job, and end with the process."""

    def __init__(self) -> None:
        self._job: _Job | None = None
        self.wakes: SimpleQueue[None] = SimpleQueue()
        self._started = 0
        self._starting = threading.Lock()

    def call(self, job: _Job, count: int) -> None:
        """Let so many threads know of a job."""
        with self._starting:
            while self._started < count:
                threading.Thread(target=self._serve, daemon=True, name="tacref").start()
                self._started += 1
        self._job = job
        # A thread that has not come yet to the call before will come to this one.
        for _ in range(count - self.wakes.qsize()):
            self.wakes.put(None)

    def _serve(self) -> None:
        while True:
            self.wakes.get()
            if self._job is not None:
                self._job.help()


def _new_helpers() -> None:
    global _helpers
    _helpers = _Helpers()


_new_helpers()
if hasattr(os, "register_at_fork"):
    # A forked process has none of its parent's threads.
    os.register_at_fork(after_in_child=_new_helpers)


@inner
def take_item(queue: np.ndarray) -> int:
    """Return the number of an item that no other thread has; beyond the last, there are no more."""
    return int(add(queue, _NEXT, 1))


@inner
def take_next_item(queue: np.ndarray) -> int:
    """Say that the item taken before is done, and take another."""
    add(queue, _DONE, 1)
    return int(add(queue, _NEXT, 1))


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


@inner
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


@inner
def halted(progress: np.ndarray) -> bool:
    """Whether a thread has failed, so that there is no more to wait for."""
    return bool(observe(progress, len(progress) - 1) != 0)


@njit(nogil=True, cache=True)
def _await_items(queue: np.ndarray, items: int) -> None:
    """Wait until all items are done, or a thread has failed."""
    await_progress(queue, _DONE, items)
