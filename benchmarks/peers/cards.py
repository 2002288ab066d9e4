"""Write docs/peers.md: the report cards of other libraries, as measured.

python benchmarks/peers/cards.py > docs/peers.md

It needs `pip install tslearn pysdtw aeon dtaidistance` beside tacref.
"""

import importlib
import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tacref.verify import Report, check

PEERS = (
    ("pysdtw", {"loss": "soft_dtw"}),
    ("tslearn", {"loss": "soft_dtw"}),
    ("aeon", {"loss": "dtw", "framework": "numpy"}),
    ("dtaidistance", {"loss": "dtw", "framework": "numpy"}),
)

HEAD = """# Report cards of other libraries

What `python -m tacref.verify` finds in libraries that people use, on the CPU, through the adapters
in `benchmarks/peers`; written by `benchmarks/peers/cards.py`. [verify.md](verify.md) says how to
read a card and what is allowed. Inputs are float64 unless a row says otherwise.
"""


def table(report: Report) -> str:
    """Return a card as Markdown, with the first snippets."""
    lines = ["| claim | outcome | largest error (allowed) | note |", "|---|---|---|---|"]
    for row in report.rows:
        error = "" if row.error is None else f"{row.error:.1e} ({row.allowed:.1e})"
        lines.append(f"| {row.claim} | {row.status} | {error} | {row.note} |")
    return "\n".join(lines)


def main() -> None:
    """Print the page."""
    print(HEAD)
    for name, options in PEERS:
        module = importlib.import_module(f"{name}_adapter")
        report = check(module.loss, name=f"{name}_adapter:loss", **options)
        print(f"## {name} {importlib.metadata.version(name)}\n\n{table(report)}\n")
        for claim in ("value", "gradient to x", "band and lengths", "large cost: gradient to x"):
            shown = [row for row in report.rows if row.claim == claim and row.snippet]
            for row in shown:
                print(f"{row.claim}, smallest failing input found:\n\n```\n{row.snippet}\n```\n")


if __name__ == "__main__":
    main()
