"""`tacref train`: an encoder from a folder of clips, or from the built-in activity.

`torchrun --nproc-per-node=N -m tacref.train --out RUN ...` trains in N processes.
"""

import json
import os
import sys
from argparse import SUPPRESS, ArgumentTypeError, BooleanOptionalAction, _ArgumentGroup
from collections.abc import Callable, Sequence
from typing import Any

from tacref.commands.guard import command
from tacref.commands.options import Parser, add_json, seed
from tacref.interrupts import raise_waiting_signal
from tacref.memory import check_address_space
from tacref.training.option import Key
from tacref.training.recipe import shipped_recipes
from tacref.training.settings import GROUPS
from tacref.training.task import KEYS

# Bytes that the libraries map which are loaded on the way to the first step. SciPy's BLAS, where
# it lacks them, ends the process or tries again for ever.
_LIBRARIES_SPACE = 832 << 20


def make_parser() -> Parser:
    """Return the command's options; those that are a recipe's keys appear only where given."""
    parser = Parser(
        prog="tacref train",
        description="Train an encoder that aligns videos of the same activity in time. "
        "Settings come from a recipe, by default the encoder's own; options change them.",
        argument_default=SUPPRESS,
    )
    add = parser.add_argument
    add(
        "--out",
        metavar="RUN",
        help="write the run into this new folder (default: runs/001, 002, ...)",
    )
    add("--resume", metavar="RUN", help="continue a run that was ended, from its last checkpoint")
    add(
        "--recipe",
        "--config",
        metavar="NAME_OR_FILE",
        help=f"take the settings of a recipe: {', '.join(shipped_recipes())}, a TOML file, or "
        "RUN/config.json to repeat a run (default: the encoder's)",
    )
    add_json(parser)
    for group in GROUPS:
        section = parser.add_argument_group(group.name) if group.name else parser
        for key in KEYS.values():
            if key.option.group == group.name:
                _add_key(section, key)
    return parser


def _add_key(parser: Parser | _ArgumentGroup, key: Key) -> None:
    """Add the option of a recipe's key, as it is declared."""
    how: dict[str, Any] = {"metavar": key.metavar, "type": _reader(key)}
    if key.kind is bool:
        how = {"action": BooleanOptionalAction}
    parser.add_argument(key.flag, help=f"{key.option.help} (default: {key.default_words})", **how)


def _reader(key: Key) -> Callable[[str], Any]:
    """Return what turns the text of an option into its value."""
    if key.name == "seed":  # as for the other commands
        return seed

    def whole(text: str) -> int:
        value = int(text)
        if key.least is not None and value < key.least:
            raise ArgumentTypeError(f"must be >= {key.least}, got {text}")
        return value

    whole.__name__ = "whole number"  # which argparse says of what is none
    readers: dict[Any, Callable[[str], Any]] = {int: whole, float: float, str: str}
    return readers.get(key.kind, _offsets)


@command("train")
def main(argv: Sequence[str] | None = None) -> int:
    """Train; status 1 if the loss diverges; 129, 130, 143 after SIGHUP, ctrl-C, SIGTERM."""
    options = vars(make_parser().parse_args(argv))
    from tacref.training import TrainingDivergedError
    from tacref.training.distributed import Ranks
    from tacref.training.folder import run_folder
    from tacref.training.start import carry_out, make_plan

    # Before anything is made.
    raise_waiting_signal()
    check_address_space(_LIBRARIES_SPACE, "the libraries of training")
    ranks = Ranks.from_environment()
    as_json = options.pop("json", False)
    with run_folder(options.get("out"), options.get("resume"), ranks) as (run, continues):
        try:
            result = carry_out(make_plan(options, run, continues, ranks), ranks)
        except TrainingDivergedError as error:
            if ranks.first:
                print(
                    f"tacref train: {error}; {run} holds the encoder as last saved, and "
                    "diverged.json",
                    file=sys.stderr,
                )
            return 1
    if ranks.first:
        _print(json.dumps(result.to_json()) if as_json else str(result), result.interrupted)
    return result.status


def _print(text: str, interrupted: bool) -> None:
    try:
        print(text, flush=True)
    except OSError:
        if not interrupted:
            raise
        # The terminal that closed was stdout, too: what is left in its buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _offsets(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(offset) for offset in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"must be whole numbers, such as -15,0, got {text!r}") from None
