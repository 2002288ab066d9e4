"""The commands: one name each, one line on bad input, one exit status."""

import argparse
import contextlib
import difflib
import functools
import importlib
import math
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, ParamSpec

from tacref.memory import is_out_of_memory
from tacref.terminal import Output, plain_warnings, printable, safe_streams

COMMANDS = {
    "train": "train an encoder on a folder of clips, or on the built-in activity",
    "evaluate": "scores of an encoder on held-out clips, beside baselines",
    "embed": "frame embeddings of videos",
    "align": "align videos: alignment.json and report.html",
    "follow": "where in a reference a performer is, while the video or camera runs",
    "demo": "the whole road on the built-in activity: train, evaluate, export, align",
    "verify": "report card of a loss: value, gradients, padding, extremes",
    "export": "write a run's encoder as one ONNX file, proven equal to torch",
}
_MODULES = {name: f"tacref.{name}" for name in COMMANDS} | {
    "verify": "tacref.verify.command",
    "export": "tacref_export.convert",
}

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


class Parser(argparse.ArgumentParser):
    """Options of a command; a wrong one is a ValueError, so that `command` reports one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving; name the option that was meant."""
        unknown = re.match(r"unrecognized arguments: (--[^\s=]+)", message)
        near = difflib.get_close_matches(unknown[1], self._option_string_actions) if unknown else []
        hint = f"; did you mean {near[0]}?" if near else ""
        if message.endswith("expected one argument"):
            hint = " (one that begins with - is given as --name=-15,0)"
        raise ValueError(f"{message}{hint} (--help shows the options)")


def positive_int(text: str) -> int:
    """Read an option's whole number > 0.

    Raises
    ------
    argparse.ArgumentTypeError
        If `text` is not one; argparse names the option.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be >= 1, got {text}")
    return value


positive_int.__name__ = "whole number"  # which argparse says of what is none


def natural_int(text: str) -> int:
    """Read an option's whole number >= 0, as `positive_int`."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be >= 0, got {text}")
    return value


natural_int.__name__ = "whole number"


def seed(text: str) -> int:
    """Read a seed, a whole number that NumPy and torch both take.

    Raises
    ------
    argparse.ArgumentTypeError
        If `text` is not one; argparse names the option.
    """
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"must be >= 0 and < 2**63, got {text}")
    return value


seed.__name__ = "whole number"


@command("")
def main(argv: Sequence[str] | None = None) -> int:
    """Run `tacref NAME …` and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print("usage: tacref COMMAND [options]   (tacref COMMAND --help says more)\n")
        print("\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()))
        return 0
    if arguments[0] == "--version":
        print(importlib.import_module("tacref").__version__)
        return 0
    if arguments[0] not in COMMANDS:
        near = difflib.get_close_matches(arguments[0], COMMANDS)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(COMMANDS)}"
        raise ValueError(f"unknown command {arguments[0]!r}; {hint}")
    return _run(arguments[0], arguments[1:])


def _run(name: str, arguments: Sequence[str]) -> int:
    @command(name)
    def load_and_run() -> int:  # loading may fail for want of a package, too
        status: int = importlib.import_module(_MODULES[name]).main(arguments)
        return status

    return load_and_run()
