"""Cards of the functions that a command names, or of all that are tacref's own."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from tacref.verify.check import check
from tacref.verify.guard import line
from tacref.verify.load import load_callable
from tacref.verify.own import implementations
from tacref.verify.report import Report
from tacref.verify.spec import Loss


def own_cards(seed: int) -> list[Report]:
    """Return a card for each of tacref's implementations."""
    return [check(fn, seed=seed, **given) for fn, given in implementations()]


def card(target: str, loss: Loss, **options: Any) -> Report:
    """Return the card of a function; what it prints goes nowhere.

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
        with _silent_output():
            return check(load_callable(target), loss, name=target, **options)
    except (ValueError, OSError, ImportError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a function that damages Python itself, say
        raise ValueError(f"{target}: could not be checked ({line(error)})") from error


@contextlib.contextmanager
def _silent_output() -> Iterator[None]:
    """Discard what is written to the process's standard output, as by C code, for a while."""
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except OSError:  # there is none
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
