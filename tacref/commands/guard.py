"""What guards a command: one line on bad input, one exit status, nothing half-written."""

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import ParamSpec

from tacref.interrupts import EndingSignals, ending_signals
from tacref.memory import is_out_of_memory
from tacref.terminal import Output, plain_warnings, printable, safe_streams

P = ParamSpec("P")


def command(name: str) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Make a `main(argv) -> status` report bad input as one line and status 2.

    SIGINT, SIGTERM and SIGHUP end it like an error, so that nothing half-written stays, with
    status 130, 143 and 129, even if a library loses the signal or turns it into an error of its
    own. Output that cannot be written ends nothing; the status says so when the work is done: 141
    where nobody reads any more, else 2.

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
            with safe_streams() as out, ending_signals() as signals, plain_warnings(title):
                if os.environ.get("TACREF_DEBUG"):
                    return main(*args, **kwargs)

                def work() -> int:
                    try:
                        status = main(*args, **kwargs)
                    except SystemExit as leaving:  # argparse's, after --help
                        if leaving.code or not (status := _output_status(title, out)):
                            raise
                    return status or _output_status(title, out)

                return _status(title, work, signals)

        return guarded

    return decorate


def _status(title: str, call: Callable[[], int], signals: EndingSignals) -> int:
    """Return a call's status; of one that fails, after a line that says why."""
    try:
        status = call()
        if signals.first is None or status == 128 + signals.first:
            return status
        line, status = _ending(signals.first)
    except BaseException as error:
        if signals.first is not None:
            line, status = _ending(signals.first)
        elif isinstance(error, KeyboardInterrupt):
            line, status = _ending(signal.SIGINT)
        elif (reason := _reason(error)) is not None:
            line, status = reason, 2
        else:
            raise
    # A message may quote a name or what a file says: keep it to one line.
    print(f"{title}: {printable(line)}", file=sys.stderr)
    return status


def _ending(number: signal.Signals) -> tuple[str, int]:
    """Return the line and the status of a command that a signal ended."""
    line = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    return line, 128 + number


def _reason(error: BaseException) -> str | None:
    """Return what an error says of the input or the machine; None of one that is a fault here."""
    if not isinstance(error, Exception):
        return None
    line = _said(error)
    if isinstance(error, MemoryError):
        return line or "out of memory"
    if is_out_of_memory(error):
        return f"out of memory ({line})"
    if isinstance(error, ImportError):
        missing = f"needs a package that is not installed ({line})"
        if "pip install" in line:
            return missing
        return f"{missing}; pip install 'tacref[all]' has all of them"
    return line if isinstance(error, ValueError | OSError) else None


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"  # as our own errors begin
    return str(error).strip()


def _output_status(title: str, out: Output | None) -> int:
    """Return 0, or what says that a command's output could not be written."""
    if out is None:  # a command within another one, which looks after it
        return 0
    out.flush()
    if out.failure is None:
        return 0
    if isinstance(out.failure, BrokenPipeError):  # its reader has seen enough, as `head`
        return 128 + signal.SIGPIPE
    reason = out.failure.strerror or out.failure
    print(f"{title}: done, but the output could not be written ({reason})", file=sys.stderr)
    return 2
