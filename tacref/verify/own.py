"""The project's own implementations, each with the loss that it claims to compute, and their cards.

The cards are made in a process for each core, which runs this module as a program.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

from tacref.cores import threads_available
from tacref.interrupts import uninterrupted
from tacref.terminal import counting_bar, progress_bar
from tacref.verify.card import check
from tacref.verify.kinds import KINDS, Implementation
from tacref.verify.kinds.kind import BACKENDS, BACKENDS_ON_CUDA
from tacref.verify.report import Report, Row


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
        If a process was killed before its cards were made.
    """
    workers = threads_available() if device == "cpu" else 1
    if workers > 1:
        return _made_by_processes(workers, seed, dtype, progress=progress)
    groups = _groups(device)
    bar = progress_bar(groups, "verify", len(groups), "losses") if progress else groups
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
    # They have the modules of this one, wherever those were found. Threads of torch that wait must
    # not keep a core busy.
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-P", "-m", __name__, str(seed), dtype]
    processes: list[subprocess.Popen[str]] = []
    numbers = itertools.count()  # of groups, from 0 on; a number is taken once
    cards: dict[int, list[Report]] = {}

    def fetch(process: subprocess.Popen[str]) -> None:
        """Have groups checked until there is none left."""
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            number = next(numbers)
            with contextlib.suppress(BrokenPipeError):
                print(number, file=process.stdin, flush=True)
            line = process.stdout.readline()
            if not line:
                status = process.wait()
                raise ChildProcessError(f"a process that makes cards ended with status {status}")
            made, count = json.loads(line)
            if not made:
                return
            cards[number] = [_report(card) for card in made]
            advance(count)

    with (
        counting_bar("verify", "losses") if progress else nullcontext(lambda _: None) as advance,
        ThreadPoolExecutor(workers) as pool,
    ):
        try:
            for _ in range(workers):
                _start(command, environment, processes)
            list(pool.map(fetch, processes))
        finally:
            for process in processes:
                process.kill()
                process.communicate()
    return [card for number in sorted(cards) for card in cards[number]]


@uninterrupted
def _start(
    command: list[str], environment: dict[str, str], processes: list[subprocess.Popen[str]]
) -> None:
    """Start a process, which the caller ends; ctrl-C is for the caller alone."""
    processes.append(
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
            start_new_session=True,
        )
    )


def _report(card: dict[str, Any]) -> Report:
    return Report(**card | {"rows": tuple(Row(**row) for row in card["rows"])})


def _work(seed: str, dtype: str) -> None:
    """Write the cards of each group whose number is read, and how many groups there are, as JSON.

    Beyond the last group there are no cards.
    """
    groups = _groups("cpu")
    for line in sys.stdin:
        group = groups[int(line)] if int(line) < len(groups) else []
        cards = [asdict(card) for card in _cards(group, int(seed), dtype, "cpu")]
        print(json.dumps([cards, len(groups)]), flush=True)


if __name__ == "__main__":
    _work(*sys.argv[1:])
