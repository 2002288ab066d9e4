"""Recipes: a file of settings, by name or path, and how the command line changes it."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from tacref.text_files import read_json, read_toml
from tacref.training.option import check_type
from tacref.training.settings import SETTING_DEFAULTS, SETTINGS, Settings
from tacref.training.task import BACKBONE_KEYS, KEYS, TASK
from tacref.variants import Regularization

# Keys that are not taken over from a recipe of another encoder.
_OF_ENCODER = ("offsets", "size", "view_weight", "noise", *BACKBONE_KEYS)


def read_recipe(name: str | Path) -> dict[str, Any]:
    """Read a recipe.

    Parameters
    ----------
    name : str or Path
        A recipe that comes with the package, a TOML file, or a run's `config.json`, which
        has the settings of that run.

    Returns
    -------
    dict
        Keys of `KEYS` and their values, in the right types.

    Raises
    ------
    FileNotFoundError
        If there is no such recipe.
    ValueError
        If it cannot be read, or a key is unknown or of the wrong type.
    """
    path = Path(name)
    try:
        if str(name) in shipped_recipes():  # also if a folder has that name
            shipped = resources.files("tacref.recipes") / f"{name}.toml"
            return check_keys(tomllib.loads(shipped.read_text("utf-8")))
        if path.is_dir():
            from tacref.encoder.storage import CONFIG  # loads torch

            path = path / CONFIG
        is_config = path.suffix == ".json"
        values = read_json(path) if is_config else read_toml(path)
    except FileNotFoundError:
        known = ", ".join(shipped_recipes())
        raise FileNotFoundError(
            f"{name}: no such recipe file, and none of the recipes {known}"
        ) from None
    try:
        keys = check_keys(_of_run(values) if is_config else values)
        if is_config:
            Settings(**split_keys(keys)[0])
        return keys
    except RecursionError:  # in printing a value
        raise ValueError(f"{name}: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that come with the package."""
    files = resources.files("tacref.recipes").iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".toml"))


def check_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """Check the keys of a recipe and the types of their values.

    Raises
    ------
    ValueError
        If a key is unknown (names the one that was probably meant), or a value has another type.
    """
    checked = {}
    for key, value in values.items():
        if key not in KEYS:
            hint = nearest(key.replace("-", "_"), KEYS)
            raise ValueError(f"unknown key {key!r}" + (f"; did you mean {hint!r}?" if hint else ""))
        if isinstance(value, dict):
            raise ValueError(f"[{key}] is a table; a recipe has plain keys, such as lr = 1e-3")
        if value is not None or KEYS[key].default is not None:
            value = check_type(key, value, KEYS[key].kind)
        checked[key] = value
    if "encoder" in checked:
        KEYS["encoder"].check(checked["encoder"])
    return checked


def merge(recipe: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe as the command line changes it.

    Another variant of Contrastive-IDM has its own weight, window and margin, unless the options set
    them: those of one variant make no sense in another.
    """
    merged = dict(recipe)
    if options.get("variant", merged.get("variant")) != merged.get("variant"):
        for key in Regularization._fields:
            merged.pop(key, None)
    if options.get("encoder", merged.get("encoder")) != merged.get("encoder"):
        for key in _OF_ENCODER:
            merged.pop(key, None)
    return merged | dict(options)


def combine(
    encoder: str,
    *,
    encoder_recipe: Mapping[str, Any],
    recipe: Mapping[str, Any],
    saved: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the keys of a run, combined from all sources.

    The command line comes first, then the keys of the run that is resumed. In a new run, a recipe
    comes second and the encoder's own recipe last.

    Parameters
    ----------
    encoder : str
        The encoder of this run.
    encoder_recipe : mapping
        The recipe of that encoder.
    recipe : mapping
        The recipe that the user chose; empty without one.
    saved : mapping, optional
        The keys of the run that is resumed; neither recipe counts then.
    options : mapping
        The keys that the command line gives.
    """
    before = merge(encoder_recipe, recipe) if saved is None else saved
    return merge(before, {**options, "encoder": encoder})


def split_keys(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the keys of `Settings`, and those of `Task`."""
    settings = {key: value for key, value in values.items() if key in SETTINGS}
    return settings, {key: value for key, value in values.items() if key in TASK}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, if one is similar."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def _of_run(config: Any) -> dict[str, Any]:
    """Turn a run's config.json into a recipe."""
    try:
        encoder, settings = dict(config["encoder"]), SETTING_DEFAULTS | dict(config["training"])
        values = settings | {
            "encoder": encoder["name"],
            "offsets": encoder["offsets"],
            "size": encoder["size"],
            "dim": encoder["dim"],
            "data": config["data"],
            "weights": config["weights"],
        }
        if "backbone" in encoder:
            kept = {name: config[name] for name in BACKBONE_KEYS if name in config}
            output, grid = encoder["backbone"]["output"], encoder["backbone"]["grid"]
            values |= kept | {"backbone_output": output, "backbone_grid": grid, "size": None}
    except (KeyError, TypeError, ValueError):
        raise ValueError("not the config.json of a training run") from None
    # None or 0: a weight file, the size of feature arrays or the data folder that was not given.
    return {key: values[key] for key in values if key in SETTINGS or values[key] not in (None, 0)}
