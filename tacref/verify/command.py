"""`python -m tacref.verify`: a report card for a loss, ours or anybody's."""

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
        description="Check a loss against what is right, to 50 digits where that is quick: value, "
        "gradients, second order, padding, laws, extremes. Without a function, all of tacref's.",
    )
    add = parser.add_argument
    add("function", nargs="?", metavar="module:name", help="importable from the current folder")
    add(
        "--as",
        dest="loss",
        choices=LOSSES,
        help="what it claims to compute; needed with a function",
    )
    add(
        "--inputs",
        choices=("costs", "embeddings"),
        help="what dtw and soft_dtw take (default: embeddings if the function has two parameters "
        "besides the options, else costs)",
    )
    add("--variant", choices=VARIANTS, default="paper", help="of Contrastive-IDM (default: paper)")
    add(
        "--framework",
        choices=("torch", "numpy"),
        default="torch",
        help="what the function works on (default: torch)",
    )
    add("--seed", type=seed, default=0, help="of the inputs, >= 0 (default: 0)")
    add("--html", metavar="FILE", help="write the cards as a page, too")
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
            Path(path).write_text(_shown(to_html(reports)), encoding="utf-8")
    if options.json:
        print(json.dumps(to_json(reports)))
    elif not reports[0].error:
        print(_shown(str(reports[0]) if options.function else summary(reports)))
    for report in reports:
        if report.error:
            print(f"tacref verify: {printable(report.error)}", file=sys.stderr)
    if any(report.error for report in reports):
        return 2
    return 0 if all(report.passed for report in reports) else 1


def _reports(options: argparse.Namespace) -> "list[Report]":
    """Make the cards; what the function prints goes nowhere."""
    from tacref.verify.card import check
    from tacref.verify.guard import line
    from tacref.verify.load import load_callable
    from tacref.verify.own import implementations

    if not options.function:
        return [check(fn, seed=options.seed, **given) for fn, given in implementations()]
    try:
        with _silent_output():
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
    except BaseException as error:  # a function that damages Python itself, say
        raise ValueError(f"{options.function}: could not be checked ({line(error)})") from error
    return [report]


def _shown(text: str) -> str:
    """Return lines without what a terminal or a file cannot take; names may be anything."""
    return "\n".join(printable(line) for line in text.split("\n"))


@contextlib.contextmanager
def _silent_output() -> Iterator[None]:
    """Discard what is written to the process's standard output, as by C code, for a while."""
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except OSError:  # there is none
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
