"""What the options of several commands share, said once."""

import argparse
import difflib
import math
import re
from typing import Any, NoReturn


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


def positive_float(text: str) -> float:
    """Read an option's finite number > 0, as `positive_int`."""
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be finite and > 0, got {text}")
    return value


positive_float.__name__ = "number"


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


def add_encoder(
    parser: argparse.ArgumentParser,
    flag: str = "encoder",
    *,
    required: bool = True,
    without: str = "",
) -> None:
    """Add the encoder: the first argument, or with `--encoder` an option.

    `required` says whether the option must be given, and `without` what happens if it is not.
    """
    options: dict[str, Any] = {"required": required} if flag.startswith("--") else {}
    parser.add_argument(
        flag,
        metavar="RUN_OR_ONNX",
        help=f"embed with this encoder: a run's folder, or an ONNX file{without}",
        **options,
    )


def add_clips(parser: argparse.ArgumentParser) -> None:
    """Add the clips, as `tacref.data.named.named_clips` takes them."""
    parser.add_argument(
        "clips",
        nargs="+",
        metavar="VIDEO",
        help="take these videos, folders of frames, .npy or .npz; or one FOLDER of them",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the device on which the encoder computes."""
    parser.add_argument("--device", default="cpu", help="compute on cpu, cuda, ... (default: cpu)")


def add_json(parser: argparse._ActionsContainer, what: str = "one JSON object") -> None:
    """Add the choice of JSON instead of words to a parser, or to a group of choices."""
    parser.add_argument("--json", action="store_true", help=f"print {what}")
