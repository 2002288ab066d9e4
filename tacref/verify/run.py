"""Run the report card: of a function by its name, or of all of tacref's own."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from tacref.verify.card import check
from tacref.verify.guard import error_line
from tacref.verify.load import load_callable
from tacref.verify.own import implementations
from tacref.verify.report import Report
from tacref.verify.spec import Loss


def own_cards(seed: int, dtype: str = "float64", device: str = "cpu") -> list[Report]:
    """Return a card for each of tacref's implementations that run on the device.

    Raises
    ------
    ValueError
        If the device is not available.
    """
    cards = []
    for fn, claim in implementations(device):
        if device == "cpu" or "framework" not in claim:
            cards.append(check(fn, seed=seed, dtype=dtype, device=device, **claim))
    return cards


def card(target: str, loss: Loss, **options: Any) -> Report:
    """Return the card of a function; what it prints is discarded.

    Parameters
    ----------
    target : str
        `module:name`, importable from the current folder.
    loss : str
        What it claims to compute.
    **options
        As for `check`.

    Raises
    ------
    ValueError
        If it cannot be imported or checked.
    """
    try:
        with _discarded_output():
            return check(load_callable(target), loss, name=target, **options)
    except (ValueError, OSError, ImportError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a function may damage Python itself
        raise ValueError(f"{target}: could not be checked ({error_line(error)})") from error


@contextlib.contextmanager
def _discarded_output() -> Iterator[None]:
    """Discard what is written to the standard output of the process, also by C code."""
    try:
        sys.stdout.flush()
        stdout = os.dup(1)
    except OSError:  # there is none
        yield
        return
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.close(devnull)
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
