"""`python -m tacref.verify`: a report card for a loss, ours or anybody's."""

import json
from collections.abc import Sequence
from pathlib import Path

from tacref.checks import VARIANTS
from tacref.commands import Parser, command
from tacref.files import replacing
from tacref.verify.spec import LOSSES


@command("verify")
def main(argv: Sequence[str] | None = None) -> int:
    """Print the cards; status 1 if a claim fails."""
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
    add("--seed", type=int, default=0, help="of the inputs, >= 0 (default: 0)")
    add("--html", metavar="FILE", help="write the cards as a page, too")
    add("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if options.function and not options.loss:
        raise ValueError(f"--as must say what the function claims to compute: {', '.join(LOSSES)}")
    if options.loss and not options.function:
        raise ValueError(f"--as {options.loss} needs a function, module:name")
    if options.seed < 0:
        raise ValueError(f"--seed must be >= 0, got {options.seed}")

    from tacref.verify.check import check
    from tacref.verify.own import implementations
    from tacref.verify.report import summary, to_html
    from tacref.verify.load import load_callable

    if options.function:
        reports = [
            check(
                load_callable(options.function),
                options.loss,
                inputs=options.inputs,
                variant=options.variant,
                framework=options.framework,
                name=options.function,
                seed=options.seed,
            )
        ]
    else:
        reports = [check(fn, seed=options.seed, **given) for fn, given in implementations()]
    if options.html:
        with replacing(options.html) as path:
            Path(path).write_text(to_html(reports), encoding="utf-8")
    passed = all(report.passed for report in reports)
    if options.json:
        cards = [report.to_json() for report in reports]
        print(json.dumps({"passed": passed, "reports": cards}))
    else:
        print(reports[0] if options.function else summary(reports))
    return 0 if passed else 1
