"""Commands on clips that are archives of features and times."""

import csv
import json

import numpy as np
import pytest

from tacref.commands import main
from tacref.encoder import EncoderConfig, build_encoder, save_encoder
from tests.training.training_data import OPTIONS

HEADER = "video,start_seconds,end_seconds,phase\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = EncoderConfig.default("features", channels=4, offsets=(0,), dim=8)
    save_encoder(build_encoder(config), folder)
    return str(folder)


def save(path, rows, times=None):
    arrays = {"features": rows} if times is None else {"features": rows, "times": times}
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture
def clips(tmp_path):
    """A clip at 10 frames a second, and every second frame of it."""
    rows = np.random.default_rng(0).normal(size=(20, 4))
    folder = tmp_path / "clips"
    folder.mkdir()
    slow = save(folder / "slow.npz", rows, 3 + np.arange(20) / 10)
    return folder, slow, save(folder / "fast.npz", rows[::2], np.arange(10) / 2)


def test_align_takes_seconds_from_the_archives(run, clips, tmp_path, capsys):
    folder, slow, fast = clips
    (folder / "l.csv").write_text(HEADER + "slow.npz,3,4,down\nslow.npz,4,9,up\n", "utf-8")
    out = tmp_path / "out"
    align = ["align", slow, fast, "--encoder", run]
    assert main([*align, "-o", str(out), "--phases", str(folder / "l.csv")]) == 0
    lines = (out / "alignment.csv").read_text("utf-8").splitlines()
    for row in csv.DictReader(lines):
        assert float(row["reference_time"]) == pytest.approx(3 + int(row["reference_frame"]) / 10)
        assert float(row["time"]) == pytest.approx(int(row["frame"]) / 2)
    assert (out / "phases.csv").read_text("utf-8").splitlines()[1:] == [
        "slow.npz,0,10,down", "slow.npz,10,20,up", "fast.npz,0,5,down", "fast.npz,5,10,up",
    ]  # fmt: skip
    capsys.readouterr()
    # At 25 frames a second, a frame would take 0.04 s.
    assert main([*align, "-o", str(tmp_path / "b"), "--band", "0.05s"]) == 2
    assert "--band must be at least a frame" in capsys.readouterr().err
    assert main([*align, "-o", str(tmp_path / "b"), "--band", "1s"]) == 0


def test_embed_and_its_output_next_to_the_clips(run, clips, tmp_path, capsys):
    folder = clips[0]
    out = tmp_path / "out"
    assert main(["embed", run, str(folder), "-o", str(out)]) == 0
    with np.load(out / "slow.npz") as saved:
        np.testing.assert_allclose(saved["timestamps"], 3 + np.arange(20) / 10)
    content = (folder / "slow.npz").read_bytes()
    for more in ((), ("--skip-existing",)):
        assert main(["embed", run, str(folder), "-o", str(folder), *more]) == 2
        error = f"{folder / 'fast.npz'}: is a clip, which its embeddings would replace"
        assert error in capsys.readouterr().err
    assert (folder / "slow.npz").read_bytes() == content
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    np.save(arrays / "a.npy", np.zeros((5, 4)))
    for more in ((), ("--skip-existing",)):  # what was written is no clip of the folder
        assert main(["embed", run, str(arrays), "-o", str(arrays), *more]) == 0
    assert sorted(path.name for path in arrays.iterdir()) == ["a.npy", "a.npz"]


def test_follow(run, clips, capsys):
    _, slow, fast = clips
    for encoder in ((), ("--encoder", run)):
        assert main(["follow", fast, "--reference", slow, *encoder, "--json"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["time"] for line in lines] == [0.5 * number for number in range(10)]
        for line in lines:
            assert line["reference_time"] == pytest.approx(3 + line["reference_frame"] / 10)


def test_train_and_evaluate(tmp_path, capsys):
    data, out = tmp_path / "data", tmp_path / "run"
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        (data / split).mkdir(parents=True)
        lines = []
        for number in range(3):
            rows = np.linspace(0, 1, 20)[:, None] + 0.1 * rng.normal(size=(20, 4))
            save(data / split / f"{number}.npz", rows, np.arange(20.0))
            lines += [f"{number}.npz,0,10,down\n", f"{number}.npz,10,20,up\n"]
        (data / split / "phases.csv").write_text(HEADER + "".join(lines), "utf-8")
    train = ["train", "--recipe", "features", "--data", str(data), *OPTIONS, "--steps", "2"]
    assert main([*train, "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(out), "--data", str(data), "--no-baselines", "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]["trained"]
    assert "phase_progression" in metrics  # in seconds, at 25 frames a second all would be "down"
    save(data / "train" / "3.npz", np.zeros((20, 4)), np.zeros(20))
    assert main([*train, "--out", str(tmp_path / "other")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"{data / 'train' / '3.npz'}: times must be finite seconds, each later" in error
    assert not (tmp_path / "other").exists()
    skipping = [*train, "--out", str(tmp_path / "other"), "--on-bad-video", "skip"]
    assert main(skipping) == 0
    assert "left out: " in capsys.readouterr().err
