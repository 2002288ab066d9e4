"""The project's own implementations, each with the loss that it claims to compute, and their cards.

The cards are made in a process for each core, which runs this module as a program.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from queue import Empty, SimpleQueue

from tacref.cores import threads_available
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


def own_cards(seed: int, dtype: str = "float64", device: str = "cpu") -> list[Report]:
    """Return a card for each of tacref's implementations that run on the device.

    Raises
    ------
    ValueError
        If the device is not available.
    RuntimeError
        If a process was killed before its cards were made.
    """
    groups = _groups(device)
    workers = min(threads_available(), len(groups)) if device == "cpu" else 1
    cards: dict[str, Report] = {}
    if workers == 1:
        for name in groups:
            cards |= _cards(groups[name], seed, dtype, device)
    else:
        for made in _in_processes(workers, list(groups), seed, dtype):
            cards |= made
    return [cards[claim["name"]] for _, claim in implementations(device)]


def _groups(device: str) -> dict[str, list[Implementation]]:
    """Return implementations by equation: those of one share right answers, while they are kept."""
    groups: dict[str, list[Implementation]] = {}
    for fn, claim in implementations(device):
        name = " ".join(claim.get(each, "") for each in ("loss", "variant", "inputs"))
        groups.setdefault(name, []).append((fn, claim))
    return groups


def _cards(group: list[Implementation], seed: int, dtype: str, device: str) -> dict[str, Report]:
    return {
        claim["name"]: check(fn, seed=seed, dtype=dtype, device=device, **claim)
        for fn, claim in group
    }


def _in_processes(
    workers: int, names: list[str], seed: int, dtype: str
) -> Iterator[dict[str, Report]]:
    """Yield the cards of each group, made by this many processes."""
    # The modules of this process, also where it was told of them by other means; threads of torch
    # that wait must not keep a core busy.
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-P", "-m", __name__, str(seed), dtype]
    waiting = SimpleQueue[str]()
    for name in names:
        waiting.put(name)
    processes: list[subprocess.Popen[str]] = []

    def made_by(process: subprocess.Popen[str]) -> Iterator[dict[str, Report]]:
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            print(name, file=process.stdin, flush=True)
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"a process that checks {name} ended: status {process.wait()}")
            yield {card["name"]: _report(card) for card in json.loads(line)}

    with ThreadPoolExecutor(workers) as pool:
        try:
            for _ in range(workers):
                processes.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                        env=os.environ | environment,
                        start_new_session=True,  # ctrl-C is for this process
                    )
                )
            for made in pool.map(lambda process: list(made_by(process)), processes):
                yield from made
        finally:
            for process in processes:
                process.kill()
                process.communicate()


def _report(card: dict) -> Report:
    rows = tuple(Row(**row) for row in card["rows"])
    return Report(**card | {"rows": rows})


def _work(seed: str, dtype: str) -> None:
    """Write the cards of each group that the standard input names, as a line of JSON."""
    groups = _groups("cpu")
    for line in sys.stdin:
        made = _cards(groups[line.strip("\n")], int(seed), dtype, "cpu")
        print(json.dumps([asdict(card) for card in made.values()]), flush=True)


if __name__ == "__main__":
    _work(*sys.argv[1:])
