"""`python -m tacref.verify`: a report card for any loss."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tacref.checks import VARIANTS
from tacref.commands import Parser, command, seed
from tacref.files import check_new_file, replacing
from tacref.terminal import printable
from tacref.verify.spec import LOSSES

if TYPE_CHECKING:
    from tacref.verify.report import Report


@command("verify")
def main(argv: Sequence[str] | None = None) -> int:
    """Print the cards; status 1 if a claim fails, 2 if a function could not be checked."""
    parser = Parser(
        prog="tacref verify",
        description="Check a loss against right answers, to 50 digits where that is quick: value, "
        "gradients, second order, padding, laws, extremes. Without a function, check tacref's own.",
    )
    add = parser.add_argument
    add("function", nargs="?", metavar="module:name", help="importable from the current folder")
    add(
        "--as",
        dest="loss",
        choices=LOSSES,
        help="the loss that it claims to compute; needed with a function",
    )
    add(
        "--inputs",
        choices=("costs", "embeddings"),
        help="what dtw and soft_dtw take (default: embeddings if the function has two parameters "
        "in addition to the options, else costs)",
    )
    add(
        "--variant",
        choices=VARIANTS,
        default="paper",
        help="variant of Contrastive-IDM (default: paper)",
    )
    add(
        "--framework",
        choices=("torch", "numpy"),
        default="torch",
        help="what the function computes with (default: torch)",
    )
    add("--seed", type=seed, default=0, help="seed of the inputs, >= 0 (default: 0)")
    add("--html", metavar="FILE", help="also write the cards as a web page")
    add("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if options.function and not options.loss:
        raise ValueError(f"--as must say what the function claims to compute: {', '.join(LOSSES)}")
    if options.loss and not options.function:
        raise ValueError(f"--as {options.loss} needs a function, module:name")
    if options.html:
        check_new_file(options.html)

    reports = _reports(options)
    from tacref.verify.page import to_html
    from tacref.verify.report import summary, to_json

    if options.html:
        with replacing(options.html) as path:
            Path(path).write_text(_printable_lines(to_html(reports)), encoding="utf-8")
    if options.json:
        print(json.dumps(to_json(reports)))
    elif not reports[0].error:
        print(_printable_lines(str(reports[0]) if options.function else summary(reports)))
    for report in reports:
        if report.error:
            print(f"tacref verify: {printable(report.error)}", file=sys.stderr)
    if any(report.error for report in reports):
        return 2
    return 0 if all(report.passed for report in reports) else 1


def _reports(options: argparse.Namespace) -> "list[Report]":
    """Make the cards; what the function prints is discarded."""
    from tacref.verify.card import check
    from tacref.verify.guard import error_line
    from tacref.verify.load import load_callable
    from tacref.verify.own import implementations

    if not options.function:
        return [check(fn, seed=options.seed, **claim) for fn, claim in implementations()]
    try:
        with _discarded_output():
            report = check(
                load_callable(options.function),
                options.loss,
                inputs=options.inputs,
                variant=options.variant,
                framework=options.framework,
                name=options.function,
                seed=options.seed,
            )
    except (ValueError, OSError, ImportError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a function may damage Python itself
        raise ValueError(
            f"{options.function}: could not be checked ({error_line(error)})"
        ) from error
    return [report]


def _printable_lines(text: str) -> str:
    """Return lines without characters that a terminal or a file cannot take."""
    return "\n".join(printable(line) for line in text.split("\n"))


@contextlib.contextmanager
def _discarded_output() -> Iterator[None]:
    """Discard what is written to the standard output of the process, also by C code."""
    try:
        sys.stdout.flush()
        stdout = os.dup(1)
    except OSError:  # there is none
        yield
        return
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.close(devnull)
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
