"""What is no clip, cannot be read, or is held out in name only is said before training starts."""

import json
import shutil

import numpy as np
import pytest

from tacref.commands import main
from tacref.data.copies import find_copies
from tests.training.training_data import OPTIONS, losses_of, make_features

HEADER = "video,start_frame,end_frame,phase\n"


def train(data, run, *options):
    given = ["--data", data, "--out", run, *OPTIONS, "--steps", 2, *options]
    return main(["train", *map(str, given)])


def label(folder, *names):
    """Give clips one phase each; those that cannot be read have one, too."""
    rows = []
    for name in names:
        try:
            rows.append(f"{name},0,{len(np.load(folder / name))},all\n")
        except ValueError:
            rows.append(f"{name},0,9,all\n")
    (folder / "phases.csv").write_text(HEADER + "".join(rows))


@pytest.fixture
def data(tmp_path):
    """Return a data set with junk, a file that is no clip, and a cut clip in both splits."""
    data = make_features(tmp_path / "data", val=3)
    for split, cut in (("train", "5.npy"), ("val", "2.npy")):
        folder = data / split
        for junk in ("Thumbs.db", "desktop.ini", ".DS_Store"):
            (folder / junk).write_bytes(b"junk")
        (folder / "notes.pdf").write_bytes(b"%PDF")
        (folder / cut).write_bytes((folder / cut).read_bytes()[:-4])
        label(folder, "0.npy", cut)
    return data


def test_skip_covers_both_splits_and_their_labels(data, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(data, run, "--on-bad-video", "skip", "--json") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    for path, what in (
        ("train/notes.pdf", "not a clip"),
        ("val/notes.pdf", "not a clip"),
        ("train/5.npy", "not a plain .npy array, or cut off"),
        ("val/2.npy", "not a plain .npy array, or cut off"),
    ):
        assert err.count(f"left out: {data}/{path}: {what}") == 1
        assert sum(f"{data}/{path}: {what}" in message for message in result["skipped"]) == 1
    assert len(result["skipped"]) == 4
    assert "Thumbs.db" not in err
    assert result["tau_trained"].keys() == {"all"}
    assert list(losses_of(run)) == [1, 2]
    assert main(["train", "--resume", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == result["skipped"]


def test_fail_names_the_way_out(data, tmp_path, capsys):
    for split, name in (("train", "notes.pdf"), ("val", "notes.pdf")):
        assert train(data, tmp_path / "run") == 2
        error = capsys.readouterr().err
        assert f"{data / split / name}: not a clip" in error
        assert "; tacref train --on-bad-video skip leaves it out\n" in error
        (data / split / name).unlink()
    assert train(data, tmp_path / "run") == 2
    assert "5.npy: not a plain .npy array" in capsys.readouterr().err
    (data / "train" / "5.npy").unlink()
    assert train(data, tmp_path / "run") == 2
    assert "phases.csv: line 3: no clip '5.npy' in this folder" in capsys.readouterr().err
    label(data / "train", "0.npy")
    assert train(data, tmp_path / "run") == 2
    assert "2.npy: not a plain .npy array" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_labels_of_a_clip_that_is_nowhere_stay_an_error(data, tmp_path, capsys):
    label(data / "train", "0.npy")
    with (data / "train" / "phases.csv").open("a") as file:
        file.write("nowhere.npy,0,9,all\n")
    assert train(data, tmp_path / "run", "--on-bad-video", "skip") == 2
    assert "line 3: no clip 'nowhere.npy' in this folder" in capsys.readouterr().err


def test_too_few_held_out_clips_are_left(data, tmp_path, capsys):
    shutil.copy(data / "val" / "2.npy", data / "val" / "1.npy")
    run = tmp_path / "run"
    assert train(data, run, "--on-bad-video", "skip", "--evaluate-every", 1) == 0
    assert "fewer than two held-out clips are left" in capsys.readouterr().err
    assert list(losses_of(run)) == [1, 2]


def test_activities_beside_what_is_no_clip(tmp_path, capsys):
    data = tmp_path / "data"
    for activity in ("pour", "swing"):
        make_features(tmp_path / activity)
        (data / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / activity / "train").rename(data / "train" / activity)
    (data / "train" / "notes.pdf").write_bytes(b"%PDF")
    assert train(data, tmp_path / "run") == 2
    assert "notes.pdf: not a clip" in capsys.readouterr().err
    assert train(data, tmp_path / "run", "--on-bad-video", "skip") == 0
    assert "notes.pdf: not a clip" in capsys.readouterr().err


def test_held_out_clips_that_are_copies_are_said(tmp_path, capsys):
    data = make_features(tmp_path / "data", val=3)
    assert train(data, tmp_path / "one") == 0
    assert "hold the same" not in capsys.readouterr().err
    shutil.copy(data / "train" / "4.npy", data / "val" / "again.npy")
    assert train(data, tmp_path / "two", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["steps"] == 2
    assert (
        f"1 of 4 held-out clips are copies of training clips, such as {data}/val/again.npy as "
        f"{data}/train/4.npy: Kendall's tau on them"
    ) in err


def test_only_what_may_be_a_copy_is_read(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(bytes(200_000))
    (tmp_path / "b").write_bytes(bytes(200_000))
    (tmp_path / "c").write_bytes(bytes(199_999) + b"c")
    (tmp_path / "d").write_bytes(b"d" + bytes(199_999))
    (tmp_path / "e").write_bytes(bytes(5))
    a, b, c, d, e = (tmp_path / name for name in "abcde")
    assert list(find_copies([b, c, d, e], [a])) == [(b, a)]
    read = []
    digest = __import__("hashlib").file_digest
    monkeypatch.setattr(
        "tacref.data.copies.hashlib.file_digest",
        lambda file, kind: read.append(file.name) or digest(file, kind),
    )
    assert list(find_copies([d, e], [a])) == []
    assert read == []
