"""The project's own implementations, each with the loss that it claims to compute, and their cards.

The cards are made in a process for each core.
"""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from dataclasses import asdict
from typing import Any

from tacref.cores import threads_available
from tacref.interrupts import uninterrupted
from tacref.terminal import counting_bar, progress_bar
from tacref.verify.card import check
from tacref.verify.kinds import KINDS, Implementation
from tacref.verify.kinds.kind import BACKENDS, BACKENDS_ON_CUDA
from tacref.verify.report import Report, Row

_MOST_PROCESSES = 8  # more would each import torch for one group or two
_MARK = "\x1e"  # begins an answer
_ERRORS = {each.__name__: each for each in (ModuleNotFoundError, ImportError, MemoryError, OSError)}


def implementations(device: str = "cpu") -> Iterator[Implementation]:
    """Yield each public loss and the options to `check` it with, with the backends of a device."""
    for kind in KINDS.values():
        for fn, claim in kind.own(BACKENDS if device == "cpu" else BACKENDS_ON_CUDA):
            if device == "cpu" or "framework" not in claim:
                yield fn, claim


def own_cards(
    seed: int, dtype: str = "float64", device: str = "cpu", *, progress: bool = False
) -> list[Report]:
    """Return a card for each of tacref's implementations that run on the device.

    With `progress`, a bar on a terminal shows how far it is.

    Raises
    ------
    ValueError
        If the device is not available.
    ChildProcessError
        If a process ended before its cards were made.
    """
    workers = min(threads_available(), _MOST_PROCESSES) if device == "cpu" else 1
    if workers > 1:
        return _made_by_processes(workers, seed, dtype, progress=progress)
    groups = _groups(device)
    bar = progress_bar(groups, "verify", len(groups), "losses", enabled=progress)
    return [card for group in bar for card in _cards(group, seed, dtype, device)]


def _groups(device: str) -> list[list[Implementation]]:
    """Return implementations by equation: those of one share right answers, while they are kept."""
    groups: dict[tuple[str | None, ...], list[Implementation]] = {}
    for fn, claim in implementations(device):
        equation = tuple(claim.get(name) for name in ("loss", "variant", "inputs"))
        groups.setdefault(equation, []).append((fn, claim))
    return list(groups.values())


def _cards(group: list[Implementation], seed: int, dtype: str, device: str) -> list[Report]:
    return [check(fn, seed=seed, dtype=dtype, device=device, **claim) for fn, claim in group]


def _made_by_processes(workers: int, seed: int, dtype: str, *, progress: bool) -> list[Report]:
    """Return the cards, made by this many processes; this one does not even import torch."""
    numbers = itertools.count()  # of groups, from 0 on; a number is taken once
    cards: dict[int, list[Report]] = {}
    processes: list[subprocess.Popen[str]] = []

    def fetch(process: subprocess.Popen[str]) -> None:
        """Have groups checked until none is left."""
        while made := _ask(process, number := next(numbers), advance):
            cards[number] = made

    with (
        counting_bar("verify", "losses") if progress else nullcontext(lambda _: None) as advance,
        ThreadPoolExecutor(workers) as pool,
    ):
        try:
            for _ in range(workers):
                _start(processes, [str(seed), dtype])
            futures = [pool.submit(fetch, process) for process in processes]
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:
            _end(processes)
    return [card for number in sorted(cards) for card in cards[number]]


@uninterrupted
def _start(processes: list[subprocess.Popen[str]], arguments: list[str]) -> None:
    """Start a process that finds modules where this one does, and add it to those to be ended."""
    program = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
        f"from {__name__} import work; work(*sys.argv[2:])"
    )
    processes.append(
        subprocess.Popen(
            [sys.executable, "-c", program, json.dumps(sys.path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Threads of torch that wait must not keep a core busy.
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
            start_new_session=True,  # ctrl-C goes to a whole group, and is for this process alone
        )
    )


@uninterrupted
def _end(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.communicate()


def _ask(
    process: subprocess.Popen[str], number: int, advance: Callable[[int], None]
) -> list[Report]:
    """Return the cards of a group, made by a process; none beyond the last group."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):
        print(number, file=process.stdin, flush=True)
    for line in process.stdout:
        if line.startswith(_MARK):  # what starts Python may have printed something
            break
    else:
        raise ChildProcessError(f"a process that makes cards ended, status {process.wait()}")
    answer = json.loads(line.removeprefix(_MARK))
    if "error" in answer:
        kind, message = answer["error"]
        raise _ERRORS.get(kind, RuntimeError)(message)
    if answer["cards"]:
        advance(answer["groups"])
    return [
        Report(**card | {"rows": tuple(Row(**row) for row in card["rows"])})
        for card in answer["cards"]
    ]


def work(seed: str, dtype: str) -> None:
    """Answer each number of a group that is read with its cards, a marked line of JSON."""
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "w") as out:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print in C, too
        for line in sys.stdin:
            try:
                groups = _groups("cpu")
                group = groups[int(line)] if int(line) < len(groups) else []
                cards = [asdict(card) for card in _cards(group, int(seed), dtype, "cpu")]
                answer: dict[str, Any] = {"cards": cards, "groups": len(groups)}
            except Exception as error:
                answer = {"error": (type(error).__name__, str(error))}
            print(_MARK + json.dumps(answer), file=out, flush=True)
