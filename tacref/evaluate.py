"""`python -m tacref.evaluate`: how good an encoder is on held-out clips, beside baselines."""

import sys

if __name__ == "__main__":  # before what is below is loaded, of which some may not be installed
    from tacref.commands import main as run

    sys.exit(run(["evaluate", *sys.argv[1:]]))

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tacref.commands import Parser, command, positive_int, seed
from tacref.data import Clip, find_clips
from tacref.embed import Embed, GatherResults, embed_clip, embed_shares, open_encoder
from tacref.evaluation import Estimate, Scores, UndefinedPairs, estimate, undefined_pairs
from tacref.evaluation.held_out import check_split
from tacref.evaluation.labeled import ALL_CLIPS, labeled_training_clips, mean_tau, score_clips
from tacref.evaluation.table import format_table
from tacref.figures import load_matplotlib
from tacref.files import new_folder
from tacref.terminal import printable

# Clips, scores by encoder and activity, and names of plots.
_Found = tuple[dict[str, list[Clip]], dict[str, dict[str, dict[str, Scores]]], list[str]]


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
        description="Scores of an encoder on held-out clips: Kendall's tau and cycle-consistency; "
        "with phase labels beside the clips also phase classification, phase progression and "
        "retrieval. Where published definitions differ, each has a name of its own. 95 % intervals "
        "by bootstrap over clips.",
    )
    add = parser.add_argument
    add("encoder", metavar="RUN_OR_ONNX", help="a run's folder, or an ONNX file")
    add("--data", required=True, metavar="DIR", help="data set")
    add(
        "--split",
        default="val",
        help="its folder in DIR, any but the encoder's training data (default: val)",
    )
    add(
        "--stride",
        type=positive_int,
        default=1,
        metavar="N",
        help="take Kendall's tau on every N-th frame (default: 1)",
    )
    add("--no-baselines", action="store_true", help="not the untrained encoder, nor raw frames")
    add("--plots", metavar="DIR", help="new folder for pictures: distances, embeddings, learning")
    add(
        "--seed",
        type=seed,
        default=0,
        help="of the draws of clips, to learn from and for intervals (default: 0)",
    )
    add("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    add("--json", action="store_true", help="print one JSON object")
    return parser


def _run(options: Namespace, rank: int, world: int, gather: GatherResults) -> None:
    """Score, and print in the first process."""
    if options.plots is None or rank != 0:
        found = _score(options, None, rank, world, gather)
    else:
        load_matplotlib()  # that it is missing shows at once
        with new_folder(options.plots) as folder:  # so that nobody else begins the same
            found = _score(options, folder, rank, world, gather)
    if found is not None:
        _print(options, *found)


def _score(
    options: Namespace, folder: Path | None, rank: int, world: int, gather: GatherResults
) -> _Found | None:
    """Embed a share of the clips, score all of them in the first process, draw into a folder."""
    from tacref.evaluation.plots import save_plots

    first = rank == 0
    clips = find_clips(options.data, options.split)
    config = _config(options.encoder)
    trained_on = None if config is None else _trained_on(options.encoder, config)
    check_split(options.data, options.split, trained_on)
    train_clips = labeled_training_clips(options.data, clips)
    if train_clips:
        import sklearn.svm  # noqa: F401 - that it is missing shows before anything is embedded
    embedders = _embedders(options, config)
    activities: dict[str, dict[str, dict[str, Scores]]] = {}
    pictures: dict[str, dict[str, np.ndarray]] = {}
    for title, embed in embedders.items():
        everything = [
            clip for split in (clips, train_clips) for part in split.values() for clip in part
        ]
        paths = [clip.path for clip in everything]
        rows = embed_shares(embed, paths, rank, world, gather, title=title, progress=first)
        if not first:
            continue
        activities[title] = {}
        for activity, members in clips.items():
            longest = max(len(rows[clip.path]) for clip in members)
            if options.stride >= longest:
                raise ValueError(
                    f"--stride must be < {longest}, the frames of the longest clip of "
                    f"{Path(options.data, options.split, activity)}, got {options.stride}"
                )
            train = train_clips.get(activity, [])
            activities[title][activity or ALL_CLIPS] = score_clips(
                members, train, rows, stride=options.stride, seed=options.seed
            )
            if title == "trained":
                pictures[activity or ALL_CLIPS] = {clip.name: rows[clip.path] for clip in members}
    if not first:
        return None
    plots: list[str] = []
    if folder is not None:
        metrics = Path(options.encoder) / "metrics.jsonl"
        plots = save_plots(folder, pictures, metrics if metrics.is_file() else None)
    return clips, activities, plots


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
    embedders: dict[str, Embed] = {"trained": lambda path: embed_clip(encoder, path)[0]}
    if options.no_baselines:
        return embedders
    if config is not None:
        untrained = untrained_encoder(encoder, config)  # type: ignore[arg-type]
        embedders["untrained"] = lambda path: embed_clip(untrained, path)[0]
    embedders["raw"] = raw_features
    return embedders


def _means(activities: dict[str, dict[str, Scores]], seed: int) -> dict[str, Estimate]:
    """Mean of each metric over the activities that have it."""
    metrics = dict.fromkeys(metric for scores in activities.values() for metric in scores)
    return {
        metric: estimate(
            [scores[metric] for scores in activities.values() if metric in scores], seed=seed
        )
        for metric in metrics
    }


def _print(
    options: Namespace,
    clips: dict[str, list[Clip]],
    activities: dict[str, dict[str, dict[str, Scores]]],
    plots: list[str],
) -> None:
    means = {title: _means(each, options.seed) for title, each in activities.items()}
    single = {
        title: {
            activity: _means({activity: scores}, options.seed) for activity, scores in each.items()
        }
        for title, each in activities.items()
    }
    undefined = {
        title: {activity: undefined_pairs(scores) for activity, scores in each.items()}
        for title, each in activities.items()
    }
    taus = {activity: scores["kendall_tau"].value for activity, scores in single["trained"].items()}
    if options.json:
        report = {
            "encoder": options.encoder,
            "data": options.data,
            "split": options.split,
            "stride": options.stride,
            "tau": taus,
            "mean_tau": mean_tau(taus),
            "clips": {activity or ALL_CLIPS: len(members) for activity, members in clips.items()},
            "metrics": {title: _plain(scores) for title, scores in means.items()},
            "activities": {
                title: {activity: _plain(scores) for activity, scores in each.items()}
                for title, each in single.items()
            },
            "undefined_pairs": {
                title: {activity: pairs._asdict() for activity, pairs in each.items()}
                for title, each in undefined.items()
            },
            "plots": [str(Path(options.plots) / name) for name in plots],
        }
        print(json.dumps(report))
        return
    total, split = sum(map(len, clips.values())), str(Path(options.data) / options.split)
    print(
        f"Held-out clips of {printable(split)}: {total}; Kendall's tau at stride {options.stride}; "
        "95 % intervals over clips\n"
    )
    print(format_table({title: _with_pairs(means[title], undefined[title]) for title in means}))
    if len(clips) > 1:
        print("\nThe table has means over activities. Kendall's tau of each:\n")
        lines = {
            f"{printable(activity or ALL_CLIPS)} ({len(members)} clips)": {
                title: each[activity or ALL_CLIPS]["kendall_tau"] for title, each in single.items()
            }
            for activity, members in clips.items()
        }
        print(
            format_table({title: {line: lines[line][title] for line in lines} for title in single})
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
