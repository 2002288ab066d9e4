"""Options of cost, steps and band, of `tacref align` and `tacref follow`."""

import argparse
import re

from tacref.alignment.distances import COSTS
from tacref.alignment.matching import Matching
from tacref.checks import BAND_SHAPES
from tacref.steps import STEPS, steps_from_text

Band = tuple[float, bool]  # a width, and whether it is in seconds


def add_matching(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_matching` reads."""
    add_cost(parser)
    add_steps(parser, "frames of the reference", "of the other clip")
    parser.add_argument(
        "--band",
        type=band_width,
        metavar="FRAMES|2s",
        help="match frames at most FRAMES frames of the shorter clip, or seconds (2s, 0.5s), from "
        "the line between both clips' ends (default: no band)",
    )
    parser.add_argument(
        "--band-shape",
        choices=BAND_SHAPES,
        help="diagonal: the band follows that line; offset: frame numbers differ by at most "
        "FRAMES; itakura: FRAMES is the largest slope, such as 1.5 (default: diagonal)",
    )


def add_cost(parser: argparse.ArgumentParser) -> None:
    """Add the cost of a pair of frames."""
    parser.add_argument(
        "--cost",
        choices=tuple(COSTS),
        default="sqeuclidean",
        help="take this distance between embeddings as cost (default: sqeuclidean)",
    )


def add_steps(parser: argparse.ArgumentParser, rows: str, columns: str) -> None:
    """Add the steps of a path; `rows` and `columns` say what they count."""
    parser.add_argument(
        "--steps",
        type=step_list,
        default="any",
        metavar="STEPS",
        help=f"let a path take these steps: {', '.join(STEPS)}, or a list of {rows}, {columns} and "
        'weight as in "1,1,1 1,2,1 2,1,1" (default: any)',
    )


def read_matching(options: argparse.Namespace) -> Matching:
    """Return the options as `align` takes them.

    Raises
    ------
    ValueError
        If two of them do not fit each other.
    """
    width, in_seconds = options.band or (None, False)
    if options.band_shape is not None and width is None:
        raise ValueError(f"--band-shape {options.band_shape} needs --band")
    shape = options.band_shape or "diagonal"
    if in_seconds and shape != "diagonal":
        raise ValueError(f"--band in seconds takes --band-shape diagonal, got {shape}")
    if in_seconds and width == 0:
        raise ValueError("--band must be > 0 s, got 0s")
    if width is not None and not in_seconds and shape != "itakura":
        if width != int(width):
            raise ValueError(
                "--band must be a whole number of frames, or seconds as in 2s, unless --band-shape "
                f"is itakura; got {width:g}"
            )
        width = int(width)
    return Matching(
        cost=options.cost,
        steps=options.steps,
        band=None if in_seconds else width,
        band_shape=shape,
        band_seconds=width if in_seconds else None,
    )


def in_words_of_options(error: ValueError) -> ValueError:
    """Return an error of the library as one of the command: by the names of its options."""
    message = str(error)
    for name, option in (("band_seconds", "--band"), ("matches", "--part")):
        if message.startswith(f"{name} must"):
            return ValueError(message.replace(name, option, 1))
    return error


def band_width(text: str) -> Band:
    """Read a width in frames, or in seconds if it ends in s.

    Raises
    ------
    argparse.ArgumentTypeError
        If `text` is neither; argparse names the option.
    """
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)(s?)", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"must be a number of frames, or seconds as in 2s, got {text!r}"
        )
    width = float(match[1])
    if width < 0:
        raise argparse.ArgumentTypeError(f"must be >= 0, got {text}")
    return width, bool(match[2])


def step_list(text: str) -> str | list[tuple[int, int, float]]:
    """Read steps, as `steps_from_text`.

    Raises
    ------
    argparse.ArgumentTypeError
        If `text` holds none; argparse names the option.
    """
    try:
        return steps_from_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
