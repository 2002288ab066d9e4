"""`python -m tacref.train`: an encoder from a folder of clips, or from the built-in activity."""

import json
import shutil
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacref.commands import Parser, command, positive_int, seed
from tacref.files import check_new_folder

if TYPE_CHECKING:
    from tacref.training import Result

# Defaults that depend on the encoder; docs/benchmarks.md has the measurements behind them.
RECIPES: dict[str, dict[str, Any]] = {
    "small": {"steps": 200, "lr": 1e-3, "pairs": 4},
    "resnet50": {"steps": 3000, "lr": 1e-4, "pairs": 1},
    "features": {"steps": 500, "lr": 1e-3, "pairs": 8},
}
_SETTINGS = ("frames", "seed", "gamma", "alpha", "sigma", "margin", "variant", "weight_decay")


def make_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(
        prog="tacref train",
        description="Train an encoder that aligns videos of the same activity in time.",
    )
    add = parser.add_argument
    add(
        "--data",
        metavar="DIR",
        help="data set: DIR/{train,val}/[ACTIVITY/]clips; "
        "by default the built-in activity is rendered to mp4 files in the run's folder",
    )
    add("--out", metavar="RUN", help="new folder for the run (default: runs/001, 002, ...)")
    add(
        "--encoder",
        choices=sorted(RECIPES),
        help="default: by what the clips are, small for pictures and features for arrays",
    )
    add("--device", help="torch device (default: cuda where there is one, else cpu)")
    add("--seed", type=seed, default=0, help="of weights, sampling and dropout (default: 0)")
    add("--json", action="store_true", help="print one JSON object")
    add = parser.add_argument_group("length and optimizer").add_argument
    add("--steps", type=positive_int, help=_by_encoder("steps"))
    add("--pairs", type=positive_int, help="pairs of clips a step; " + _by_encoder("pairs"))
    add("--frames", type=positive_int, default=20, help="frames drawn a clip (default: 20)")
    add("--lr", type=float, help="Adam's learning rate; " + _by_encoder("lr"))
    add("--weight-decay", type=float, default=1e-5, help="default: 1e-5")
    add("--no-augment", action="store_true", help="no flips, brightness or contrast changes")
    add = parser.add_argument_group("loss").add_argument
    add(
        "--gamma",
        type=float,
        default=0.1,
        help="smoothing, > 0, in squared distance (default: 0.1)",
    )
    add("--alpha", type=float, default=0.5, help="weight of the regularizer (default: 0.5)")
    add(
        "--sigma",
        type=float,
        default=15,
        help="window; frames of the source video for 'official', else sampled frames (default: 15)",
    )
    add(
        "--margin",
        type=float,
        default=2.0,
        help="in squared distance, for 'laser' in distance (default: 2)",
    )
    add(
        "--variant",
        default="official",
        help="of Contrastive-IDM: paper, official, printed or laser (default: official)",
    )
    add = parser.add_argument_group("encoder").add_argument
    add(
        "--offsets",
        type=_offsets,
        metavar="N,N,...",
        help="context frames relative to each frame, such as --offsets=-15,0 (default: by encoder)",
    )
    add("--size", type=positive_int, help="side of the pictures in pixels (default: by encoder)")
    add("--dim", type=positive_int, default=128, help="length of an embedding (default: 128)")
    add("--weights", metavar="FILE", help="torchvision ResNet-50 weights for --encoder resnet50")
    return parser


@command("train")
def main(argv: Sequence[str] | None = None) -> int:
    """Train; status 1 if the loss diverges, 130 after ctrl-C."""
    options = make_parser().parse_args(argv)
    from tacref.training import TrainingDivergedError

    try:
        result = run(options)
    except TrainingDivergedError as error:
        print(f"tacref train: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(result.to_json()))
    else:
        print(result)
    return 130 if result.interrupted else 0


def run(options: Namespace) -> "Result":
    """Check everything, then train.

    Raises
    ------
    FileNotFoundError, ValueError
        For bad input, before the first step; then the run's folder does not appear.
    TrainingDivergedError
        If the loss is NaN or infinite.
    """
    import torch

    from tacref.data import PairDataset, check_phases, find_clips, load_clip
    from tacref.encoder import EncoderConfig, build_encoder
    from tacref.encoder.preprocess import Standardize
    from tacref.training import Settings, train

    out = check_new_folder(options.out or _next_run())
    clips = {} if options.data is None else find_clips(options.data, "train")
    features = any(clip.kind == "features" for members in clips.values() for clip in members)
    name = options.encoder or ("features" if features else "small")
    if (name == "features") != features:
        raise ValueError(
            f"encoder {name!r} does not take what {options.data or 'the built-in activity'} holds: "
            + ("feature arrays" if features else "pictures")
        )
    if features and (options.size or options.no_augment):
        raise ValueError("--size and --no-augment are for pictures, not for feature arrays")
    settings = Settings(
        **{key: _given(options, key, default) for key, default in RECIPES[name].items()},
        **{key: getattr(options, key) for key in _SETTINGS},
        device=options.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        augment=not options.no_augment,
    )
    changes = {key: getattr(options, key) for key in ("offsets", "size") if getattr(options, key)}
    if features:
        first = next(iter(clips.values()))[0]
        changes["channels"] = load_clip(first.path).frames.shape[1]
    config = EncoderConfig.default(name, dim=options.dim, **changes)
    encoder = build_encoder(config, seed=options.seed, weights=options.weights)
    with _nothing_left_unless_trained(out):
        data = Path(options.data) if options.data is not None else _render(out, options.seed)
        clips = clips or find_clips(data, "train")
        val = find_clips(data, "val") if (data / "val").exists() else {}
        if not val:
            print(f"{data} has no val: Kendall's tau is not measured", file=sys.stderr)
        dataset = PairDataset(
            clips,
            offsets=config.offsets,
            frames=settings.frames,
            pairs=settings.pairs,
            size=config.size or None,
            seed=settings.seed,
            augment=settings.augment,
        )
        dataset.check(progress=True)
        check_phases(dataset.lengths)
        if dataset.short_clips:
            print(
                f"clips shorter than {settings.frames} frames, sampled with repeats: "
                f"{len(dataset.short_clips)}, such as {dataset.short_clips[0]}",
                file=sys.stderr,
            )
        if isinstance(encoder.preprocess, Standardize):
            encoder.preprocess.fit(dataset.cache.load(clip.path) for clip in dataset.clips)
        notes = {"data": str(data.resolve()), "weights": options.weights}
        return train(encoder, dataset, val, out, settings, **notes)


def _render(out: Path, number: int) -> Path:
    from tacref.data.synthetic import make_dataset

    data = out / "data"
    print(f"rendering the built-in activity to {data}", file=sys.stderr)
    return make_dataset(data, seed=number)


@contextmanager
def _nothing_left_unless_trained(out: Path) -> Iterator[None]:
    """Take away what was made in a run's folder if it fails before there is an encoder in it."""
    from tacref.encoder.storage import CONFIG

    existed = out.exists()
    try:
        yield
    except BaseException:
        if not (out / CONFIG).exists():
            shutil.rmtree(out / "data", ignore_errors=True)
            if not existed and out.is_dir() and not any(out.iterdir()):
                out.rmdir()
        raise


def _given(options: Namespace, key: str, default: Any) -> Any:
    value = getattr(options, key)
    return default if value is None else value


def _by_encoder(key: str) -> str:
    values = ", ".join(f"{recipe[key]:g} for {name}" for name, recipe in RECIPES.items())
    return f"default: {values}"


def _offsets(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(offset) for offset in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"must be whole numbers, such as -15,0, got {text!r}") from None


def _next_run() -> Path:
    runs = (Path("runs") / f"{number:03d}" for number in count(1))
    return next(run for run in runs if not run.exists())


if __name__ == "__main__":
    sys.exit(main())
