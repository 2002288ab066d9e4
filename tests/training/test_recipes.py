"""Recipes: what comes with the package is valid, and a wrong key is named."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tacref.commands import main
from tacref.encoder import ENCODERS
from tacref.training import Settings
from tacref.training.optimizer import lr_factor
from tacref.training.recipe import (
    merge,
    nearest,
    read_recipe,
    shipped_recipes,
    split_keys,
)
from tacref.training.settings import SETTINGS
from tacref.variants import VARIANTS
from tests.training.training_data import OPTIONS


def test_shipped_recipes_are_whole():
    assert shipped_recipes() == sorted(kind.recipe for kind in ENCODERS.values())
    for encoder, kind in ENCODERS.items():
        recipe = read_recipe(kind.recipe)
        assert recipe["encoder"] == encoder
        settings, beside = split_keys(recipe)
        assert Settings(**settings).variant == "official"
        assert set(beside) <= {"encoder", "offsets", "size", "dim"}


def test_the_papers_setting():
    # From the authors' code, as docs/equations.md and the design quote it.
    recipe = read_recipe("paper")
    wanted = {
        "encoder": "resnet50", "offsets": (-15, 0), "size": 224, "dim": 128, "frames": 20,
        "pairs": 1, "gamma": 0.1, "alpha": 0.5, "sigma": 10.0, "margin": 2.0, "lr": 1e-4,
        "weight_decay": 1e-5, "optimizer": "adam", "variant": "official",
    }  # fmt: skip
    assert {key: recipe[key] for key in wanted} == wanted


def test_a_variant_brings_its_own_weight_and_window():
    recipe = read_recipe("paper")
    settings, _ = split_keys(merge(recipe, {"variant": "paper"}))
    made = Settings(**settings)
    assert (made.alpha, made.sigma, made.margin) == VARIANTS["paper"].defaults
    assert merge(recipe, {"variant": "paper", "alpha": 0.3})["alpha"] == 0.3
    assert merge(recipe, {"variant": "official"})["sigma"] == 10.0


def test_another_encoder_does_not_take_over_two_views():
    recipe = read_recipe("activity")
    assert recipe["view_weight"] > 0
    assert "view_weight" not in merge(recipe, {"encoder": "resnet50"})
    assert merge(recipe, {"encoder": "resnet50", "view_weight": 2.0})["view_weight"] == 2.0
    assert "noise" not in merge({"encoder": "features", "noise": 0.1}, {"encoder": "small"})


def test_the_config_of_a_run_older_than_a_setting(sequences, tmp_path):
    """What it does not say is what it did, not what a recipe says today."""
    made = tmp_path / "run"
    given = ["train", "--data", str(sequences), "--out", str(made), *OPTIONS]
    assert main(given) == 0
    config = json.loads((made / "config.json").read_text())
    for key in ("view_weight", "view_sigma"):
        del config["training"][key]
    old = tmp_path / "old.json"
    old.write_text(json.dumps(config))
    recipe = merge(read_recipe("activity"), read_recipe(old))
    assert (recipe["view_weight"], recipe["view_sigma"]) == (0.0, 1.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate = 1", "unknown key 'learning_rate'"),
        ("weight-decay = 1", "unknown key 'weight-decay'; did you mean 'weight_decay'?"),
        ("gama = 0.1", "unknown key 'gama'; did you mean 'gamma'?"),
        ("steps = 'many'", "steps must be a whole number, got 'many'"),
        ("steps = 1.5", "steps must be a whole number, got 1.5"),
        ("steps = true", "steps must be a whole number, got True"),
        ("lr = '1e-3'", "lr must be a number, got '1e-3'"),
        ("augment = 1", "augment must be true or false, got 1"),
        ("offsets = [0.5]", "offsets must be a list of whole numbers, got [0.5]"),
        (
            "encoder = 'tiny'",
            "encoder must be one of small, resnet50, features, frozen, got 'tiny'",
        ),
        ("[loss]\ngamma = 1", "[loss] is a table"),
        ("steps = ", "mine.toml: not TOML"),
        ("lr = -1.0", "lr must be > 0"),
        (f"lr = 1{'0' * 400}", "lr must be > 0 and <= 1000, got inf"),
        ("alpha = inf", "alpha must be finite"),
        ("loss = 'lva'", "loss must be one of lav, divergence, tcc, lav+tcc, got 'lva'"),
        ("precision = 'half'", "precision must be one of full, bf16, fp16, got 'half'"),
        ("optimizer = 'sgd'", "optimizer must be one of adam, adamw, got 'sgd'"),
        ("schedule = 'step'", "schedule must be one of cosine, constant, got 'step'"),
        ("on_bad_video = 'ask'", "on_bad_video must be one of fail, skip, got 'ask'"),
        ("accumulate = 3", "pairs must be a multiple of accumulate = 3, got 4"),
        ("warmup = 5\nsteps = 5", "warmup must be < steps = 5, got 5"),
        ("seed = 9223372036854775808", "seed must be <= 9223372036854775807"),
        ("workers = -1", "workers must be >= 0, got -1"),
        ("clip_norm = nan", "clip_norm must be finite and >= 0, got nan"),
        ("save_minutes = 0", "save_minutes must be finite and > 0, got 0.0"),
        ("freeze_backbone = true", "have no effect on the 'features' encoder"),
        ("freeze_backbone = true\nbackbone_lr = 1.0", "has no effect on a backbone"),
    ],
)
def test_wrong_recipes_stop_before_the_first_step(sequences, tmp_path, capsys, text, message):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(text)
    out = tmp_path / "run"
    options = ["--data", str(sequences), "--out", str(out), "--recipe", str(recipe)]
    given = [option for option in OPTIONS if "steps" not in option]
    assert main(["train", *options, *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("r.toml", b"a = " + b"[" * 5000, "nested too deeply"),
        ("r.json", b"[" * 100_000, "nested too deeply"),
        ("r.toml", b"lr = 1\xff", "not text in UTF-8 (byte 6 is 0xff)"),
        ("r.json", b'{"encoder": "\xff"}', "not text in UTF-8 (byte 13 is 0xff)"),
        ("r.json", b"{} and more", "not JSON (Extra data"),
        ("r.json", b"9" * 5000, "not JSON (Exceeds the limit"),
        ("r.json", b"{}", "not the config.json of a training run"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / name}: {message}")):
        read_recipe(tmp_path / name)


EXTREMES = ["1e-320", "1e308", "-1e308", "9223372036854775808", "-9223372036854775808", "-0.0",
            "nan", "inf", "-inf", "9" * 5000]  # fmt: skip
NUMBERS = [name for name, key in SETTINGS.items() if key.kind in (int, float)]


@pytest.mark.parametrize("name", [*NUMBERS, "size", "dim", "offsets"])
def test_extreme_numbers_are_refused_by_name_or_right(
    sequences_without_val, tmp_path, monkeypatch, capsys, name
):
    monkeypatch.chdir(tmp_path)
    given = ["--data", str(sequences_without_val), "--offsets=0,1", "--dim", "4", "--frames", "3"]
    given += ["--pairs", "1", "--device", "cpu", "--steps", "1"]
    option = f"--{name.replace('_', '-')}"
    for number, value in enumerate(EXTREMES):
        status = main(["train", *given, "--out", f"run{number}", f"{option}={value}"])
        error = capsys.readouterr().err.splitlines()[-1]
        if status:
            assert status == 2
            assert name in error or option in error, error
        else:
            weights = load_file(f"run{number}/encoder.safetensors").values()
            assert all(bool(torch.isfinite(weight).all()) for weight in weights)


def test_missing_recipe(tmp_path, capsys):
    assert main(["train", "--recipe", "papr", "--out", str(tmp_path / "run")]) == 2
    assert "papr: no such recipe file, and none of the recipes" in capsys.readouterr().err


def test_a_folder_called_as_a_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features").mkdir()
    assert read_recipe("features")["encoder"] == "features"


def test_whole_numbers_of_numpy():
    settings = Settings(steps=np.int64(3), lr=np.float32(0.5), pairs=np.int32(2))
    assert json.loads(json.dumps(settings.to_json()))["steps"] == 3


def test_not_a_run(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"lr": 1}))
    with pytest.raises(ValueError, match=r"not the config\.json of a training run"):
        read_recipe(path)


def test_a_recipe_and_options_reach_the_run(sequences, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("lr = 0.02\nsteps = 2\ngamma = 0.3\nloss = 'lav+tcc'\ntcc_weight = 0.5\n")
    run = tmp_path / "run"
    options = ["--data", str(sequences), "--out", str(run), "--recipe", str(recipe)]
    assert main(["train", *options, *OPTIONS, "--gamma", "0.4"]) == 0
    training = json.loads((run / "config.json").read_text())["training"]
    assert (training["lr"], training["gamma"], training["loss"]) == (0.02, 0.4, "lav+tcc")
    line = json.loads((run / "metrics.jsonl").read_text().splitlines()[1])
    total = line["alignment"] + 0.5 * line["regularizer"] + 0.5 * line["tcc"]
    assert line["loss"] == pytest.approx(total, rel=1e-5)


def test_nearest():
    assert nearest("evaluate_evry", ["evaluate_every", "save_every"]) == "evaluate_every"
    assert nearest("xyz", ["lr"]) is None


def test_schedules():
    cosine = Settings(steps=10, lr=1.0, pairs=1, warmup=4)
    factors = [lr_factor(step, cosine) for step in range(10)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[7] == pytest.approx(0.5)
    assert factors == sorted(factors[:5]) + sorted(factors[5:], reverse=True)
    constant = Settings(steps=10, lr=1.0, pairs=1, schedule="constant")
    assert {lr_factor(step, constant) for step in range(10)} == {1.0}
