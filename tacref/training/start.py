"""From the command's options to a run: recipe, data and encoder, checked before the first step."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tacref.data import Clip, PairDataset, check_phases, find_clips
from tacref.data.copies import find_copies
from tacref.encoder import Encoder, EncoderConfig, build_encoder
from tacref.encoder.device import check_device
from tacref.encoder.frozen.modules import FrozenBackbone, FrozenHead
from tacref.encoder.preprocess import Standardize
from tacref.encoder.registry import ENCODERS, default_encoder
from tacref.encoder.storage import CONFIG, read_config
from tacref.memory import memory_errors
from tacref.training.backbone import BackboneChoice, choose_backbone, refuse_backbone
from tacref.training.checkpoint import check_same
from tacref.training.distributed import Ranks, process_group
from tacref.training.folder import DATA
from tacref.training.frozen_features import FrozenFeatures, Views
from tacref.training.log import say
from tacref.training.loop import train
from tacref.training.recipe import combine, read_recipe, split_keys
from tacref.training.result import Result
from tacref.training.settings import Settings
from tacref.training.task import KEYS


@dataclass(frozen=True)
class Plan:
    """A run to be made; `data` is None for the built-in activity."""

    out: Path
    resume: bool
    recipe: str
    settings: Settings
    encoder: EncoderConfig
    data: Path | None
    weights: str | None
    backbone: BackboneChoice | None
    clips: dict[str, list[Clip]]
    left_out: dict[Path, str]


def make_plan(options: Mapping[str, Any], run: Path, continues: bool, ranks: Ranks) -> Plan:
    """Combine recipes and options.

    Parameters
    ----------
    options : mapping
        The keys of a recipe that the command line gives, and `out`, `resume` and `recipe`.
    run, continues
        From `run_folder`.
    ranks : Ranks
        The processes.

    Raises
    ------
    FileNotFoundError, ValueError
        If something is missing or wrong; nothing is written then.
    """
    keys_of_options = dict(options)
    name, resumed, out = (keys_of_options.pop(key, None) for key in ("recipe", "resume", "out"))
    saved = None
    if resumed is not None:
        if out is not None or name is not None:
            raise ValueError("--resume takes folder and settings from the run: no --out, --recipe")
        saved = _saved_keys(run, keys_of_options)
    recipe = read_recipe(name) if name is not None else {}
    # Without the encoder's own recipe: it follows from data and encoder, which these keys decide.
    explicit_keys = {"data": None, **(recipe if saved is None else saved), **keys_of_options}
    clips, left_out = _find_training_clips(explicit_keys)
    if saved is not None and explicit_keys["data"] is None and not (run / DATA).is_dir():
        raise FileNotFoundError(f"{run / DATA}: the built-in activity of this run is gone")
    encoder = _encoder_for(clips, explicit_keys, keys_of_options)
    encoder_recipe = ENCODERS[encoder].recipe
    keys = combine(
        encoder,
        encoder_recipe=read_recipe(encoder_recipe),
        recipe=recipe,
        saved=saved,
        options=keys_of_options,
    )
    settings, task = split_keys(keys)
    kind = ENCODERS[encoder]
    if not kind.takes_pictures and (weight := keys.get("view_weight")):
        raise ValueError(f"view_weight is for pictures, not for feature arrays, got {weight!r}")
    if kind.takes_pictures and not kind.needs_backbone and (noise := keys.get("noise")):
        raise ValueError(
            f"noise is for the encoders features and frozen, not for {encoder!r}, got {noise!r}"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    checked = Settings(**{"device": device} | settings)
    checked.check_shares(ranks.world)
    shape: dict[str, Any] = {key: task[key] for key in ("offsets", "size", "dim") if key in task}
    backbone = None
    if kind.needs_backbone:
        backbone = choose_backbone(task, None if saved is None else run)
        shape["backbone"] = backbone.config
    else:
        refuse_backbone(encoder, {**recipe, **keys_of_options})
    return Plan(
        out=run,
        resume=continues,
        recipe=str(name or encoder_recipe) if saved is None else str(run / CONFIG),
        settings=checked,
        encoder=EncoderConfig.default(encoder, **shape),
        data=None if explicit_keys["data"] is None else Path(explicit_keys["data"]),
        weights=task.get("weights"),
        backbone=backbone,
        clips=clips,
        left_out=left_out,
    )


def _saved_keys(run: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a run that is resumed, and refuse options that may not change in it."""
    step = read_config(run).get("step", 0)  # the config.json of an older run may lack it
    if type(step) is not int or step < 0:
        raise ValueError(f"{run / CONFIG}: step must be a whole number >= 0, got {step!r}")
    saved = read_recipe(run / CONFIG)
    check_same(saved, options, str(run / CONFIG))
    return {"data": None, **saved}


def _find_training_clips(keys: Mapping[str, Any]) -> tuple[dict[str, list[Clip]], dict[Path, str]]:
    """Return the training clips (none for the built-in activity), and why others are skipped."""
    left_out: dict[Path, str] = {}
    if keys["data"] is None:
        return {}, left_out
    skip = keys.get("on_bad_video") == "skip"
    return find_clips(keys["data"], "train", bad=left_out if skip else None), left_out


def _encoder_for(
    clips: Mapping[str, list[Clip]], keys: Mapping[str, Any], options: Mapping[str, Any]
) -> str:
    """Return the encoder's name, by default the one for these clips, if it can take them."""
    features = any(clip.kind == "features" for members in clips.values() for clip in members)
    encoder = keys.get("encoder")
    if encoder is None and keys.get("backbone") is not None:
        encoder = next(name for name, kind in ENCODERS.items() if kind.needs_backbone)
    if encoder is None:
        encoder = default_encoder(takes_pictures=not features)
    KEYS["encoder"].check(encoder)
    if ENCODERS[encoder].takes_pictures == features:
        raise ValueError(
            f"encoder {encoder!r} does not take what {keys['data'] or 'the built-in activity'} "
            f"holds: {'feature arrays' if features else 'pictures'}"
        )
    if features and (options.get("size") or options.get("augment") is False):
        raise ValueError("--size and --no-augment are for pictures, not for feature arrays")
    return str(encoder)


def carry_out(plan: Plan, ranks: Ranks) -> Result:
    """Prepare data and encoder, and train.

    Raises
    ------
    FileNotFoundError, ValueError
        For bad input, before the first step; the run's folder is not kept then.
    MemoryError
        If memory runs out; the message names options that need less.
    TrainingDivergedError
        If the loss is no longer a finite number.
    """
    settings = plan.settings
    sized = plan.encoder.takes_pictures and plan.backbone is None
    size = f", --size (now {plan.encoder.size})" if sized else ""
    advice = (
        f"less is needed with a lower --pairs (now {settings.pairs}), --frames (now "
        f"{settings.frames}){size} or a higher --accumulate (now {settings.accumulate})"
    )
    with memory_errors(advice=advice):
        return _carry_out(plan, ranks)


def _carry_out(plan: Plan, ranks: Ranks) -> Result:
    settings, out = plan.settings, plan.out
    encoder = None  # built before the data is read, so that a bad weight file is found at once
    if plan.encoder.takes_pictures or plan.weights is not None:
        encoder = build_encoder(plan.encoder, seed=settings.seed, weights=plan.weights)
    device = ranks.device(settings.device)
    check_device(device)
    with process_group(ranks, device):
        data = plan.data or out / DATA
        if plan.data is None and ranks.first and not data.exists():
            _render(data, settings.seed)
        ranks.wait()
        clips = plan.clips or find_clips(data, "train")
        bad = plan.left_out if settings.on_bad_video == "skip" else None
        val = find_clips(data, "val", bad=bad) if (data / "val").exists() else {}
        dataset = _scan(clips, plan, ranks)
        if ranks.first:
            _say_of_held_out(data, val, dataset.clips)
        if encoder is None:
            width = dataset.cache.load(dataset.clips[0].path).shape[1]
            encoder = build_encoder(replace(plan.encoder, channels=width), seed=settings.seed)
        if isinstance(encoder.preprocess, Standardize):
            arrays = (dataset.cache.load(clip.path) for clip in dataset.clips)
            dataset.use_noise(settings.noise * encoder.preprocess.fit(arrays))
        if plan.backbone is not None:
            _use_frozen_features(plan, plan.backbone, encoder, dataset, val, ranks)
        return train(
            encoder,
            dataset,
            val,
            out,
            settings,
            resume=plan.resume,
            ranks=ranks,
            title=_title(plan, dataset, val, data, ranks),
            data=None if plan.data is None else os.path.abspath(plan.data),
            weights=None if plan.weights is None else os.path.abspath(plan.weights),
            **({} if plan.backbone is None else plan.backbone.notes),
        )


def _use_frozen_features(
    plan: Plan,
    choice: BackboneChoice,
    encoder: Encoder,
    dataset: PairDataset,
    val: dict[str, list[Clip]],
    ranks: Ranks,
) -> None:
    """Compute the features of all clips, or find them in the cache, and train on them."""
    assert isinstance(encoder.backbone, FrozenBackbone)
    assert isinstance(encoder.head, FrozenHead)
    encoder.backbone.attach(choice.file, choice.runner)
    settings = plan.settings
    views = Views(choice.views if settings.augment else 0, change=settings.views > 1)
    source = FrozenFeatures(
        encoder, choice.cache, views, ranks, device=ranks.device(settings.device)
    )
    held_out = [clip.path for members in val.values() for clip in members]
    skip = settings.on_bad_video == "skip"
    features = source.of(dataset.lengths, held_out, skip=skip, progress=ranks.first)
    dataset.use_features(features, source.bad)
    if ranks.first:
        for message in source.bad.values():
            say(f"left out: {message}")
    arrays = (features.load(clip.path, 0) for clip in dataset.clips)
    dataset.use_noise(settings.noise * encoder.head.standardize.fit(arrays))


def _title(
    plan: Plan, dataset: PairDataset, val: dict[str, list[Clip]], data: Path, ranks: Ranks
) -> str:
    settings, held_out = plan.settings, sum(map(len, val.values()))
    return (
        f"{'continuing' if plan.resume else 'training'} {plan.out}: encoder "
        f"{plan.encoder.name}, recipe {plan.recipe}, loss {settings.loss}, {settings.steps} steps "
        f"of {settings.pairs} pairs; {data}: {len(dataset.clips)} clips, {held_out} held out; on "
        f"{settings.device} in {ranks.world} process{'es' if ranks.world > 1 else ''}"
    )


def _scan(clips: dict[str, list[Clip]], plan: Plan, ranks: Ranks) -> PairDataset:
    """Return the pairs, after checking every clip and its labels."""
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
    dataset.bad |= plan.left_out
    check_phases(dataset.lengths, skip=settings.on_bad_video == "skip")
    if ranks.first:
        for message in dataset.bad.values():
            say(f"left out: {message}")
        if dataset.short_clips:
            say(
                f"clips shorter than {settings.frames} frames, sampled with repeats: "
                f"{len(dataset.short_clips)}, such as {dataset.short_clips[0]}"
            )
    return dataset


def _say_of_held_out(data: Path, val: dict[str, list[Clip]], clips: list[Clip]) -> None:
    """Warn where Kendall's tau on the held-out clips is not measured or means nothing."""
    paths = [clip.path for members in val.values() for clip in members]
    if not paths:
        say(f"{data} has no val: Kendall's tau is not measured")
    if copies := list(find_copies(paths, [clip.path for clip in clips])):
        first, other = copies[0]
        say(
            f"{len(copies)} of {len(paths)} held-out clips are copies of training clips, such "
            f"as {first} as {other}: Kendall's tau on them says nothing about other videos"
        )


def _render(data: Path, seed: int) -> None:
    from tacref.data.synthetic import make_dataset

    say(f"rendering the built-in activity to {data}")
    make_dataset(data, seed=seed, progress=True)
