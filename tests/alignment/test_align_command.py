"""`tacref align`: what it writes and prints, and what it refuses before any work."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tacref.alignment import dtw
from tacref.alignment.labels import read_labels, transfer_labels
from tacref.commands import align
from tacref.data import iter_frames, write_video
from tacref.encoder import EncoderConfig, build_encoder, save_encoder
from tacref.encoder.embedding import embed_clip
from tacref.report import videos
from tacref.report.mosaic import CAPTION_HEIGHT, caption
from tacref_export.opening import open_encoder

NAME = "<img onerror=alert(1)>.mp4"


class FakeEncoder:
    """Feature rows are their own embeddings."""

    config = EncoderConfig.default("features", channels=2, offsets=(0,))

    def embed(self, frames):
        return frames


@pytest.fixture
def fake_encoder(monkeypatch):
    monkeypatch.setattr(align, "open_encoder", lambda path, device: FakeEncoder())


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two videos of a bar that crosses a dark picture, slowly and fast; and a run."""
    folder = tmp_path_factory.mktemp("clips")
    for name, length in ((NAME, 14), ("fast.mp4", 8)):
        frames = np.full((length, 64, 64, 3), 20, dtype=np.uint8)
        for frame, left in zip(frames, np.linspace(0, 56, length).astype(int), strict=True):
            frame[:, left : left + 8] = 220
        write_video(folder / name, frames, fps=10)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    save_encoder(build_encoder(EncoderConfig.default("small", dim=16), seed=0), folder / "run")
    yield folder
    torch.set_num_threads(threads)


def write_features(folder):
    slow, fast = folder / "slow.npy", folder / "fast.npy"
    np.save(slow, np.repeat([[0, 1], [1, 0], [2, 2]], 2, axis=0).astype(np.float16))
    np.save(fast, np.array([[0, 1], [1, 0], [2, 2]], np.float32))
    return [str(slow), str(fast)]


@pytest.mark.parametrize("encoder", ["{}/runs/one", "runs/../runs/one", "one/"])
def test_the_report_names_the_encoder_without_its_folder(tmp_path, fake_encoder, encoder):
    path = encoder.format(tmp_path)
    assert (
        align.main([*write_features(tmp_path), "--encoder", path, "-o", str(tmp_path / "o")]) == 0
    )
    report = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert "Embeddings: one." in report
    assert str(tmp_path) not in report


def test_features_end_to_end(tmp_path, capsys, fake_encoder):
    out = tmp_path / "new" / "out"
    arguments = [*write_features(tmp_path), "--encoder", "fake", "-o", str(out)]
    assert align.main(arguments) == 0
    names = ["alignment.csv", "alignment.json", "report.html"]
    assert sorted(path.name for path in out.iterdir()) == names
    whole = json.loads((out / "alignment.json").read_text(encoding="utf-8"))
    assert (whole["format"], whole["encoder"], whole["band"]) == (2, "fake", None)
    assert (whole["reference"], whole["outliers"]) == ("slow.npy", [])
    (record,) = whole["alignments"]
    assert (record["name_x"], record["name_y"]) == ("slow.npy", "fast.npy")
    assert (record["frames_x"], record["frames_y"]) == (6, 3)
    assert record["path"] == [[0, 0], [1, 0], [2, 1], [3, 1], [4, 2], [5, 2]]
    assert record["step_costs"] == [0] * 6
    assert record["matches_x"] == [0, 0, 0.04, 0.04, 0.08, 0.08]  # rows come at 25 a second
    assert record["matches_y"] == pytest.approx([0.02, 0.1, 0.18])
    lines = (out / "alignment.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "video,reference_frame,frame,reference_time,time,cost"
    assert lines[4] == "fast.npy,3,1,0.120000,0.040000,0"
    assert len(lines) == 7
    shown = capsys.readouterr().out
    assert "slow.npy (6 frames) and fast.npy (3 frames): cost 0, mean 0 in 6 steps" in shown
    assert str(out / "report.html") in shown


def test_json_prints_one_object(tmp_path, capsys, fake_encoder):
    out = tmp_path / "out"
    files = write_features(tmp_path)
    assert align.main([*files, "--encoder", "fake", "-o", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["reference"] == "slow.npy"
    assert printed["pairs"] == [
        {
            "name": "fast.npy",
            "cost": 0,
            "mean_cost": 0,
            "relative_cost": 0,
            "mismatch": False,
            "steps": 6,
        }
    ]
    assert printed["report"] == str(out / "report.html")
    assert printed["alignment"] == str(out / "alignment.json")


def test_clips_that_do_not_match_are_told(tmp_path, capsys, fake_encoder):
    angles = np.linspace(0, 3, 40)
    rows = np.stack((np.cos(angles), np.sin(angles)), 1).astype(np.float32)
    for name, clip in {
        "a": rows,
        "like": rows[::2] + 0.1,
        "still": np.ones_like(rows),
        "other": rows + 3,
    }.items():
        np.save(tmp_path / f"{name}.npy", clip)
    files = [str(tmp_path / f"{name}.npy") for name in ("a", "like", "still", "other")]
    arguments = [*files, "--encoder", "fake", "-o", str(tmp_path / "out")]
    assert align.main(arguments) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "hardly" in line]
    assert [line.split(" hardly")[0] for line in lines] == [
        "  a.npy and still.npy",
        "  a.npy and other.npy",
    ]
    assert lines[0].endswith("relative cost 1.00, above 0.4 (1: as frames drawn at random)")
    record = json.loads((tmp_path / "out" / "alignment.json").read_text(encoding="utf-8"))
    assert [each["mismatch"] for each in record["alignments"]] == [False, True, True]
    assert record["alignments"][1]["relative_cost"] == pytest.approx(1)
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert report.count("These two hardly show the same activity.") == 2


def test_tables_of_any_name(tmp_path, fake_encoder):
    files = write_features(tmp_path)
    names = ["=1+1\r.npy", "-b.npy"]
    try:
        for file, name in zip(files, names, strict=True):
            Path(file).rename(tmp_path / name)
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    (tmp_path / "labels.csv").write_text(
        "video,start_frame,end_frame,phase\n-b.npy,0,3,@up\n", encoding="utf-8"
    )
    arguments = [*(str(tmp_path / name) for name in names), "--encoder", "fake"]
    arguments += ["--phases", str(tmp_path / "labels.csv"), "-o", str(tmp_path / "out")]
    assert align.main(arguments) == 0
    with (tmp_path / "out" / "alignment.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 7
    assert {row[0] for row in rows[1:]} == {"'-b.npy"}
    labels = read_labels(tmp_path / "out" / "phases.csv", {names[0]: 6, names[1]: 3})
    assert labels == {names[0]: ["@up"] * 6, names[1]: ["@up"] * 3}


def test_barycenter_of_too_much(tmp_path, capsys, fake_encoder, monkeypatch):
    monkeypatch.setattr(videos, "MAX_CELLS", 17)
    monkeypatch.setattr(videos, "embed_clip", None)  # never called
    arguments = [*write_features(tmp_path), "--encoder", "fake", "-o", str(tmp_path / "out")]
    assert align.main([*arguments, "--barycenter"]) == 2
    assert capsys.readouterr().err.startswith(
        "tacref align: --barycenter takes at most 17 pairs of frames of two clips, got 18"
    )


def test_band(tmp_path, capsys, fake_encoder, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(videos, "embed_clip", None)  # not called for a band that is refused
    slow, fast = write_features(tmp_path)
    arguments = [slow, fast, "--encoder", "fake", "-o", str(out)]
    for options, line in (
        (
            ["0"],
            f"{slow} and {fast}: band must be >= 1 for n = 6 and m = 3, or no path fits, got 0",
        ),
        (["2", "--band-shape", "offset"], f"{slow} and {fast}: band must be >= |n - m| = 3 for"),
        (["1", "--band-shape", "itakura"], f"{slow} and {fast}: band must be a slope >= "),
        (
            ["0.5", "--band-shape", "itakura"],
            f"{slow} and {fast}: band must be at least 1, got 0.5",
        ),
        (["1.5"], "--band must be a whole number of frames, or seconds as in 2s, unless"),
        (
            ["2s", "--band-shape", "offset"],
            "--band in seconds takes --band-shape diagonal, got offset",
        ),
        (["0s"], "--band must be > 0 s, got 0s"),
        (["0.001s"], "--band must be at least a frame"),
        (["-1"], "argument --band: must be >= 0, got -1"),
        (["wide"], "argument --band: must be a number of frames, or seconds as in 2s, got 'wide'"),
        (["2", "--band-shape", "round"], "argument --band-shape: invalid choice: 'round'"),
    ):
        if options == ["0.001s"]:  # only the clips' times tell
            monkeypatch.setattr(videos, "embed_clip", embed_clip)
        assert align.main([*arguments, "--band", *options]) == 2
        assert capsys.readouterr().err.startswith(f"tacref align: {line}")
        assert not out.exists()
    assert align.main([*arguments, "--band", "3", "--band-shape", "offset"]) == 0
    record = json.loads((out / "alignment.json").read_text(encoding="utf-8"))
    assert (record["band"], record["band_shape"]) == (3, "offset")
    assert record["alignments"][0]["cost"] == 0
    assert align.main([*arguments[:-1], str(tmp_path / "timed"), "--band", "1s"]) == 0
    record = json.loads((tmp_path / "timed" / "alignment.json").read_text(encoding="utf-8"))
    assert (record["band"], record["band_seconds"]) == (None, 1.0)


def test_cost_and_steps(tmp_path, capsys, fake_encoder, monkeypatch):
    slow, fast = write_features(tmp_path)
    arguments = [fast, slow, "--encoder", "fake", "-o", str(tmp_path / "out")]
    monkeypatch.setattr(videos, "embed_clip", None)  # not called for what is refused
    for options, line in (
        (["--steps", "slope"], f'{fast} and {slow}: steps "slope" reach at most 2 (n - 1) + 1 = 5'),
        (["--steps", "1,1"], "argument --steps: steps must be any, slope, asymmetric, or rows"),
        (["--steps", "0,0,1"], "argument --steps: steps[0] must go on by a row or a column"),
        (["--cost", "cos"], "argument --cost: invalid choice: 'cos'"),
        (["--cost", "l1", "--barycenter"], "--barycenter takes --cost sqeuclidean, which it"),
    ):
        assert align.main([*arguments, *options]) == 2
        assert capsys.readouterr().err.startswith(f"tacref align: {line}")
    monkeypatch.setattr(videos, "embed_clip", embed_clip)
    arguments += ["--cost", "euclidean", "--steps", "1,1,1 1,3,1 0,1,0.5", "--json"]
    assert align.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    rows = [np.load(path).astype(np.float64) for path in (fast, slow)]
    steps = [(1, 1, 1), (1, 3, 1), (0, 1, 0.5)]
    assert printed["pairs"][0]["cost"] == dtw(*rows, cost="euclidean", steps=steps)
    record = json.loads((tmp_path / "out" / "alignment.json").read_text(encoding="utf-8"))
    assert (record["cost"], record["steps"]) == ("euclidean", [[1, 1, 1], [1, 3, 1], [0, 1, 0.5]])
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<figcaption" in report
    assert "Distance between embeddings: dark is alike." in report
    assert "NaN" not in report


@pytest.mark.parametrize("way", ["folder", "barycenter"])
def test_band_of_a_reference_that_is_chosen(tmp_path, capsys, fake_encoder, monkeypatch, way):
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    for name, length in (("a", 2), ("b", 2), ("c", 5), ("d", 7)):
        np.save(folder / f"{name}.npy", rows[:length])
    clips = [str(folder)] if way == "folder" else sorted(map(str, folder.iterdir()))
    arguments = [*clips, "--encoder", "fake", "-o", str(out), "--band-shape", "offset"]
    arguments += ["--barycenter"] if way == "barycenter" else []
    monkeypatch.setattr(videos, "embed_clip", None)
    assert align.main([*arguments, "--band", "2"]) == 2
    line = "band must be >= |n - m| = 3 for n = 5 and m = 2, or no path fits, got 2"
    first, second = folder / "c.npy", folder / "a.npy"
    assert capsys.readouterr().err.startswith(f"tacref align: {first} and {second}: {line}")
    monkeypatch.setattr(videos, "embed_clip", embed_clip)
    monkeypatch.setattr(videos, "medoid", lambda rows, **options: 0)
    assert align.main([*arguments, "--band", "4"]) == 2
    line = (
        "a.npy and d.npy: band must be >= |n - m| = 5 for n = 2 and m = 7, or no path fits, got 4"
    )
    assert capsys.readouterr().err.startswith(f"tacref align: {line}")
    assert not out.exists()
    assert align.main([*arguments, "--band", "5"]) == 0


def test_videos_through_a_real_run(clips, tmp_path, capsys):
    files = [str(clips / NAME), str(clips / "fast.mp4")]
    out = tmp_path / "out"
    (tmp_path / "labels.csv").write_text(
        "video,start_frame,end_frame,phase\nfast.mp4,0,4,left\nfast.mp4,4,8,right\nother,0,1,x\n"
    )
    more = ["--phases", str(tmp_path / "labels.csv"), "--video"]
    assert align.main([*files, "--encoder", str(clips / "run"), "-o", str(out), *more]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "aligned.mp4",
        "alignment.csv",
        "alignment.json",
        "phases.csv",
        "report.html",
        "video-0.mp4",
        "video-1.mp4",
    ]
    (record,) = json.loads((out / "alignment.json").read_text(encoding="utf-8"))["alignments"]
    assert (record["frames_x"], record["frames_y"]) == (14, 8)
    assert record["times_x"] == pytest.approx(np.arange(14) / 10)  # the video's own clock
    assert record["cost"] > 0
    text = (out / "report.html").read_text(encoding="utf-8")
    assert NAME not in text
    assert "&lt;img onerror=alert(1)&gt;.mp4" in text
    assert "Phases of A (transferred along the path)" in text
    assert "Phases of B<" in text
    labels = read_labels(out / "phases.csv", {NAME: 14, "fast.mp4": 8})
    assert labels["fast.mp4"] == ["left"] * 4 + ["right"] * 4
    path = np.array(record["path"])
    assert labels[NAME] == transfer_labels(labels["fast.mp4"], path[:, ::-1])
    film, times = zip(*iter_frames(out / "aligned.mp4"), strict=True)
    assert times == pytest.approx(np.arange(14) / 10, abs=1e-4)  # at the reference's pace
    for left, name in ((0, f"A  {NAME}"), (360, "B  fast.mp4")):  # below pictures 360 pixels high
        line = film[0][360 : 360 + CAPTION_HEIGHT, left : left + 360].astype(int)
        assert np.abs(line - caption(name, 360)).mean() < 6  # H.264
    assert capsys.readouterr().err.count("\n") == 0


def test_a_folder_is_a_group(tmp_path, capsys, fake_encoder):
    group = tmp_path / "group"
    group.mkdir()
    angles = np.linspace(0, 3, 40)
    rows = np.stack((np.cos(angles), np.sin(angles)), 1).astype(np.float32)
    for name, clip in {
        "a": rows + 0.2,
        "b": rows,
        "c": np.repeat(rows, 2, axis=0) - 0.2,
        "d": rows[::2] + 0.15,
        "e": rows[::-1],
    }.items():
        np.save(group / f"{name}.npy", clip)
    (group / "._a.npy").write_bytes(b"what macOS leaves beside a file")
    (group / "phases.csv").write_text("video,start_frame,end_frame,phase\nd.npy,0,20,only\n")
    arguments = [str(group), "--encoder", "fake", "--phases", str(group / "phases.csv")]
    assert align.main([*arguments, "-o", str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out" / "alignment.json").read_text(encoding="utf-8"))
    assert record["reference"] == "b.npy"
    assert [each["name_y"] for each in record["alignments"]] == ["a.npy", "c.npy", "d.npy", "e.npy"]
    assert record["outliers"] == ["e.npy"]
    assert "e.npy (40 frames): cost" in capsys.readouterr().out
    labels = (tmp_path / "out" / "phases.csv").read_text().splitlines()
    lengths = {"a": 40, "b": 40, "c": 80, "d": 20, "e": 40}
    assert labels[1:] == [f"{name}.npy,0,{count},only" for name, count in lengths.items()]
    mean = [*arguments, "--barycenter", "-o", str(tmp_path / "mean"), "--json"]
    assert align.main(mean) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["reference"] == "barycenter"
    assert [each["name"] for each in printed["pairs"]] == [f"{name}.npy" for name in "abcde"]


def test_two_clips_of_one_name_are_told_apart(tmp_path, fake_encoder):
    (tmp_path / "other").mkdir()
    files = [write_features(folder)[0] for folder in (tmp_path, tmp_path / "other")]
    assert align.main([*files, "--encoder", "fake", "-o", str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out" / "alignment.json").read_text(encoding="utf-8"))
    assert record["reference"] == "1: slow.npy"
    assert record["alignments"][0]["name_y"] == "2: slow.npy"


def test_refusals_write_nothing(clips, tmp_path, capsys):
    run = str(clips / "run")
    good = str(clips / "fast.mp4")
    full = tmp_path / "full"
    full.mkdir()
    (full / "kept.txt").write_text("kept")
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    rows = write_features(tmp_path)[0]
    out = tmp_path / "out"
    before = sorted(tmp_path.rglob("*"))
    for arguments, line in (
        (["none.mp4", good, "--encoder", run, "-o", str(out)], "none.mp4: no such file"),
        ([good, good, "--encoder", run, "-o", str(full)], f"{full}: output folder is not empty"),
        ([good, good, "--encoder", run, "-o", good], f"{good}: output folder is a file"),
        ([good, good, "--encoder", "none", "-o", str(out)], "none: no such run"),
        ([good, str(text), "--encoder", run, "-o", str(out)], f"{text}: not a video"),
        ([good, rows, "--encoder", run, "-o", str(out)], f"{rows}: not what the encoder takes"),
        ([good, "--encoder", run, "-o", str(out)], f"{good}: is one clip; name two or more"),
        ([str(full), "--encoder", run, "-o", str(out)], f"{full}: holds 0 clips; aligning needs"),
        (
            [good, good, "--encoder", run, "-o", str(out), "--phases", "none.csv"],
            "none.csv: no such label file",
        ),
        (
            [good, good, "--encoder", run, "-o", str(out), "--phases", str(text)],
            f"{text}: not a label file: must end in .csv, .vtt (WebVTT), .txt or .tsv (ELAN)",
        ),
        ([rows, rows, "--encoder", run, "-o", str(out), "--video"], "--video needs clips with"),
        ([good, good, "-o", str(out)], "the following arguments are required: --encoder"),
    ):
        assert align.main(arguments) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith(f"tacref align: {line}")
        assert shown.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before


def test_outputs_are_checked_before_the_encoder_is_opened(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(align, "open_encoder", lambda *_, **__: opened.append(1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept.txt").write_text("kept")
    files = write_features(tmp_path)
    assert align.main([*files, "--encoder", "e", "-o", str(tmp_path / "out")]) == 2
    assert opened == []


def test_a_label_file_is_read_before_the_encoder_is_opened(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(align, "open_encoder", lambda *_, **__: opened.append(1))
    labels = tmp_path / "labels.csv"
    labels.write_text("video,start_frame,end_frame,phase\nslow.npy,0,6\n")
    arguments = [*write_features(tmp_path), "--encoder", "e", "-o", str(tmp_path / "out")]
    assert align.main([*arguments, "--phases", str(labels)]) == 2
    assert f"{labels}: line 2: must have 4 fields, got 3" in capsys.readouterr().err
    assert opened == []


def test_names_that_a_terminal_cannot_show(tmp_path, monkeypatch, fake_encoder):
    files = write_features(tmp_path)
    name = "a\x1b[2J\udcff.npy"
    try:
        Path(files[0]).rename(tmp_path / name)
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # strict, as a terminal
    monkeypatch.setattr(sys, "stdout", out)
    arguments = [str(tmp_path / name), files[1], "--encoder", "fake", "-o", str(tmp_path / "out")]
    assert align.main(arguments) == 0
    out.seek(0)
    shown = out.read()
    assert shown.startswith("a\\x1b[2J\\udcff.npy (6 frames) and fast.npy (3 frames): cost 0")


def test_nothing_half_written(tmp_path, monkeypatch, capsys, fake_encoder):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(videos, "write_report", fail)
    files = write_features(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert align.main([*files, "--encoder", "fake", "-o", str(tmp_path / "out")]) == 2
    assert "disk full" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_fake_encoder_is_like_a_real_one(clips):
    real = open_encoder(clips / "run")
    assert isinstance(real.config, EncoderConfig)
    assert callable(real.embed)
