"""Signals that ask a run to end: it ends after the current step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop:
    """The number of the signal that came first; 0 if none did."""

    signal = 0


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Note ctrl-C, SIGTERM and SIGHUP for the length of a block; a second ctrl-C ends it at once.

    SIGHUP, which a terminal sends when it closes, stays ignored where it was, as under nohup.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return

    def handle(number: int, frame: Any) -> None:
        # torchrun passes a ctrl-C on as SIGTERM, in addition to the terminal's own ctrl-C.
        if stop.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.signal = stop.signal or number

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
