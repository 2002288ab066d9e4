"""Time loss calls of two builds of this project, turn by turn, each in a process of its own.

python -m benchmarks.loss_calls OTHER_CHECKOUT [THREADS]

Forward and backward, float32, 32 x 20 x 128; the median of the rounds' quickest quarters.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS, CALLS = 7, 300
LOSSES = {
    "soft-DTW": "SoftDTWLoss()",
    "Contrastive-IDM": "ContrastiveIDMLoss(sigma=10, margin=2.0)",
    "LAV": "LAVLoss(alpha=0.5, sigma=10, margin=2.0)",
}
CHILD = """
import json, sys, time
import torch
from tacref.losses import ContrastiveIDMLoss, LAVLoss, SoftDTWLoss

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
x, y = (torch.nn.functional.normalize(torch.randn(32, 20, 128), dim=2) for _ in range(2))
x.requires_grad_(), y.requires_grad_()

def seconds(loss):
    x.grad = y.grad = None
    start = time.perf_counter()
    value = loss(x) if isinstance(loss, ContrastiveIDMLoss) else loss(x, y)
    getattr(value, "loss", value).backward()
    return time.perf_counter() - start

losses = {name: eval(loss) for name, loss in json.loads(sys.argv[2]).items()}
for loss in losses.values():
    for _ in range(30):
        seconds(loss)
for line in sys.stdin:
    print(json.dumps({name: sorted(seconds(loss) for _ in range(int(line)))[int(line) // 4]
                      for name, loss in losses.items()}), flush=True)
"""


def child(checkout, threads):
    """Start a process that times the losses of a checkout whenever it is told to."""
    paths = os.pathsep.join((str(checkout), str(checkout / "export")))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", CHILD, threads, json.dumps(LOSSES)],
        env=os.environ | {"PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main():
    """Print a table: both builds' times, and this one's over the other's."""
    other, threads = Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else "2"
    if not (other / "tacref" / "losses").is_dir():
        raise SystemExit(f"{other}: no checkout of this project")
    children = [child(root, threads) for root in (other, Path(__file__).resolve().parents[1])]
    times = [[], []]
    for _ in range(ROUNDS):
        for process, rounds in zip(children, times, strict=True):
            process.stdin.write(f"{CALLS}\n")
            process.stdin.flush()
            rounds.append(json.loads(process.stdout.readline()))
    for process in children:
        process.stdin.close()
        process.wait()
    print(f"| loss, {threads} threads | other, ms | this, ms | ratio |\n|---|---|---|---|")
    for name in LOSSES:
        before, after = (statistics.median(each[name] for each in rounds) for rounds in times)
        print(f"| {name} | {1e3 * before:.2f} | {1e3 * after:.2f} | {after / before:.2f} |")


if __name__ == "__main__":
    main()
