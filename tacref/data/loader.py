"""Batches read ahead by worker processes, in the order of their steps."""

import os
import signal
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from tacref.cores import threads_available
from tacref.data import video
from tacref.data.ahead import read_ahead
from tacref.data.batch import PairBatch
from tacref.data.dataset import PairDataset

_BATCHES_AHEAD = 2  # batches requested from a worker before the first is received


def iter_batches(
    dataset: PairDataset,
    steps: range,
    *,
    rank: int = 0,
    world: int = 1,
    parts: int = 1,
    workers: int = 0,
) -> Iterator[tuple[list[PairBatch], float]]:
    """Read the batches of some steps; they do not depend on the number of workers.

    Parameters
    ----------
    dataset : PairDataset
        The data set.
    steps : range
        The steps.
    rank, world : int
        Number of this process, and of processes; they have equal shares of each batch.
    parts : int
        Number of equal parts of the share of this process.
    workers : int
        Number of processes that read ahead; 0 reads in this one, where a thread reads pictures one
        step ahead. Processes are started afresh, not forked, so a script that calls this needs
        `if __name__ == "__main__":`. They end with this process, however it ends.

    Yields
    ------
    batches : list of PairBatch
        The parts of a step.
    seconds : float
        Time spent waiting for them.

    Raises
    ------
    ValueError
        If `workers` is not >= 0, or as `PairDataset.batch`.
    ChildProcessError
        If a worker process cannot be started, or was killed.
    """
    if workers < 0:
        raise ValueError(f"workers must be >= 0, got {workers!r}")
    share = {"rank": rank, "world": world, "parts": parts}
    if workers == 0:
        with closing(_read_here(dataset, steps, share)) as read:
            for _ in steps:
                start = time.perf_counter()
                batches = next(read)
                yield batches, time.perf_counter() - start
        return
    pool: list[_Worker] = []
    try:
        for _ in steps[:workers]:
            pool.append(_Worker(dataset, min(workers, len(steps)), share))
        for position, step in enumerate(steps[: _BATCHES_AHEAD * workers]):
            pool[position % workers].request(step)
        for position in range(len(steps)):
            start = time.perf_counter()
            worker = pool[position % workers]
            batches = worker.receive()
            if position + _BATCHES_AHEAD * workers < len(steps):
                worker.request(steps[position + _BATCHES_AHEAD * workers])
            yield batches, time.perf_counter() - start
    finally:
        for worker in pool:
            worker.end()


def _read_here(
    dataset: PairDataset, steps: range, share: dict[str, int]
) -> Generator[list[PairBatch]]:
    batches = (_read(dataset, step, **share) for step in steps)
    # Rows of features are read faster than a thread takes them over.
    yield from read_ahead(batches, 1) if dataset.reads_pictures else batches


def _read(dataset: PairDataset, step: int, *, rank: int, world: int, parts: int) -> list[PairBatch]:
    return [
        dataset.batch(step, rank=rank, world=world, part=part, parts=parts) for part in range(parts)
    ]


def decoder_threads(workers: int) -> int:
    """Return the number of decoder threads for each worker, so that all workers share the cores.

    Every process that torchrun started on this machine has this number of workers.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, threads_available() // (workers * processes))


class _Worker:
    """A process at the other end of a pipe; closing the pipe ends it."""

    def __init__(self, dataset: PairDataset, workers: int, share: dict[str, int]) -> None:
        # A fresh interpreter: it inherits no end of another worker's pipe, so that its pipe closes
        # with this process, even if that is killed; and it need not load torch.
        context = get_context("spawn")
        try:
            self._pipe, other = context.Pipe()
            with other:
                self._process = context.Process(
                    target=_serve, args=(other, dataset, workers, share), daemon=True
                )
                self._process.start()
        except OSError as error:  # no more open files, or processes
            raise ChildProcessError(
                f"a process that reads clips cannot be started ({error.strerror}); a lower number "
                f"of workers needs less, got {workers}"
            ) from None

    def request(self, step: int) -> None:
        with suppress(BrokenPipeError):  # `receive` reports what happened
            self._pipe.send(step)

    def receive(self) -> list[PairBatch]:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(10)
            raise ChildProcessError(
                f"a process that reads clips ended with status {self._process.exitcode}; "
                "it may have been killed for lack of memory"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        self._pipe.close()
        self._process.kill()  # it has nothing to finish
        self._process.join()


def _serve(pipe: Connection, dataset: PairDataset, workers: int, share: dict[str, Any]) -> None:
    # The main process decides when to stop, also if both get the signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The scan has already warned about this.
    warnings.filterwarnings("ignore", message=".*shorter than it says")
    dataset.cache.max_bytes //= workers
    video.decoder_threads = decoder_threads(workers)
    try:
        while True:
            step = pipe.recv()
            try:
                answer: Any = _read(dataset, step, **share)
            except Exception as error:  # raised by the main process
                answer = error
            pipe.send(answer)
    except (EOFError, OSError):  # the main process has gone
        os._exit(0)
