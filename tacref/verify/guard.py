"""Run foreign code so that it cannot end, silence or change the program that checks it."""

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# Global state that no loss should change, and code that shows it.
STATE = {
    "numpy's handling of errors": "np.geterr()",
    "the current folder": "os.getcwd()",
    "torch's default dtype": "torch.get_default_dtype()",
    "torch's default device": "torch.get_default_device()",
    "torch's grad mode": "torch.is_grad_enabled()",
    "torch's number of threads": "torch.get_num_threads()",
    "torch's deterministic mode": "torch.are_deterministic_algorithms_enabled()",
}


class SubjectError(Exception):
    """The function raised, or returned what it must not."""


class ReturnedError(SubjectError):
    """The function returned what it must not."""


@contextlib.contextmanager
def guarded(changed: set[str], action: str = "", *, restores: bool = True) -> Iterator[None]:
    """Turn any exception but Ctrl-C into a `SubjectError`; suppress output, warnings and logs.

    With `restores`, changes to global state are undone and named in `changed`.
    """
    before = {name: read() for name, (read, _) in _state().items()} if restores else {}
    try:
        with (
            without_logs(),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    except (KeyboardInterrupt, SubjectError):
        raise
    except BaseException as error:  # foreign code may raise anything, such as SystemExit
        raise SubjectError(f"{action}raised {error_line(error)}") from error
    finally:
        for name, (read, write) in _state().items():
            if name in before and read() != before[name]:
                changed.add(name)
                write(before[name])


@contextlib.contextmanager
def without_logs() -> Iterator[None]:
    """Suppress logs. Nested, it does nothing: `logging.disable` empties every logger's cache."""
    manager = logging.root.manager
    level = manager.disable
    if level < logging.CRITICAL:
        logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        if manager.disable != level:
            logging.disable(level)


def error_line(error: BaseException) -> str:
    """Return an error's type and message on one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # the message may run foreign code, too
        text = ""
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _state() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """Global state by name: how to read it, and how to restore it."""
    state: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
        "numpy's handling of errors": (np.geterr, lambda value: np.seterr(**value)),
        "the current folder": (_folder, lambda value: os.chdir(value) if value else None),
    }
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_grad_enabled"):
        state |= {
            "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
            "torch's default device": (
                torch.get_default_device,
                lambda value: torch.set_default_device(None if value.type == "cpu" else value),
            ),
            "torch's grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
            "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
            "torch's deterministic mode": (
                torch.are_deterministic_algorithms_enabled,
                torch.use_deterministic_algorithms,
            ),
        }
    return state


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # deleted
        return None
