"""Training: a run that is whole at any time, learns, repeats, stops well, refuses bad input."""

import json
import os
import signal

import numpy as np
import pytest
import torch

from tacref.commands import main
from tacref.data import PairDataset, write_video
from tacref.encoder import load_encoder
from tacref.training import Settings


def feature_clip(rng):
    """A path through 4 of 24 dimensions, at a pace of its own; the others are noise."""
    length = int(rng.integers(30, 60))
    pace = np.cumsum(rng.uniform(0.2, 1.8, length))
    time = 3 * pace / pace[-1]
    rows = np.stack([np.sin(time * k + k) for k in range(1, 5)], 1)
    return np.hstack([rows, rng.normal(0, 1, (length, 20))]).astype(np.float32)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        (folder / split).mkdir()
        for index in range(count):
            np.save(folder / split / f"{index}.npy", feature_clip(rng))
    return folder


def metrics_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_learns_and_keeps_a_run(features, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = ["train", "--data", str(features), "--out", str(run), "--offsets=-2,0,2"]
    assert main([*arguments, "--steps", "60", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["steps"] == 60
    assert not result["interrupted"]
    assert result["tau_trained"]["all"] > 0.8 > result["tau_untrained"]["all"]
    assert {path.name for path in run.iterdir()} == {
        "checkpoints",
        "config.json",
        "encoder.safetensors",
        "metrics.jsonl",
    }
    records = metrics_of(run)
    steps = [record for record in records if "loss" in record]
    assert [record["step"] for record in steps] == list(range(1, 61))
    for record in steps:
        assert record["loss"] == pytest.approx(
            record["alignment"] + 0.5 * record["regularizer"], rel=1e-5
        )
    assert np.mean([r["loss"] for r in steps[-10:]]) < np.mean([r["loss"] for r in steps[:10]])
    assert [r["mean_tau"] for r in records if "tau" in r] == [
        result["tau_untrained"]["all"],
        result["tau_trained"]["all"],
    ]
    config = json.loads((run / "config.json").read_text())
    assert config["encoder"]["offsets"] == [-2, 0, 2]
    assert config["training"]["steps"] == 60
    encoder = load_encoder(run)
    assert encoder.config.channels == 24
    frames = np.concatenate([np.load(path) for path in sorted((features / "train").iterdir())])
    torch.testing.assert_close(encoder.preprocess.mean, torch.from_numpy(frames.mean(0)))


def test_same_seed_same_run(features, tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        out = str(tmp_path / name)
        options = ["--steps", "5", "--seed", str(seed)]
        assert main(["train", "--data", str(features), "--out", out, *options]) == 0
    one, two, three = (
        load_encoder(tmp_path / name).state_dict() for name in ("one", "two", "three")
    )
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], three[key]) for key in one)


def test_every_option_reaches_the_run(features, tmp_path):
    given = {
        "steps": 2, "pairs": 3, "frames": 7, "lr": 0.01, "weight_decay": 0.1, "gamma": 0.5,
        "alpha": 0.25, "sigma": 4.0, "margin": 1.5, "variant": "laser", "seed": 9, "device": "cpu",
    }  # fmt: skip
    options = [f"--{key.replace('_', '-')}={value}" for key, value in given.items()]
    run = tmp_path / "run"
    extra = ["--dim", "16"]
    assert main(["train", "--data", str(features), "--out", str(run), *options, *extra]) == 0
    config = json.loads((run / "config.json").read_text())
    assert {key: config["training"][key] for key in given} == given
    assert config["encoder"]["dim"] == 16


def test_first_interrupt_saves_and_leaves(features, tmp_path, capsys, monkeypatch):
    draw = PairDataset.batch

    def interrupted(self, step, **share):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return draw(self, step, **share)

    monkeypatch.setattr(PairDataset, "batch", interrupted)
    run = tmp_path / "run"
    before = signal.getsignal(signal.SIGINT)
    assert main(["train", "--data", str(features), "--out", str(run), "--steps", "50"]) == 130
    assert "4 steps" in capsys.readouterr().out
    assert metrics_of(run)[-1]["step"] == 4
    assert load_encoder(run).config.name == "features"
    assert signal.getsignal(signal.SIGINT) is before


def test_diverging_stops_with_the_last_good_encoder(features, tmp_path, capsys, monkeypatch):
    draw = PairDataset.batch

    def poisoned(self, step, **share):
        batch = draw(self, step, **share)
        if step == 2:
            batch.frames[:] = np.nan
        return batch

    monkeypatch.setattr(PairDataset, "batch", poisoned)
    run = tmp_path / "run"
    assert main(["train", "--data", str(features), "--out", str(run), "--steps", "50"]) == 1
    error = capsys.readouterr().err
    assert "loss is nan at step 3 on" in error
    assert ".npy" in error
    report = json.loads((run / "diverged.json").read_text())
    assert report["step"] == 3
    assert len(report["clips"]) == 8
    state = load_encoder(run).state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())


def test_weights_that_are_not_finite_are_never_saved(features, tmp_path, capsys, monkeypatch):
    step = torch.optim.Adam.step

    def ruined(self, *args, **kwargs):
        step(self, *args, **kwargs)
        with torch.no_grad():
            self.param_groups[0]["params"][0].fill_(torch.inf)

    monkeypatch.setattr(torch.optim.Adam, "step", ruined)
    run = tmp_path / "run"
    assert main(["train", "--data", str(features), "--out", str(run), "--steps", "1"]) == 1
    assert "is not finite at step 1" in capsys.readouterr().err
    state = load_encoder(run).state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())


def test_interrupt_before_the_first_step_leaves_nothing(
    small_activity, tmp_path, capsys, monkeypatch
):
    def interrupted(self, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(PairDataset, "check", interrupted)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--out", "run"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_val(features, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(features / "train")
    (tmp_path / "data" / "val").write_text("")
    run = tmp_path / "run"
    assert main(["train", "--data", str(tmp_path / "data"), "--out", str(run)]) == 2
    assert "no such split folder" in capsys.readouterr().err
    assert not run.exists()


def test_without_a_val_split(features, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(features / "train")
    arguments = ["train", "--data", str(tmp_path / "data"), "--steps", "2"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 0
    assert "has no val" in capsys.readouterr().err


def test_short_clips_are_said_once(features, tmp_path, capsys):
    arguments = ["train", "--data", str(features), "--out", str(tmp_path / "run")]
    assert main([*arguments, "--steps", "2", "--frames", "100"]) == 0
    assert capsys.readouterr().err.count("sampled with repeats") == 1


@pytest.mark.parametrize("name", ["small", "resnet50"])
def test_pictures(name, tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for clip in range(2):
            frames = rng.integers(0, 256, (12, 48, 36, 3), dtype=np.uint8)
            write_video(tmp_path / "data" / split / f"{clip}.mp4", frames)
    run = tmp_path / "run"
    options = ["--encoder", name, "--size", "32", "--steps", "2", "--pairs", "1", "--frames", "4"]
    options.append("--no-augment")
    assert main(["train", "--data", str(tmp_path / "data"), "--out", str(run), *options]) == 0
    assert load_encoder(run).config.size == 32
    assert json.loads((run / "config.json").read_text())["training"]["augment"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gamma", "0"], "gamma must be finite and > 0, got 0.0"),
        (["--gamma", "nan"], "gamma must be finite and > 0, got nan"),
        (["--alpha=-1"], "alpha must be finite and >= 0, got -1.0"),
        (["--sigma=-1"], "sigma must be finite and >= 0, got -1.0"),
        (["--margin", "0"], "margin must be finite and > 0, got 0.0"),
        (["--variant", "new"], "variant must be one of paper, official, printed, laser, got 'new'"),
        (["--lr", "0"], "lr must be > 0 and <= 1000, got 0.0"),
        (["--weight-decay=-1"], "weight_decay must be finite and >= 0, got -1.0"),
        (
            ["--encoder", "huge"],
            "encoder must be one of small, resnet50, features, frozen, got 'huge'",
        ),
        (["--encoder", "small"], "encoder 'small' does not take"),
        (["--offsets", "0,x"], "--offsets"),
        (["--offsets", "3,1"], "offsets must be distinct and rising"),
        (["--device", "warp"], "device 'warp'"),
        (["--weights", "none.pth"], "weights are for the resnet50 encoder"),
        (["--seed=-1"], "--seed: must be >= 0 and < 2**63, got -1"),
        (["--seed", str(2**63)], "--seed: must be >= 0 and < 2**63"),
        (["--lr", "1e38"], "lr must be > 0 and <= 1000, got 1e+38"),
        (["--frames", "100000000000"], "frames must be <= 100000"),
        (["--dim", "99999999999999999999"], "dim must be from 1 to 65536"),
        (["--offsets=-9000000000000000000,0"], "offsets must be within"),
        (["--device", "meta"], "device 'meta'"),
        (["--device", "cuda:99"], "device 'cuda:99'"),
        (["--size", "64"], "--size and --no-augment are for pictures"),
        (["--step", "3"], "unrecognized arguments: --step 3; did you mean --steps?"),
        (["--frames", "0"], "--frames: must be >= 1, got 0"),
        (["--data", "absent"], "absent: no such data set folder"),
    ],
)
def test_bad_options_leave_nothing(features, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--data", str(features), "--out", "run", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_output_folder_of_another_run(features, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = ["train", "--data", str(features), "--out", str(run), "--steps", "1"]
    assert main(arguments) == 0
    before = (run / "config.json").read_bytes()
    assert main(arguments) == 2
    assert "output folder is not empty" in capsys.readouterr().err
    assert (run / "config.json").read_bytes() == before


def test_damaged_clip_is_found_before_training(features, tmp_path, capsys):
    for split in ("train", "val"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for index in range(3):
            rows = np.load(features / "train" / f"{index}.npy")
            if (split, index) == ("val", 2):
                rows[4, 1] = np.nan
            np.save(tmp_path / "data" / split / f"{index}.npy", rows)
    run = tmp_path / "run"
    assert main(["train", "--data", str(tmp_path / "data"), "--out", str(run)]) == 2
    assert "2.npy: holds nan at frame 4, feature 1" in capsys.readouterr().err
    assert not run.exists()


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("9.npy,0,30,all", "line 2: no clip '9.npy'"),
        ("0.npy,0,20,a\n0.npy,18,30,b", "line 3: overlap in '0.npy'"),
        ("0.npy,0,20,a\n0.npy,22,31,b", "end at frame 31, but the clip has 30"),
    ],
)
def test_wrong_phases(tmp_path, capsys, split, rows, message):
    rng = np.random.default_rng(0)
    for folder in ("train", "val"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for index in range(2):
            np.save(tmp_path / "data" / folder / f"{index}.npy", rng.normal(size=(30, 3)))
    labels = tmp_path / "data" / split / "phases.csv"
    labels.write_text(f"video,start_frame,end_frame,phase\n{rows}\n")
    run = tmp_path / "run"
    assert main(["train", "--data", str(tmp_path / "data"), "--out", str(run)]) == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert f"{labels}: " in error
    assert message in error
    assert len(before) == (split == "val")  # which is first read when the run has begun
    assert not run.exists()


@pytest.mark.shared
def test_real_motion(shared_data, tmp_path, capsys):
    data = str(shared_data / "penn_pose" / "clean_and_jerk")
    arguments = ["train", "--data", data, "--out", str(tmp_path / "run"), "--steps", "100"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    # 0.63 and 0.80 as measured.
    assert result["tau_untrained"]["all"] < 0.7 < result["tau_trained"]["all"]


def test_settings_are_checked():
    with pytest.raises(ValueError, match="steps must be >= 1, got 0"):
        Settings(steps=0, lr=1e-3, pairs=1)
