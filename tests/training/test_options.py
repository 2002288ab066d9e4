"""Options are declared once: the command, the recipes and the table of the docs follow."""

import re
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from tacref.commands.train import make_parser
from tacref.losses import LOSSES
from tacref.training import Settings
from tacref.training.recipe import check_keys, combine
from tacref.training.settings import GROUPS, SETTINGS
from tacref.training.task import KEYS, MAY_CHANGE
from tacref.variants import VARIANTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"


def in_order_of_groups():
    return [key for group in GROUPS for key in KEYS.values() if key.option.group == group.name]


def markdown_table(keys):
    """Return the table of options in docs/training.md."""
    lines = ["| option | default | values | what it does |", "|---|---|---|---|"]
    for key in keys:
        flag = key.flag if key.kind is bool else f"{key.flag} {key.metavar}"
        bounds = "yes, no" if key.kind is bool else ", ".join(b.words for b in key.option.bounds)
        cells = (f"`{flag}`", key.default_words, bounds, key.option.help)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def test_the_page_has_the_declared_options():
    (section,) = re.findall(r"^## Options\n(.*?)^## ", PAGE.read_text("utf-8"), re.M | re.S)
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    assert table == markdown_table(in_order_of_groups())


def test_every_key_is_an_option_and_a_key_of_a_recipe():
    assert len(in_order_of_groups()) == len(KEYS)
    values = {
        bool: (False, "--no-{}", []), int: (7, "--{}", ["7"]), float: (0.5, "--{}", ["0.5"]),
        str: ("features", "--{}", ["features"]), tuple[int, ...]: ((-1, 0), "--{}=-1,0", []),
    }  # fmt: skip
    for name, key in KEYS.items():
        value, flag, rest = values[key.kind]
        arguments = [flag.format(name.replace("_", "-")), *rest]
        assert vars(make_parser().parse_args(arguments)) == {name: value}
        assert check_keys({name: value}) == {name: value}


def test_defaults_are_within_bounds():
    for key in KEYS.values():
        if key.default not in (None, MISSING):
            key.check(key.default)
    assert set(SETTINGS) == {field.name for field in fields(Settings)}


def test_help_names_all_choices():
    assert all(loss in KEYS["loss"].option.help for loss in LOSSES)
    assert all(variant in KEYS["variant"].option.help for variant in VARIANTS)


def test_what_may_change_in_a_run_that_is_resumed():
    assert {
        "compile", "data", "device", "evaluate_every", "feature_cache", "feature_cache_gb", "keep",
        "on_bad_video", "save_every", "save_minutes", "workers",
    } == MAY_CHANGE  # fmt: skip


def test_help_loads_no_torch():
    code = (
        "import sys; from tacref.commands.train import make_parser; make_parser().format_help()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


OWN = {"encoder": "small", "lr": 1.0, "steps": 10, "variant": "official", "alpha": 0.1}


@pytest.mark.parametrize(
    ("recipe", "saved", "options", "chosen"),
    [
        ({}, None, {}, OWN),
        ({"lr": 2.0}, None, {}, OWN | {"lr": 2.0}),
        ({"lr": 2.0}, None, {"lr": 3.0}, OWN | {"lr": 3.0}),
        ({}, None, {"lr": 3.0, "data": "d"}, OWN | {"lr": 3.0, "data": "d"}),
        # A run that is resumed: no recipe counts, what may change is the command line's.
        ({"lr": 2.0}, {"lr": 4.0}, {}, {"encoder": "small", "lr": 4.0}),
        ({}, {"lr": 4.0, "keep": 2}, {"keep": 5}, {"encoder": "small", "lr": 4.0, "keep": 5}),
        # Another variant brings its own weight, unless that is given with it.
        (
            {"variant": "paper"}, None, {},
            {"encoder": "small", "lr": 1.0, "steps": 10, "variant": "paper"},
        ),
        ({"variant": "paper", "alpha": 0.3}, None, {}, OWN | {"variant": "paper", "alpha": 0.3}),
        ({"alpha": 0.3}, None, {"variant": "official"}, OWN | {"alpha": 0.3}),
        # A recipe for another encoder: its context, size and views are not this one's.
        (
            {"encoder": "resnet50", "size": 224, "offsets": (0,), "view_weight": 1.0, "lr": 2.0},
            None,
            {},
            OWN | {"lr": 2.0},
        ),
    ],
)  # fmt: skip
def test_who_has_the_last_word(recipe, saved, options, chosen):
    keys = combine("small", encoder_recipe=OWN, recipe=recipe, saved=saved, options=options)
    assert keys == chosen
