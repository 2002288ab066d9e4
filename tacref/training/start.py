"""From what a user asks for to a run: recipe, data and encoder, checked before the first step."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from tacref.data import Clip, PairDataset, check_phases, find_clips
from tacref.encoder import EncoderConfig, build_encoder
from tacref.encoder.preprocess import Standardize
from tacref.encoder.storage import CONFIG
from tacref.files import check_new_folder
from tacref.training.checkpoint import check_same, checkpoints
from tacref.training.distributed import Ranks, process_group
from tacref.training.loop import train
from tacref.training.recipe import OF_ENCODER, merge, read_recipe, split_keys
from tacref.training.result import Result
from tacref.training.settings import Settings

# Says in a run's folder which torchrun began it, so that a restart knows its own.
_STARTED = ".torchrun"


@dataclass(frozen=True)
class Plan:
    """What is to be done; `data` is None for the built-in activity."""

    out: Path
    resume: bool
    settings: Settings
    encoder: EncoderConfig
    data: Path | None
    weights: str | None
    clips: dict[str, list[Clip]]


def make_plan(options: Mapping[str, Any], ranks: Ranks) -> Plan:
    """Put together recipe and options.

    Parameters
    ----------
    options : mapping
        Keys of a recipe that were given, and `out`, `resume` and `recipe`.
    ranks : Ranks
        The processes.

    Raises
    ------
    FileNotFoundError, ValueError
        If something is missing or wrong; nothing was written then.
    """
    given = dict(options)
    name, resumed, out = (given.pop(key, None) for key in ("recipe", "resume", "out"))
    if resumed is not None:
        if out is not None or name is not None:
            raise ValueError("--resume takes folder and settings from the run: no --out, --recipe")
        run, resume = Path(resumed), True
        if not (run / CONFIG).is_file():
            raise FileNotFoundError(f"{run}: no run to go on with, {CONFIG} is missing")
        recipe = read_recipe(run / CONFIG)
        check_same(recipe, given, str(run / CONFIG))
        recipe.setdefault("data", None)
    else:
        run, resume = _new_run(out, ranks)
        recipe = read_recipe(name) if name is not None else {}
    place = (recipe | given).get("data")
    clips = {} if place is None else find_clips(place, "train")
    if resumed is not None and place is None and not (run / "data").is_dir():
        raise FileNotFoundError(f"{run / 'data'}: the built-in activity of this run is gone")
    features = any(clip.kind == "features" for members in clips.values() for clip in members)
    encoder = (recipe | given).get("encoder") or ("features" if features else "small")
    if encoder in OF_ENCODER and (encoder == "features") != features:
        raise ValueError(
            f"encoder {encoder!r} does not take what {place or 'the built-in activity'} holds: "
            + ("feature arrays" if features else "pictures")
        )
    if features and (given.get("size") or given.get("augment") is False):
        raise ValueError("--size and --no-augment are for pictures, not for feature arrays")
    if resumed is None:  # what a recipe does not say is the encoder's own
        recipe = merge(read_recipe(OF_ENCODER.get(encoder, "features")), recipe)
    chosen, beside = split_keys(merge(recipe, given | {"encoder": encoder}))
    if features and (weight := chosen.get("view_weight")):
        raise ValueError(f"view_weight is for pictures, not for feature arrays, got {weight!r}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = Settings(**{"device": device} | chosen)
    settings.check_shares(ranks.world)
    shape = {key: beside[key] for key in ("offsets", "size", "dim") if key in beside}
    return Plan(
        out=run,
        resume=resume,
        settings=settings,
        encoder=EncoderConfig.default(encoder, **shape),
        data=None if place is None else Path(place),
        weights=beside.get("weights"),
        clips=clips,
    )


def carry_out(plan: Plan, ranks: Ranks) -> Result:
    """Prepare data and encoder, and train.

    Raises
    ------
    FileNotFoundError, ValueError
        For bad input, before the first step; then the run's folder does not appear.
    TrainingDivergedError
        If the loss is no longer a finite number.
    """
    settings, out = plan.settings, plan.out
    encoder = None
    if plan.encoder.takes_pictures or plan.weights is not None:  # so that a bad file shows at once
        encoder = build_encoder(plan.encoder, seed=settings.seed, weights=plan.weights)
    with (
        process_group(ranks, ranks.device(settings.device)),
        _nothing_left_unless_trained(out, ranks),
    ):
        data = plan.data or out / "data"
        if plan.data is None and ranks.first and not data.exists():
            _render(data, settings.seed)
        ranks.wait()
        clips = plan.clips or find_clips(data, "train")
        val = find_clips(data, "val") if (data / "val").exists() else {}
        dataset = _scan(clips, plan, ranks)
        if ranks.first and not val:
            _say(f"{data} has no val: Kendall's tau is not measured")
        if encoder is None:
            width = dataset.cache.load(dataset.clips[0].path).shape[1]
            encoder = build_encoder(replace(plan.encoder, channels=width), seed=settings.seed)
        if isinstance(encoder.preprocess, Standardize):
            encoder.preprocess.fit(dataset.cache.load(clip.path) for clip in dataset.clips)
        return train(
            encoder,
            dataset,
            val,
            out,
            settings,
            resume=plan.resume,
            ranks=ranks,
            data=None if plan.data is None else os.path.abspath(plan.data),
            weights=None if plan.weights is None else os.path.abspath(plan.weights),
        )


def _scan(clips: dict[str, list[Clip]], plan: Plan, ranks: Ranks) -> PairDataset:
    """Return the pairs, after a look at every clip and at the labels beside them."""
    settings = plan.settings
    dataset = PairDataset(
        clips,
        offsets=plan.encoder.offsets,
        frames=settings.frames,
        pairs=settings.pairs,
        size=plan.encoder.size or None,
        seed=settings.seed,
        augment=settings.augment,
        views=settings.views,
        on_bad_video=settings.on_bad_video,
    )
    dataset.check(progress=ranks.first)
    check_phases(dataset.lengths)
    if ranks.first:
        for message in dataset.bad.values():
            _say(f"left out: {message}")
        if dataset.short_clips:
            _say(
                f"clips shorter than {settings.frames} frames, sampled with repeats: "
                f"{len(dataset.short_clips)}, such as {dataset.short_clips[0]}"
            )
    return dataset


def _new_run(out: str | None, ranks: Ranks) -> tuple[Path, bool]:
    """Return the folder of a new run, or of one that this torchrun began, and whether it did."""
    if out is None:
        if ranks.job is not None:
            raise ValueError("--out must be given under torchrun, so that all processes agree")
        runs = (Path("runs") / f"{number:03d}" for number in count(1))
        return check_new_folder(next(run for run in runs if not run.exists())), False
    run = Path(out)
    began = run / _STARTED
    if ranks.job is not None and began.is_file() and began.read_text("utf-8") == ranks.job:
        return run, True
    if ranks.first:  # the others may come late, to a folder that is in use
        check_new_folder(run)
    return run, False


def _render(data: Path, seed: int) -> None:
    from tacref.data.synthetic import make_dataset

    _say(f"rendering the built-in activity to {data}")
    make_dataset(data, seed=seed)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


@contextmanager
def _nothing_left_unless_trained(out: Path, ranks: Ranks) -> Iterator[None]:
    """Take away what was made in a run's folder if it fails before there is an encoder in it."""
    existed = out.exists()
    if ranks.first and ranks.job is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / _STARTED).write_text(ranks.job, encoding="utf-8")
    try:
        yield
    except BaseException:
        if ranks.first and not (out / CONFIG).exists() and not checkpoints(out):
            shutil.rmtree(out / "data", ignore_errors=True)
            (out / _STARTED).unlink(missing_ok=True)
            if not existed and out.is_dir() and not any(out.iterdir()):
                out.rmdir()
        raise
