"""`tacref train`: an encoder from a folder of clips, or from the built-in activity.

`torchrun --nproc-per-node=N -m tacref.train --out RUN ...` trains in N processes.
"""

import json
import os
import sys
from argparse import SUPPRESS, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Sequence

from tacref.commands.guard import command
from tacref.commands.options import Parser, positive_int, seed


def make_parser() -> Parser:
    """Return the command's options; those that are a recipe's keys appear only where given."""
    parser = Parser(
        prog="tacref train",
        description="Train an encoder that aligns videos of the same activity in time. "
        "Settings come from a recipe, by default the encoder's own; options change them.",
        argument_default=SUPPRESS,
    )
    add = parser.add_argument
    add(
        "--data",
        metavar="DIR",
        help="data set: DIR/{train,val}/[ACTIVITY/]clips; "
        "by default the built-in activity is rendered to mp4 files in the run's folder",
    )
    add("--out", metavar="RUN", help="new folder for the run (default: runs/001, 002, ...)")
    add("--resume", metavar="RUN", help="go on with a run that was ended, from its last checkpoint")
    add(
        "--recipe",
        "--config",
        metavar="NAME_OR_FILE",
        help="paper, activity, features, a TOML file, or RUN/config.json to do a run again",
    )
    add("--encoder", help="small, resnet50 or features (default: by what the clips are)")
    add("--device", help="torch device (default: cuda where there is one, else cpu)")
    add("--seed", type=seed, help="of weights, sampling and dropout (default: 0)")
    add("--json", action="store_true", default=False, help="print one JSON object")
    add = parser.add_argument_group("data").add_argument
    add("--pairs", type=positive_int, help="pairs of clips a step, of all processes together")
    add("--frames", type=positive_int, help="frames drawn a clip (default: the recipe's)")
    add(
        "--augment",
        action=BooleanOptionalAction,
        help="flip pictures, change brightness and contrast (default: yes)",
    )
    add(
        "--on-bad-video",
        metavar="fail|skip",
        help="what a clip does that cannot be read (default: fail)",
    )
    add("--workers", type=int, metavar="N", help="processes that read clips ahead (default: 0)")
    add = parser.add_argument_group("optimizer").add_argument
    add("--steps", type=positive_int, help="optimizer steps")
    add("--optimizer", help="adam or adamw (default: adam)")
    add("--lr", type=float, help="learning rate")
    add("--backbone-lr", type=float, metavar="LR", help="the backbone's own (default: lr)")
    add("--freeze-backbone", action=BooleanOptionalAction, help="train the head alone")
    add("--warmup", type=int, metavar="STEPS", help="linear rise of the learning rate (default: 0)")
    add("--schedule", help="cosine or constant, after the warm-up (default: cosine)")
    add("--weight-decay", type=float, help="not on biases and norms (default: 1e-5)")
    add("--clip-norm", type=float, help="largest norm of the gradient (default: 0, no bound)")
    add("--accumulate", type=int, metavar="N", help="micro-batches a step (default: 1)")
    add = parser.add_argument_group("loss").add_argument
    add("--loss", help="lav, divergence, tcc or lav+tcc (default: lav)")
    add("--gamma", type=float, help="smoothing, > 0, in squared distance (default: 0.1)")
    add(
        "--alpha",
        type=float,
        help="weight of the regularizer (default: the recipe's, else by variant)",
    )
    add(
        "--sigma",
        type=float,
        help="window; frames of the source video for 'official', else sampled frames "
        "(default: the recipe's, else by variant)",
    )
    add(
        "--margin",
        type=float,
        help="in squared distance, for 'laser' in distance (default: by variant)",
    )
    add(
        "--variant",
        help="of Contrastive-IDM: paper, official, printed or laser (default: official)",
    )
    add("--tcc-weight", type=float, help="of cycle-consistency in lav+tcc (default: 1)")
    add(
        "--view-weight",
        type=float,
        help="of the contrast between two views of each clip; 0: one view (default: the recipe's)",
    )
    add(
        "--view-sigma",
        type=float,
        help="its window in frames of the clip (default: 1.5)",
    )
    add("--temperature", type=float, help="of cycle-consistency (default: 1)")
    add = parser.add_argument_group("encoder").add_argument
    add(
        "--offsets",
        type=_offsets,
        metavar="N,N,...",
        help="context frames relative to each frame, such as --offsets=-15,0 (default: by encoder)",
    )
    add("--size", type=positive_int, help="side of the pictures in pixels (default: by encoder)")
    add("--dim", type=positive_int, help="length of an embedding (default: 128)")
    add("--weights", metavar="FILE", help="torchvision ResNet-50 weights for --encoder resnet50")
    add = parser.add_argument_group("speed").add_argument
    add("--precision", help="of the encoder in training: full, bf16 or fp16 (default: full)")
    add("--compile", action=BooleanOptionalAction, help="compile the backbone by torch.compile")
    add(
        "--sync-batchnorm",
        action=BooleanOptionalAction,
        help="batch normalization over the frames of all processes",
    )
    add = parser.add_argument_group("checkpoints").add_argument
    add("--save-every", type=int, metavar="STEPS", help="between checkpoints (default: 100)")
    add("--save-minutes", type=float, metavar="MINUTES", help="at the latest (default: 10)")
    add("--keep", type=int, metavar="N", help="checkpoints kept, the newest ones (default: 2)")
    add(
        "--evaluate-every",
        type=int,
        metavar="STEPS",
        help="between measurements of tau; the best encoder is kept in RUN/best (default: 0)",
    )
    return parser


@command("train")
def main(argv: Sequence[str] | None = None) -> int:
    """Train; status 1 if the loss diverges; 129, 130, 143 after SIGHUP, ctrl-C, SIGTERM."""
    options = vars(make_parser().parse_args(argv))
    from tacref.training import TrainingDivergedError
    from tacref.training.distributed import Ranks
    from tacref.training.folder import run_folder
    from tacref.training.start import carry_out, make_plan

    ranks = Ranks.from_environment()
    as_json = options.pop("json")
    with run_folder(options.get("out"), options.get("resume"), ranks) as (run, goes_on):
        try:
            result = carry_out(make_plan(options, run, goes_on, ranks), ranks)
        except TrainingDivergedError as error:
            if ranks.first:
                print(
                    f"tacref train: {error}; {run} holds the encoder as last saved, and "
                    "diverged.json",
                    file=sys.stderr,
                )
            return 1
    if ranks.first:
        _print(json.dumps(result.to_json()) if as_json else str(result), result.interrupted)
    return result.status


def _print(text: str, interrupted: bool) -> None:
    try:
        print(text, flush=True)
    except OSError:
        if not interrupted:
            raise
        # The terminal that closed was stdout, too: what is left in its buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _offsets(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(offset) for offset in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"must be whole numbers, such as -15,0, got {text!r}") from None
