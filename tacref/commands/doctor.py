"""`tacref doctor`: versions, providers, GPUs and folders, for a report of a fault."""

import json
from collections.abc import Sequence

from tacref.commands.guard import command
from tacref.commands.machine import report
from tacref.commands.options import Parser, add_json
from tacref.terminal import printable


@command("doctor")
def main(argv: Sequence[str] | None = None) -> int:
    """Print what this machine has and what of it works."""
    parser = Parser(
        prog="tacref doctor",
        description="List versions, the providers and GPUs that really run a model, threads and "
        "folders: what a report of a fault needs. It connects to nothing.",
    )
    add_json(parser)
    options = parser.parse_args(argv)
    facts = report()
    if options.json:
        print(json.dumps(facts))
        return 0
    width = max(len(name) for subject in facts.values() for name in subject)
    for subject, lines in facts.items():
        if lines:
            print(subject)
        for name, fact in lines.items():
            print(printable(f"  {name:<{width}}  {fact}"))
    return 0
