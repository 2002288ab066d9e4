"""The commands: one name each, one line on bad input, one exit status."""

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence

COMMANDS = {
    "train": "train an encoder on a folder of clips, or on the built-in activity",
    "evaluate": "Kendall's tau of an encoder on held-out clips",
    "embed": "frame embeddings of videos",
    "align": "align two videos: alignment.json and report.html",
    "export": "write a run's encoder as one ONNX file, proven equal to torch",
}
_MODULES = {name: f"tacref.{name}" for name in COMMANDS} | {"export": "tacref_export.convert"}

Main = Callable[[Sequence[str] | None], int]


def command(name: str) -> Callable[[Main], Main]:
    """Make a `main(argv) -> status` report bad input as one line and status 2.

    Parameters
    ----------
    name : str
        The command's name, which starts the line. With `TACREF_DEBUG` set in the environment,
        errors are not caught, so that the traceback shows.
    """

    def decorate(main: Main) -> Main:
        @functools.wraps(main)
        def guarded(argv: Sequence[str] | None = None) -> int:
            if os.environ.get("TACREF_DEBUG"):
                return main(argv)
            try:
                return main(argv)
            except (ValueError, OSError) as error:
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
        print(
            f"tacref: unknown command {arguments[0]!r}; one of {', '.join(COMMANDS)}",
            file=sys.stderr,
        )
        return 2
    run = command(arguments[0])(_load_and_run)
    return run(arguments)


def _load_and_run(arguments: Sequence[str] | None) -> int:
    assert arguments is not None
    module = importlib.import_module(_MODULES[arguments[0]])
    status: int = module.main(arguments[1:])
    return status
