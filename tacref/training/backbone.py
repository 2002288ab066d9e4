"""Which frozen backbone a run is built upon: from its options, or from the run that goes on."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tacref.data.feature_cache import FeatureCache
from tacref.encoder import EncoderConfig
from tacref.encoder.frozen.config import BackboneConfig
from tacref.encoder.frozen.model import BackboneFile
from tacref.encoder.frozen.runner import BackboneRunner
from tacref.encoder.storage import BACKBONE, CONFIG, read_config
from tacref.training.task import BACKBONE_KEYS, KEYS, Task
from tacref.user_folders import default_cache_folder


@dataclass(frozen=True)
class BackboneChoice:
    """A frozen backbone, and where its features are kept.

    Parameters
    ----------
    file : BackboneFile
        The backbone.
    runner : BackboneRunner
        A session of it.
    config : BackboneConfig
        What is taken from it.
    cache : FeatureCache
        For its features.
    views : int
        Augmented views of each training clip, in addition to the clip itself.
    notes : dict
        JSON values for the run's config.json: the options that repeat the choice.
    """

    file: BackboneFile
    runner: BackboneRunner
    config: BackboneConfig
    cache: FeatureCache
    views: int
    notes: dict[str, Any]


def choose_backbone(task: Mapping[str, Any], resumed: Path | None) -> BackboneChoice:
    """Read and check a backbone.

    Parameters
    ----------
    task : mapping
        Keys of `Task`.
    resumed : Path, optional
        Folder of the run that is resumed, which holds its backbone.

    Raises
    ------
    FileNotFoundError, ValueError
        If something is missing or does not fit.
    """
    values = {name: task.get(name, getattr(Task, name)) for name in BACKBONE_KEYS}
    for name, value in values.items():
        if value is not None:
            KEYS[name].check(value)
    notes = {
        "backbone": _absolute(values["backbone"]),
        "backbone_preprocess": _absolute(values["backbone_preprocess"]),
        "backbone_views": values["backbone_views"],
        "feature_cache": _absolute(values["feature_cache"]),
        "feature_cache_gb": values["feature_cache_gb"],
    }
    folder = Path(values["feature_cache"] or default_cache_folder())
    for existing in (folder, *folder.parents):
        if existing.exists() and not existing.is_dir():
            raise ValueError(f"feature_cache {str(folder)!r}: {existing} is a file")
    cache = FeatureCache(folder, int(values["feature_cache_gb"] * 1e9))
    if resumed is not None:
        file, config = _of_run(resumed)
        runner = file.open(config.output)
    else:
        if values["backbone"] is None:
            raise ValueError("encoder 'frozen' needs a backbone: --backbone FILE.onnx")
        file = BackboneFile(values["backbone"])
        config, runner = file.configure(
            output=values["backbone_output"],
            preprocess=values["backbone_preprocess"],
            grid=values["backbone_grid"],
        )
    return BackboneChoice(file, runner, config, cache, values["backbone_views"], notes)


def refuse_backbone(encoder: str, options: Mapping[str, Any]) -> None:
    """Refuse options of a backbone with an encoder that is not built upon one.

    Raises
    ------
    ValueError
        If there is one; names it.
    """
    for name in BACKBONE_KEYS:
        if options.get(name) is not None:
            raise ValueError(f"{KEYS[name].flag} is for the frozen encoder, not for {encoder!r}")


def _of_run(run: Path) -> tuple[BackboneFile, BackboneConfig]:
    try:
        config = EncoderConfig.from_json(read_config(run)["encoder"]).backbone
    except ValueError as error:
        raise ValueError(f"{run / CONFIG}: {error}") from None
    assert config is not None
    file = BackboneFile(run / BACKBONE)
    if file.sha256 != config.sha256:
        raise ValueError(f"{file.path}: another backbone than the run began with, or changed")
    return file, config


def _absolute(path: str | None) -> str | None:
    return None if path is None else os.path.abspath(path)
