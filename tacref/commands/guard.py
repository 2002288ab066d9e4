"""What guards a command: one line on bad input, one exit status, nothing half-written."""

import contextlib
import functools
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

from tacref.memory import is_out_of_memory
from tacref.terminal import Output, plain_warnings, printable, safe_streams

P = ParamSpec("P")

# A signal that comes again so soon, in seconds, does not interrupt the cleaning up: `timeout` sends
# SIGTERM to a process and then to its group.
SAME_SIGNAL = 5.0


class _SignalledError(KeyboardInterrupt):
    """A signal has come that ends the process, once everything is cleaned up as after ctrl-C."""

    def __init__(self, number: int) -> None:
        self.number = signal.Signals(number)


def command(name: str) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Make a `main(argv) -> status` report bad input as one line and status 2.

    SIGTERM and SIGHUP end it like an error, so that nothing half-written stays, with status 143
    and 129. Output that cannot be written ends nothing; the status says so when the work is done:
    141 where nobody reads any more, else 2.

    Parameters
    ----------
    name : str
        The command's name, which starts the line. With `TACREF_DEBUG` set in the environment,
        errors are not caught, so that the traceback shows.
    """

    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(main)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
            title = f"tacref {name}".rstrip()
            with safe_streams() as out, _signals_raise(), plain_warnings(title):
                if os.environ.get("TACREF_DEBUG"):
                    return main(*args, **kwargs)
                status = _status(title, lambda: main(*args, **kwargs))
                written = 0 if out is None else _output_status(title, out)
                return status or written

        return guarded

    return decorate


def _status(title: str, call: Callable[[], int]) -> int:
    """Return a call's status; of one that fails, after a line that says why."""
    try:
        return call()
    except ImportError as error:
        line = (
            f"needs a package that is not installed ({error}); "
            "pip install 'tacref[all]' has all of them"
        )
        status = 2
    except _SignalledError as ended:
        line, status = f"ended by {ended.number.name}", 128 + ended.number
    except KeyboardInterrupt:
        line, status = "interrupted", 128 + signal.SIGINT
    except Exception as error:
        line, status = _said(error), 2
        if isinstance(error, MemoryError):
            line = line or "out of memory"
        elif is_out_of_memory(error):
            line = f"out of memory ({line})"
        elif not isinstance(error, ValueError | OSError):
            raise
    # A message may quote a name or what a file says: keep it to one line.
    print(f"{title}: {printable(line)}", file=sys.stderr)
    return status


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"  # as our own errors begin
    return str(error).strip()


def _output_status(title: str, out: Output) -> int:
    """Return 0, or what says that a command's output could not be written."""
    out.flush()
    if out.failure is None:
        return 0
    if isinstance(out.failure, BrokenPipeError):  # its reader has seen enough, as `head`
        return 128 + signal.SIGPIPE
    reason = out.failure.strerror or out.failure
    print(f"{title}: done, but the output could not be written ({reason})", file=sys.stderr)
    return 2


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, where nobody else handles them."""
    last = -math.inf

    def end(number: int, frame: Any) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > SAME_SIGNAL:
            raise _SignalledError(number)

    numbers = []
    if threading.current_thread() is threading.main_thread():  # only it may handle signals
        ending = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))  # not on Windows
        numbers = [
            number for number in ending if number and signal.getsignal(number) is signal.SIG_DFL
        ]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
