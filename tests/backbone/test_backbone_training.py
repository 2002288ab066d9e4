"""`tacref train --backbone`, and what becomes of the run."""

import json
import re
import shutil

import numpy as np
import pytest

from tacref.commands import main
from tacref.encoder import load_encoder
from tacref.encoder.frozen.runner import BackboneRunner
from tests.backbone.models import map_model, text_model, token_model, vector_model


@pytest.fixture
def train(tmp_path, data):
    """Return a function that trains for a few steps, and its options."""

    def run(out, *options, steps=2):
        arguments = ["--feature-cache", str(tmp_path / "cache"), "--out", str(tmp_path / out)]
        if "--data" not in options:
            arguments += ["--data", str(data)]
        how = ["--frames", "6", "--pairs", "2", "--backbone-views", "2", "--save-every", "1"]
        return main(["train", *arguments, *how, "--steps", str(steps), *options])

    return run


def losses(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_a_second_run_does_not_run_the_backbone(tmp_path, train, capsys, monkeypatch):
    model = str(map_model(tmp_path / "b.onnx"))
    assert train("one", "--backbone", model) == 0
    said = capsys.readouterr().err
    assert re.search(
        r"features of 5 clips, 11 with their views: 11 computed in \d+ s, 0 from", said
    )

    calls = []
    run = BackboneRunner.run
    monkeypatch.setattr(BackboneRunner, "run", lambda self, x: calls.append(len(x)) or run(self, x))
    assert train("two", "--backbone", model) == 0
    assert "0 computed in 0 s, 11 from the cache" in capsys.readouterr().err
    assert calls == [2]  # the two pictures that tell the shape of the output
    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    first, second = (load_encoder(tmp_path / name) for name in ("one", "two"))
    frames = np.zeros((3, 40, 40, 3), np.uint8)
    np.testing.assert_array_equal(first.embed(frames), second.embed(frames))


def test_what_was_computed_before_an_end_is_kept(tmp_path, train, capsys):
    model = str(map_model(tmp_path / "b.onnx"))
    assert train("one", "--backbone", model) == 0
    removed = sorted((tmp_path / "cache").glob("??/*.npy"))[:3]
    for path in removed:
        path.unlink()
    capsys.readouterr()
    assert train("two", "--backbone", model) == 0
    assert "3 computed" in capsys.readouterr().err
    assert losses(tmp_path / "one") == losses(tmp_path / "two")


def test_another_backbone_does_not_take_these_features(tmp_path, train, capsys):
    assert train("one", "--backbone", str(map_model(tmp_path / "b.onnx"))) == 0
    assert train("two", "--backbone", str(map_model(tmp_path / "b.onnx", channels=6))) == 0
    assert train("three", "--backbone", str(tmp_path / "b.onnx"), "--backbone-grid", "2") == 0
    assert capsys.readouterr().err.count(" 0 from the cache") == 3


def test_a_run_goes_on_with_its_own_backbone(tmp_path, train, capsys):
    model = token_model(tmp_path / "b.onnx")
    options = ("--backbone", str(model), "--backbone-grid", "2", "--keep", "9")
    assert train("whole", *options, steps=4) == 0
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert json.loads((whole / "config.json").read_text())["encoder"]["backbone"]["grid"] == 2
    shutil.copytree(whole, cut)
    for number in (3, 4):
        (cut / "checkpoints" / f"step-{number:06d}.pt").unlink()
    vector_model(model)  # the user's file is another one by now
    assert main(["train", "--resume", str(cut)]) == 0
    hashes = [
        json.loads((run / "config.json").read_text())["weights_sha256"] for run in (whole, cut)
    ]
    assert hashes[0] == hashes[1]
    vector_model(cut / "backbone.onnx")
    assert main(["train", "--resume", str(cut)]) == 2
    assert "another backbone than the run began with, or changed" in capsys.readouterr().err


def test_the_backbone_of_a_run_cannot_change(tmp_path, train, capsys, monkeypatch):
    model = token_model(tmp_path / "b.onnx")
    (tmp_path / "p.toml").write_text("size = 32\n", "utf-8")
    assert train("run", "--backbone", str(model)) == 0
    run = tmp_path / "run"
    for option, value, before, now in (
        ("--backbone", str(tmp_path / "c.onnx"), str(model), str(tmp_path / "c.onnx")),
        ("--backbone-output", "placed", "y", "placed"),
        ("--backbone-preprocess", str(tmp_path / "p.toml"), None, str(tmp_path / "p.toml")),
        ("--backbone-grid", "3", 4, 3),
        ("--backbone-views", "5", 2, 5),
        ("--weights", str(tmp_path / "w.pth"), None, str(tmp_path / "w.pth")),
    ):
        capsys.readouterr()
        assert main(["train", "--resume", str(run), option, value]) == 2
        name = option[2:].replace("-", "_")
        said = (
            f"{name} cannot change when a run is resumed: it is {before!r} in {run / 'config.json'}"
        )
        assert f"{said}, got {now!r}\n" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--resume", str(run), "--backbone", "b.onnx"]) == 0  # the same file


def test_a_run_is_repeated_from_its_config(tmp_path, train):
    model = str(token_model(tmp_path / "b.onnx"))
    assert train("one", "--backbone", model, "--backbone-grid", "2") == 0
    assert main(
        ["train", "--recipe", str(tmp_path / "one"), "--out", str(tmp_path / "two")]
    ) == 0  # fmt: skip
    assert losses(tmp_path / "one") == losses(tmp_path / "two")


def test_workers_and_one_view_and_no_augmentation(tmp_path, train):
    model = str(vector_model(tmp_path / "b.onnx"))
    assert train("one", "--backbone", model) == 0
    assert train("two", "--backbone", model, "--workers", "1") == 0
    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    assert train("three", "--backbone", model, "--view-weight", "0") == 0
    assert train("four", "--backbone", model, "--no-augment") == 0
    assert train("five", "--backbone", model, "--backbone-views", "0") == 0


def test_a_damaged_clip_is_left_out_where_that_is_asked(tmp_path, train, data, capsys):
    folder = tmp_path / "damaged"
    shutil.copytree(data, folder)
    (folder / "train" / "broken").mkdir()
    (folder / "train" / "broken" / "1.png").write_bytes(b"no picture")
    model = str(vector_model(tmp_path / "b.onnx"))
    assert train("one", "--backbone", model, "--data", str(folder)) == 2
    assert "1.png: not a picture" in capsys.readouterr().err
    assert not (tmp_path / "one").exists()
    skip = ("--on-bad-video", "skip")
    assert train("two", "--backbone", model, "--data", str(folder), *skip) == 0
    assert "1.png: not a picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoder", "frozen"], "encoder 'frozen' needs a backbone: --backbone FILE.onnx"),
        (["--encoder", "small", "--backbone", "{}"], "--backbone is for the frozen encoder"),
        (["--backbone-grid", "2"], "--backbone-grid is for the frozen encoder, not for 'small'"),
        (["--backbone", "{}", "--backbone-grid", "100"], "backbone_grid must be <= 64, got 100"),
        (["--backbone", "{}", "--size", "64"], "size must be that of the backbone's"),
        (["--backbone", "{}", "--backbone-output", "z"], "has no output 'z'"),
        (["--backbone", "{}", "--backbone-preprocess", "none.toml"], "none.toml"),
        (["--backbone", "none.onnx"], "none.onnx: no such ONNX file"),
        (["--backbone", "{}", "--feature-cache-gb", "1e-6"], "and feature_cache_gb allows 1e-06"),
        (["--backbone", "{}", "--feature-cache", "{}"], "b.onnx is a file"),
        (["--backbone", "{}", "--device", "cuda:77"], "'cuda:77': torch cannot compute on it here"),
        (["--backbone", "{}", "--weights", "w.pth"], "weights are for the resnet50 encoder"),
        (["--backbone", "{}", "--freeze-backbone"], "whose backbone has no weights"),
    ],
)
def test_bad_input_is_one_line(tmp_path, train, capsys, options, message):
    model = str(map_model(tmp_path / "b.onnx"))
    assert train("run", *(option.replace("{}", model) for option in options)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_a_text_model_is_refused(tmp_path, train, capsys):
    assert train("run", "--backbone", str(text_model(tmp_path / "t.onnx"))) == 2
    assert "not a picture model" in capsys.readouterr().err


def test_a_backbone_that_gives_no_numbers(tmp_path, train, capsys):
    model = vector_model(tmp_path / "b.onnx")
    import onnx

    broken = onnx.load(model)
    weight = broken.graph.initializer[0]
    weight.CopyFrom(
        onnx.numpy_helper.from_array(np.full((6, 3, 3, 3), np.inf, np.float32), weight.name)
    )
    onnx.save(broken, model)
    assert train("run", "--backbone", str(model)) == 2
    assert re.search(r"\.mp4: the backbone's frame 0: feature \d is .*, not finite",
                     capsys.readouterr().err)  # fmt: skip
