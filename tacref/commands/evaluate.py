"""`tacref evaluate`: how good an encoder is on held-out clips, next to baselines."""

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tacref.commands.guard import command
from tacref.commands.options import Parser, add_device, add_encoder, add_json, positive_int, seed
from tacref.data import find_clips
from tacref.encoder.embedding import Embed, GatherResults, embed_clip
from tacref.evaluation import Estimate, UndefinedPairs
from tacref.evaluation.comparison import Clips, Comparison, compare
from tacref.evaluation.held_out import check_split
from tacref.evaluation.labeled import ALL_CLIPS, labeled_training_clips, mean_tau
from tacref.evaluation.table import format_table
from tacref.figures import load_matplotlib
from tacref.files import new_folder
from tacref.terminal import printable
from tacref_export.opening import open_encoder

ENCODER = "trained"  # its title among those that are compared


@command("evaluate")
def main(argv: Sequence[str] | None = None) -> int:
    """Print the scores; under torchrun, the processes share the clips and the first one prints."""
    options = _parser().parse_args(argv)
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        _run(options, 0, 1, lambda call: [call()])
        return 0
    from tacref.training.distributed import Ranks, process_group

    ranks = Ranks.from_environment()
    options.device = ranks.device(options.device)
    with process_group(ranks, options.device):
        _run(options, ranks.rank, ranks.world, ranks.gather_results)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="tacref evaluate",
        description="Score an encoder on held-out clips: Kendall's tau and cycle-consistency; "
        "with phase labels beside the clips also phase classification, phase progression and "
        "retrieval. Where published definitions differ, each has a name of its own. 95 % intervals "
        "by bootstrap over clips.",
    )
    add = parser.add_argument
    add_encoder(parser)
    add("--data", required=True, metavar="DIR", help="score clips of this data set")
    add(
        "--split",
        default="val",
        help="score its folder SPLIT, any but the encoder's training data (default: val)",
    )
    add(
        "--stride",
        type=positive_int,
        default=1,
        metavar="N",
        help="take Kendall's tau on every N-th frame (default: 1)",
    )
    add(
        "--no-baselines", action="store_true", help="leave out the untrained encoder and raw frames"
    )
    add(
        "--plots",
        metavar="DIR",
        help="draw distances, embeddings and learning into this new folder",
    )
    add(
        "--seed",
        type=seed,
        default=0,
        help="draw clips, to learn from and for intervals, from this seed (default: 0)",
    )
    add_device(parser)
    add_json(parser)
    return parser


def _run(options: Namespace, rank: int, world: int, gather: GatherResults) -> None:
    """Score, and print in the first process."""
    plots: list[str] = []
    if options.plots is None or rank != 0:
        clips, comparison = _compare(options, rank, world, gather)
    else:
        load_matplotlib()  # that it is missing shows at once
        with new_folder(options.plots) as folder:  # so that nobody else begins the same
            clips, comparison = _compare(options, rank, world, gather)
            plots = _draw(options, comparison, folder)
    if comparison is None:
        return
    if options.json:
        print(json.dumps(_report(options, clips, comparison, plots)))
    else:
        _print(options, clips, comparison, plots)


def _compare(
    options: Namespace, rank: int, world: int, gather: GatherResults
) -> tuple[Clips, Comparison | None]:
    """Return the clips and, in the first process, the scores."""
    clips = find_clips(options.data, options.split)
    config = _config(options.encoder)
    trained_on = None if config is None else _trained_on(options.encoder, config)
    check_split(options.data, options.split, trained_on)
    train_clips = labeled_training_clips(options.data, clips)
    if train_clips:
        import sklearn.svm  # noqa: F401 - that it is missing shows before anything is embedded
    comparison = compare(
        _embedders(options, config),
        clips,
        train_clips,
        stride=options.stride,
        seed=options.seed,
        rank=rank,
        world=world,
        gather=gather,
    )
    return clips, comparison


def _draw(options: Namespace, comparison: Comparison | None, folder: Path) -> list[str]:
    """Draw into a folder, and return the names of the pictures."""
    from tacref.evaluation.plots import save_plots

    if comparison is None:
        return []
    metrics = Path(options.encoder) / "metrics.jsonl"
    return save_plots(folder, comparison.embeddings, metrics if metrics.is_file() else None)


def _config(encoder: str) -> dict[str, Any] | None:
    """Return a run's config.json; None for an ONNX file."""
    if not Path(encoder).is_dir():
        return None
    from tacref.encoder.storage import read_config

    return read_config(encoder)


def _trained_on(run: str, config: dict[str, Any]) -> Path:
    """Return a run's data set; by default the built-in activity, in the run's own folder."""
    data = config.get("data")
    return Path(data) if data and isinstance(data, str) else Path(run) / "data"


def _embedders(options: Namespace, config: dict[str, Any] | None) -> dict[str, Embed]:
    """Return what is scored by title, the encoder first."""
    from tacref.evaluation.baselines import raw_features, untrained_encoder

    encoder = open_encoder(options.encoder, device=options.device)
    embedders: dict[str, Embed] = {ENCODER: lambda path: embed_clip(encoder, path)[0]}
    if options.no_baselines:
        return embedders
    if config is not None:
        untrained = untrained_encoder(encoder, config)  # type: ignore[arg-type]
        embedders["untrained"] = lambda path: embed_clip(untrained, path)[0]
    embedders["raw"] = raw_features
    return embedders


def _report(
    options: Namespace, clips: Clips, comparison: Comparison, plots: list[str]
) -> dict[str, Any]:
    """Return all scores as plain JSON values."""
    single = {title: comparison.activities(title) for title in comparison.scores}
    taus = {activity: scores["kendall_tau"].value for activity, scores in single[ENCODER].items()}
    return {
        "encoder": options.encoder,
        "data": options.data,
        "split": options.split,
        "stride": options.stride,
        "tau": taus,
        "mean_tau": mean_tau(taus),
        "clips": {activity or ALL_CLIPS: len(members) for activity, members in clips.items()},
        "metrics": {title: _plain(comparison.means(title)) for title in single},
        "activities": {
            title: {activity: _plain(scores) for activity, scores in each.items()}
            for title, each in single.items()
        },
        "undefined_pairs": {
            title: {activity: pairs._asdict() for activity, pairs in undefined.items()}
            for title, undefined in ((title, comparison.undefined(title)) for title in single)
        },
        "unlabeled_frames": {
            activity: frames._asdict() for activity, frames in comparison.unlabeled.items()
        },
        "plots": [str(Path(options.plots) / name) for name in plots],
    }


def _print(options: Namespace, clips: Clips, comparison: Comparison, plots: list[str]) -> None:
    """Print a table for people."""
    titles = comparison.scores
    total, split = sum(map(len, clips.values())), str(Path(options.data) / options.split)
    print(
        f"Held-out clips of {printable(split)}: {total}; Kendall's tau at stride {options.stride}; "
        "95 % intervals over clips\n"
    )
    print(
        format_table({t: _with_pairs(comparison.means(t), comparison.undefined(t)) for t in titles})
    )
    if len(clips) > 1:
        print("\nThe table has means over activities. Kendall's tau of each:\n")
        lines = {
            activity or ALL_CLIPS: f"{printable(activity or ALL_CLIPS)} ({len(members)} clips)"
            for activity, members in clips.items()
        }
        columns = {
            title: {
                lines[activity]: scores["kendall_tau"]
                for activity, scores in comparison.activities(title).items()
            }
            for title in titles
        }
        print(format_table(columns))
    held_out, training = (
        sum(frames[side] for frames in comparison.unlabeled.values()) for side in (0, 1)
    )
    if held_out or training:
        print(
            f"\nFrames without a phase, which count in no score of phases: {held_out} held out, "
            f"{training} of training clips"
        )
    if plots:
        print(f"\n{len(plots)} pictures in {printable(options.plots)}")


def _with_pairs(
    scores: dict[str, Estimate], undefined: dict[str, UndefinedPairs]
) -> dict[str, Estimate | UndefinedPairs]:
    """Return lines of the table, one after Kendall's tau for the pairs that have none."""
    total = UndefinedPairs(*map(sum, zip(*undefined.values(), strict=True)))
    lines: dict[str, Estimate | UndefinedPairs] = {}
    for metric, score in scores.items():
        if metric == "cycle_error":
            lines["pairs without a tau"] = total
        lines[metric] = score
    return lines


def _plain(scores: dict[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {metric: each._asdict() for metric, each in scores.items()}
