"""`tacref verify`: a report card for any loss."""

import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tacref.commands.guard import command
from tacref.commands.options import Parser, add_json, seed
from tacref.files import check_new_file, replacing
from tacref.terminal import printable
from tacref.verify.path_oracle import STEPS
from tacref.verify.spec import LOSSES, VARIANTS
from tacref.verify.subject import FRAMEWORKS


@command("verify")
def main(argv: Sequence[str] | None = None) -> int:
    """Print the cards; status 1 if a claim fails, 2 if a function could not be checked."""
    parser = Parser(
        prog="tacref verify",
        description="Check a loss against right answers, to 50 digits where that is quick: value, "
        "gradients, second order, padding, laws, extremes. Without a function, check tacref's own.",
    )
    add = parser.add_argument
    add(
        "function",
        nargs="?",
        metavar="module:name",
        help="check this function, imported from the current folder",
    )
    add(
        "--as",
        dest="loss",
        choices=LOSSES,
        help="say what it claims to compute; needed with a function",
    )
    add(
        "--inputs",
        choices=("costs", "embeddings"),
        help="say what dtw and soft_dtw take (default: embeddings if the function has two "
        "parameters besides the options, else costs)",
    )
    add(
        "--variant",
        choices=VARIANTS,
        help="check this variant of a loss that has several (default: its first one)",
    )
    add(
        "--framework",
        choices=FRAMEWORKS,
        help="pass the function arrays of this framework (default: torch; numpy for dtw_path and "
        "barycenter)",
    )
    add(
        "--steps",
        choices=tuple(STEPS),
        default="any",
        help="expect paths by these steps (default: any)",
    )
    add(
        "--dtype",
        choices=("float64", "float32"),
        default="float64",
        help="pass inputs of this type; of float32, as many digits as its rounding leaves must be "
        "right (default: float64)",
    )
    add("--device", default="cpu", help="where tensors are, cpu or cuda (default: cpu)")
    add("--seed", type=seed, default=0, help="draw inputs from this seed, >= 0 (default: 0)")
    add("--html", metavar="FILE", help="also write the cards as a page")
    printed = parser.add_mutually_exclusive_group()
    add_json(printed)
    printed.add_argument(
        "--markdown",
        action="store_true",
        help="print Markdown for an issue on GitHub; its first line is a badge",
    )
    options = parser.parse_args(argv)
    if options.function and not options.loss:
        raise ValueError(f"--as must say what the function claims to compute: {', '.join(LOSSES)}")
    if options.loss and not options.function:
        raise ValueError(f"--as {options.loss} needs a function, module:name")
    if options.html:
        check_new_file(options.html)

    from tacref.verify.markdown import to_markdown
    from tacref.verify.own import own_cards
    from tacref.verify.page import to_html
    from tacref.verify.report import summary, to_json
    from tacref.verify.run import card

    progress = find_spec("tqdm") is not None  # the base install has none
    if options.function:
        names = ("inputs", "variant", "framework", "steps", "dtype", "device", "seed")
        how = {name: getattr(options, name) for name in names}
        reports = [card(options.function, options.loss, progress=progress, **how)]
    else:
        reports = own_cards(options.seed, options.dtype, options.device, progress=progress)
    if options.html:
        with replacing(options.html) as path:
            Path(path).write_text(to_html(reports), encoding="utf-8")
    if options.json:
        print(json.dumps(to_json(reports)))
    elif options.markdown:
        print(to_markdown(reports), end="")
    elif not reports[0].error:
        print(_printable_lines(str(reports[0]) if options.function else summary(reports)))
    for report in reports:
        if report.error:
            print(f"tacref verify: {printable(report.error)}", file=sys.stderr)
    if any(report.error for report in reports):
        return 2
    return 0 if all(report.passed for report in reports) else 1


def _printable_lines(text: str) -> str:
    """Return lines without characters that a terminal or a file cannot take."""
    return "\n".join(printable(line) for line in text.split("\n"))
