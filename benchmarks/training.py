"""Train on data sets one by one; print tau before and after as the table of docs/benchmarks.md.

python benchmarks/training.py DATA_SET... [--out DIR] [-- OPTIONS OF tacref train]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean


def train(data: Path, run: Path, options: list[str]) -> tuple[dict, float]:
    """Run the command as a user would; return its JSON and its wall time in seconds."""
    command = [sys.executable, "-m", "tacref.train", "--data", str(data), "--out", str(run)]
    start = time.perf_counter()
    done = subprocess.run([*command, "--json", *options], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout), time.perf_counter() - start


def main() -> None:
    """Print the table."""
    arguments, options = sys.argv[1:], []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, options = arguments[:split], arguments[split + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path, help="data sets: folders with train and val")
    parser.add_argument("--out", type=Path, help="keep the runs in this folder")
    parsed = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        out = parsed.out or Path(temporary)
        rows = []
        print("| data | clips train + val | tau untrained | tau trained | whole command, s |")
        print("|---|---|---|---|---|")
        for data in parsed.data:
            result, seconds = train(data, out / data.name, options)
            before, after = (mean(result[key].values()) for key in ("tau_untrained", "tau_trained"))
            rows.append((before, after, seconds))
            clips = " + ".join(str(count(data / split)) for split in ("train", "val"))
            print(
                f"| {data.name} | {clips} | {before:.3f} | {after:.3f} | {seconds:.0f} |",
                flush=True,
            )
        before, after, seconds = (mean(column) for column in zip(*rows, strict=True))
        print(f"| mean | | {before:.3f} | {after:.3f} | {seconds:.0f} |")


def count(folder: Path) -> int:
    """Count the clips of a split."""
    from tacref.data import find_clips

    return sum(map(len, find_clips(folder.parent, folder.name).values()))


if __name__ == "__main__":
    main()
