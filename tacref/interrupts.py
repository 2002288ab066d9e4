"""Ctrl-C while libraries compute: still an interruption, whatever they turn it into."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def lasting_interrupts() -> Iterator[None]:
    """Raise again, at the end of a block, the interruption that a signal's handler raised in it.

    torch's exporter turns any exception into errors of its own, an interrupted import fails later
    and elsewhere, and an exception in a finalizer is only printed. Without an interruption, errors
    stay as they are.

    Raises
    ------
    KeyboardInterrupt
        The first that was raised.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    raised: list[KeyboardInterrupt] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    unraisable = sys.unraisablehook

    def handle(number: int, frame: Any) -> None:
        handler = handlers[signal.Signals(number)]
        assert callable(handler)
        try:
            handler(number, frame)
        except KeyboardInterrupt as interrupt:
            raised.append(interrupt)
            raise

    def ignore_after_interrupt(problem: Any) -> None:
        if not raised:
            unraisable(problem)

    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, handle)
    sys.unraisablehook = ignore_after_interrupt
    try:
        yield
    except BaseException:
        if not raised:
            raise
    finally:
        sys.unraisablehook = unraisable
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
    if raised:
        raise raised[0] from None
