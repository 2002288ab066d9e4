"""Run the report card of a function by its name."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from tacref.verify.card import check
from tacref.verify.guard import error_line
from tacref.verify.load import load_callable
from tacref.verify.report import Report
from tacref.verify.spec import Loss


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
