"""Time training steps of two builds of this project, turn by turn, on one data set.

python -m benchmarks.training_steps OTHER_CHECKOUT DATA

The encoder is `small`, trained as by `tacref train --data DATA`, without its checkpoints and log. A
turn is the same STEPS steps of each build, drawing the batches included. Milliseconds a step: the
median over the turns, with the least in brackets; the ratio is that of each turn's two times.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TURNS, STEPS = 5, 8
# Of what both builds have.
CHILD = """
import contextlib, json, sys, time
from tacref.data import PairDataset, find_clips, iter_batches
from tacref.encoder import EncoderConfig, build_encoder
from tacref.training import Settings
from tacref.training.distributed import Ranks
from tacref.training.dropout import dropout_by_pair
from tacref.training.recipe import read_recipe
from tacref.training.step import Stepper
try:
    from tacref.training.step import threads_for
except ImportError:
    threads_for = lambda *arguments: contextlib.nullcontext()  # commit e5b4f68 has none

recipe = read_recipe("activity")
recipe.pop("encoder")
settings = Settings(device="cpu", **recipe)
config = EncoderConfig.default("small")
dataset = PairDataset(
    find_clips(sys.argv[1], "train"), offsets=config.offsets, size=config.size,
    frames=settings.frames, pairs=settings.pairs, views=settings.views, augment=True, seed=0,
)
dataset.check()
for clip in dataset.clips:
    dataset.cache.load(clip.path)
encoder = build_encoder(config, seed=0)
stepper = Stepper(encoder, settings, Ranks())
stepper.train_mode()
masks = getattr(stepper, "dropout_masks", None) or stepper.chance
print("ready", flush=True)
with dropout_by_pair(encoder, masks):
    for line in sys.stdin:
        first, count = json.loads(line)
        start = time.perf_counter()
        steps = range(first, first + count)
        for step, (batches, _) in zip(steps, iter_batches(dataset, steps), strict=True):
            with threads_for(encoder, settings):
                stepper.step(step, batches)
        print(json.dumps((time.perf_counter() - start) / count * 1e3), flush=True)
"""


def start(checkout: Path, data: Path) -> subprocess.Popen[str]:
    """Start a process of a build, and wait until it has decoded the clips."""
    path = f"import sys; sys.path[:0] = [{str(checkout)!r}]\n"
    process = subprocess.Popen(
        [sys.executable, "-c", path + CHILD, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tempfile.gettempdir(),
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise SystemExit(f"{checkout}: cannot train")
    return process


def ask(process: subprocess.Popen[str], first: int) -> float:
    """Return milliseconds a step, of STEPS steps from the first one."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps((first, STEPS)), file=process.stdin, flush=True)
    return float(json.loads(process.stdout.readline()))


def main() -> None:
    """Print one row a build."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    other, data = (Path(argument).resolve() for argument in sys.argv[1:])
    this = Path(__file__).resolve().parents[1]
    processes = [start(checkout, data) for checkout in (other, this)]
    for process in processes:
        ask(process, 0)  # the first call compiles and allocates
    turns = [[ask(each, STEPS * turn) for each in processes] for turn in range(1, TURNS + 1)]
    for process in processes:
        process.terminate()
    print("| build | ms a step |")
    print("|---|---|")
    for name, times in zip(("other", "this"), zip(*turns, strict=True), strict=True):
        print(f"| {name} | {statistics.median(times):.0f} [{min(times):.0f}] |")
    ratios = [before / now for before, now in turns]
    print(f"\nratio {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")


if __name__ == "__main__":
    main()
