"""The commands: one name each, one line on bad input, one exit status."""

import argparse
import difflib
import functools
import importlib
import io
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, ParamSpec

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


def command(name: str) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Make a `main(argv) -> status` report bad input as one line and status 2.

    Parameters
    ----------
    name : str
        The command's name, which starts the line. With `TACREF_DEBUG` set in the environment,
        errors are not caught, so that the traceback shows.
    """

    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(main)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
            _make_streams_take_any_text()
            if os.environ.get("TACREF_DEBUG"):
                return main(*args, **kwargs)
            try:
                status = main(*args, **kwargs)
                sys.stdout.flush()
                return status
            except (ValueError, OSError, MemoryError) as error:
                if isinstance(error, BrokenPipeError) and _nobody_reads():
                    return 128 + signal.SIGPIPE
                # A message may quote what a file says: keep it to one line.
                print(f"tacref {name}: {' '.join(str(error).split())}", file=sys.stderr)
                return 2
            except ImportError as error:
                print(
                    f"tacref {name}: needs a package that is not installed ({error}); "
                    "pip install 'tacref[all]' has all of them",
                    file=sys.stderr,
                )
                return 2
            except KeyboardInterrupt:
                print(f"tacref {name}: interrupted", file=sys.stderr)
                return 130

        return guarded

    return decorate


def _make_streams_take_any_text() -> None:
    """Let nothing that is printed, such as a file's name, end a command after its work."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the process
            nowhere = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _nobody_reads() -> bool:
    """Return whether stdout is a pipe that its reader has closed, as `head` does."""
    try:
        stdout = sys.stdout.fileno()
    except OSError:  # no file at all
        return False
    poll = select.poll()
    poll.register(stdout, 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    # What is still to be written goes nowhere, without another error at the very end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return True


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


def printable(text: str) -> str:
    """Return any text, such as a label or a file name, as what a terminal can be given.

    Control characters, which would move its cursor, and bytes that are no text become "?".
    """
    return "".join(character if character.isprintable() else "?" for character in text)


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
        print(f"tacref: unknown command {arguments[0]!r}; {hint}", file=sys.stderr)
        return 2
    return _run(arguments[0], arguments[1:])


def _run(name: str, arguments: Sequence[str]) -> int:
    @command(name)
    def load_and_run() -> int:  # loading may fail for want of a package, too
        status: int = importlib.import_module(_MODULES[name]).main(arguments)
        return status

    return load_and_run()
