"""Check other libraries, and write docs/peers.md.

python -m benchmarks.peers.cards > docs/peers.md
python -m benchmarks.peers.cards pysdtw aeon        only these

`benchmarks/peers/cards.sh` sets up what it needs, in the versions of `requirements.txt`, and runs
it. A library that is not installed is named on the page, and left out.
"""

import argparse
import importlib
import importlib.metadata
import platform
import sys
import time
from pathlib import Path

from benchmarks.measure import processor
from benchmarks.peers.peers import PEERS, Card, Peer
from tacref.verify import Report, check
from tacref.verify.report import error_text

HEAD = """# Report cards of other libraries

What `python -m tacref.verify` finds in libraries that people use, on the CPU, through the adapters
in `benchmarks/peers`; `benchmarks/peers/cards.sh` installs the versions below and writes this page.
[verify.md](verify.md) says how to read a card and what is allowed. Inputs are float64 unless a row
says otherwise. [surprises.md](surprises.md) shows the most surprising of it in scripts.

A failure here is one by the measure of float64: a loss that is rounded to float32 trains most
networks well. What fails at valid input of a usual size (a gradient off by more than its last
digits, NaN, a band of other cells) is what a user should know.
"""


def main() -> None:
    """Print the page."""
    start = time.perf_counter()
    sys.path.insert(0, str(Path(__file__).parent))  # the adapters, as a reader would import them
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(names)}")
    asked = parser.parse_args().names or names
    if unknown := sorted(set(asked) - set(names)):
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(names)}")
    peers = [peer for peer in PEERS if peer.name in asked]
    missing = [peer for peer in peers if peer.version is None]
    measured = [(peer, card, _check(card)) for peer in peers for card in peer.cards if peer.version]
    print(HEAD)
    print(f"Measured on {_machine()}, in {time.perf_counter() - start:.0f} s.\n")
    for peer in missing:
        print(f"{peer.name} was not installed, and is left out{peer.needs and ': '}{peer.needs}.\n")
    print("| library | checked | passes | fails | what fails |\n|---|---|---|---|---|")
    for peer, card, report in measured:
        print(_summary(peer, card, report))
    shown = None
    for peer, card, report in measured:
        if peer is not shown:
            print(f"\n## {peer.name} {peer.version}\n\n{peer.words}")
            shown = peer
        print(f"\n### `{card.function}`: {report.equation}\n\n{_table(report)}")
        unshown = set(card.shown)
        for row in report.rows:
            claim = row.claim.partition(": ")[0]
            if row.snippet and {claim, row.claim} & unshown:
                unshown -= {claim, row.claim}
                print(f"\n{row.claim}, smallest failing input found:\n\n```\n{row.snippet}\n```")


def _check(card: Card) -> Report:
    """Return the card of a function, and say on stderr how long it took."""
    start, name = time.perf_counter(), f"{card.module}:{card.function}"
    report = check(
        getattr(importlib.import_module(card.module), card.function), name=name, **card.options
    )
    print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return report


def _machine() -> str:
    versions = [f"Python {platform.python_version()}"]
    for package in ("numpy", "numba", "torch", "tacref"):
        versions.append(f"{package} {importlib.metadata.version(package)}")
    return f"{processor('cpu')}; {', '.join(versions)}"


def _summary(peer: Peer, card: Card, report: Report) -> str:
    """Return a row of the table on top."""
    failing = [row for row in report.rows if row.status == "FAIL"]
    passing = sum(row.status == "pass" for row in report.rows)
    # What is rounded to float32 fails nearly every row, of which the other ones matter more; and
    # "band: value" and "band: gradient to x" are one thing in a summary.
    other = [row for row in failing if not row.note.endswith("as if rounded to float32")]
    said = ", ".join(dict.fromkeys(row.claim.partition(":")[0] for row in other)) or "nothing"
    if len(other) < len(failing):
        rounded = f"rounded to float32 in {len(failing) - len(other)} rows"
        said = f"{rounded}; {said}" if other else rounded
    name = f"[{peer.name} {peer.version}](#{_anchor(peer)})"
    return f"| {name} | {card.what} | {passing} | {len(failing)} | {said} |"


def _anchor(peer: Peer) -> str:
    """Return the anchor of a heading, as Markdown renderers make it."""
    heading = f"{peer.name} {peer.version}".lower().replace(" ", "-")
    return "".join(letter for letter in heading if letter.isalnum() or letter in "-_")


def _table(report: Report) -> str:
    """Return a card as Markdown."""
    lines = ["| claim | outcome | largest error (allowed) | note |", "|---|---|---|---|"]
    for row in report.rows:
        claim, note = (text.replace("|", r"\|") for text in (row.claim, row.note))
        lines.append(f"| {claim} | {row.status} | {error_text(row)} | {note} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
