"""`tacref align SHORT LONG --part`: what it writes and prints, and what it refuses."""

import csv
import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from tacref.commands import align, main
from tacref.data import iter_frames, write_video
from tacref.encoder import EncoderConfig, build_encoder, save_encoder
from tacref.report.excerpt import Excerpt
from tests.alignment.test_align_command import FakeEncoder
from tests.report.test_report import Page

BEGINS, LENGTH, NOISE = (150, 40), 50, (0.01, 0.05)


@pytest.fixture
def fake_encoder(monkeypatch):
    monkeypatch.setattr(align, "open_encoder", lambda path, device: FakeEncoder())


def write_features(folder):
    """A short walk, and a long one that shows it twice, at a distance from all else."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(LENGTH, 2)).cumsum(axis=0)
    y = rng.normal(size=(260, 2)) + 40
    for begin, noise in zip(BEGINS, NOISE, strict=True):
        y[begin : begin + LENGTH] = x + noise * rng.normal(size=x.shape)
    for name, rows in (("short", x), ("long", y)):
        np.save(folder / f"{name}.npy", rows.astype(np.float32))
    return [str(folder / "short.npy"), str(folder / "long.npy")]


def run(folder, *options, clips=None):
    clips = write_features(folder) if clips is None else clips
    return align.main([*clips, "--encoder", "fake", "-o", str(folder / "out"), *options])


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_two_places_end_to_end(tmp_path, capsys, fake_encoder):
    assert run(tmp_path, "--part", "2") == 0
    out = tmp_path / "out"
    names = ["alignment.csv", "alignment.json", "matches.csv", "report.html"]
    assert sorted(path.name for path in out.iterdir()) == names
    table = rows_of(out / "matches.csv")
    assert list(table[0]) == [
        "rank",
        "start_frame",
        "end_frame",
        "start_seconds",
        "end_seconds",
        "cost",
        "mean_cost",
    ]
    ends = [begin + LENGTH for begin in BEGINS]
    assert [int(row["rank"]) for row in table] == [1, 2]
    assert [int(row["start_frame"]) for row in table] == list(BEGINS)
    assert [int(row["end_frame"]) for row in table] == ends
    # Rows of features come at 25 a second.
    assert [float(row["start_seconds"]) for row in table] == [begin / 25 for begin in BEGINS]
    assert [float(row["end_seconds"]) for row in table] == [end / 25 for end in ends]
    whole = json.loads((out / "alignment.json").read_text(encoding="utf-8"))
    assert (whole["reference"], whole["band"], len(whole["alignments"])) == ("short.npy", None, 2)
    for record, row in zip(whole["alignments"], table, strict=True):
        begin, end = int(row["start_frame"]), int(row["end_frame"])
        assert (record["start_frame"], record["end_frame"]) == (begin, end)
        assert (record["name_x"], record["name_y"]) == ("short.npy", "long.npy")
        assert record["path"][0] == [0, begin]
        assert record["path"][-1] == [LENGTH - 1, end - 1]
        assert record["matches_y"][:begin] == [None] * begin
        assert None not in record["matches_y"][begin:end]
        assert record["cost"] == pytest.approx(float(row["cost"]), rel=1e-8)
        assert record["mean_cost"] == pytest.approx(float(row["mean_cost"]), rel=1e-8)
    steps = rows_of(out / "alignment.csv")
    assert {row["video"] for row in steps} == {"long.npy, match 1", "long.npy, match 2"}
    assert (steps[0]["reference_frame"], steps[0]["frame"]) == ("0", "150")
    shown = capsys.readouterr().out
    assert "short.npy (50 frames) in long.npy (260 frames):\n" in shown
    assert "match 1: 6.00 to 8.00 s (frames 150 to 199): cost " in shown
    assert "match 2: 1.60 to 3.60 s (frames 40 to 89): cost " in shown
    assert "hardly" not in shown


def test_json_prints_one_object(tmp_path, capsys, fake_encoder):
    assert run(tmp_path, "--part", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    out = tmp_path / "out"
    assert (printed["short"], printed["long"]) == ("short.npy", "long.npy")
    (match,) = printed["matches"]
    assert (match["rank"], match["start_frame"], match["end_frame"]) == (1, 150, 200)
    assert (match["start_seconds"], match["end_seconds"]) == (6, 8)
    assert match["mean_cost"] == match["cost"] / match["steps"]
    assert (match["relative_cost"] < 0.01, match["mismatch"]) == (True, False)
    assert printed["alignment"] == str(out / "alignment.json")
    assert printed["report"] == str(out / "report.html")
    assert printed["table"] == str(out / "matches.csv")


def test_the_report_shows_a_second_on_either_side(tmp_path, fake_encoder):
    assert run(tmp_path, "--part=2") == 0
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert [text for _, text in page.find("bdi", **{"class": "name"})] == [
        "short.npy",
        "long.npy, match 1",
        "long.npy, match 2",
    ]
    _, *others = page.data()["videos"]
    assert [video["frames"] for video in others] == [LENGTH + 2 * 25] * 2
    for video in others:  # the match begins after a second, and ends a second before the end
        assert video["matches"][0] == pytest.approx(1.0, abs=0.05)
        assert video["matches"][-1] == pytest.approx(1.0 + LENGTH / 25, abs=0.05)


def test_context_ends_with_the_video(tmp_path, fake_encoder):
    short, long = write_features(tmp_path)
    np.save(long, np.load(long)[BEGINS[0] - 5 : BEGINS[0] + LENGTH + 3])
    assert run(tmp_path, "--part", clips=[short, long]) == 0
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert page.data()["videos"][1]["frames"] == 5 + LENGTH + 3


def test_labels_go_to_the_stretches_alone(tmp_path, fake_encoder):
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "video,start_frame,end_frame,phase\nshort.npy,0,20,a\nshort.npy,20,50,b\n", "utf-8"
    )
    assert run(tmp_path, "--part", "2", "--phases", str(labels)) == 0
    written = [list(row.values()) for row in rows_of(tmp_path / "out" / "phases.csv")]
    assert [row[:3:2] + row[3:] for row in written[:2]] == [
        ["short.npy", "20", "a"],
        ["short.npy", "50", "b"],
    ]
    runs = [(int(start), int(end), phase) for name, start, end, phase in written[2:]]
    assert [phase for *_, phase in runs] == ["a", "b", "a", "b"]
    for (start, middle, _), (again, end, _), begin in (
        (*runs[:2], BEGINS[1]),
        (*runs[2:], BEGINS[0]),
    ):
        assert (start, middle, end) == (begin, again, begin + LENGTH)
        assert abs(middle - begin - 20) <= 1
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    (a, b) = page.data()["videos"][1]["phases"]
    assert (a[0], a[2], b[1], b[2]) == (25, "a", 25 + LENGTH, "b")  # none before and after
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Phases of B (transferred along the path; 50 of 100 frames have none)" in text
    assert "Phases of A (transferred" not in text


def test_labels_that_the_long_clip_has_stay(tmp_path, fake_encoder):
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "video,start_frame,end_frame,phase\nshort.npy,0,50,a\nlong.npy,0,260,own\n", "utf-8"
    )
    assert run(tmp_path, "--part", "--phases", str(labels)) == 0
    written = [list(row.values()) for row in rows_of(tmp_path / "out" / "phases.csv")]
    assert written == [["short.npy", "0", "50", "a"], ["long.npy", "0", "260", "own"]]
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "transferred" not in text.split("<section")[3]


def test_a_place_that_is_none_is_told(tmp_path, capsys, fake_encoder):
    short, long = write_features(tmp_path)
    np.save(long, np.full((60, 2), 5, np.float32))  # still
    assert run(tmp_path, "--part", clips=[short, long]) == 0
    assert "short.npy and this stretch hardly show the same activity" in capsys.readouterr().out


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A bar that crosses the picture; a long film of blinking, in which it does the same."""
    folder = tmp_path_factory.mktemp("films")
    bar = np.full((20, 64, 64, 3), 20, np.uint8)
    for frame, left in zip(bar, np.linspace(0, 56, 20).astype(int), strict=True):
        frame[:, left : left + 8] = 220
    rng = np.random.default_rng(0)
    noise = np.repeat(rng.integers(0, 255, (70, 8, 8, 3), np.uint8), 8, axis=1).repeat(8, axis=2)
    noise[30:50] = bar
    write_video(folder / "short.mp4", bar, fps=10)
    write_video(folder / "long.mp4", noise, fps=10)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    config = EncoderConfig.default("small", dim=16, offsets=(0,))
    save_encoder(build_encoder(config, seed=0), folder / "run")
    yield folder
    torch.set_num_threads(threads)


def test_films_through_a_real_run(films, tmp_path, capsys):
    clips = [str(films / "short.mp4"), str(films / "long.mp4")]
    out = tmp_path / "out"
    arguments = [*clips, "--encoder", str(films / "run"), "-o", str(out), "--part", "--video"]
    assert align.main([*arguments, "--json"]) == 0
    (match,) = json.loads(capsys.readouterr().out)["matches"]
    assert abs(match["start_frame"] - 30) <= 2
    assert abs(match["end_frame"] - 50) <= 2
    names = {path.name for path in out.iterdir()}
    assert {"video-0.mp4", "video-1.mp4", "aligned.mp4", "matches.csv"} <= names
    begin, end = match["start_frame"] - 10, match["end_frame"] + 10  # a second
    shown = list(iter_frames(out / "video-1.mp4"))
    assert len(shown) == end - begin
    long = list(iter_frames(films / "long.mp4"))
    for k in (0, 15, len(shown) - 1):  # the right frames, as far as encoding leaves them
        difference = shown[k][0].astype(float) - long[begin + k][0]
        assert np.abs(difference).mean() < 12
    assert len(list(iter_frames(out / "aligned.mp4"))) == 20


def test_an_excerpt_knows_its_pixels_and_times(films):
    excerpt = Excerpt(iter_frames(films / "long.mp4"), 5, 3)
    assert excerpt.pixel_aspect == Fraction(1)
    times = [time for _, time in excerpt]
    assert times == pytest.approx([0.5, 0.6, 0.7])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--part", "0"], "argument --part: must be >= 1, got 0"),
        (["--part", "many"], "argument --part: invalid whole number value: 'many'"),
        (["--part", "261"], "--part must be at most 260, the frames of long.npy, got 261"),
        (["--part", "--band", "3"], "--part and --band exclude each other"),
        (["--part", "--barycenter"], "--part and --barycenter exclude each other"),
        (["--part", "--video"], "--video needs clips with pictures"),
    ],
)
def test_refusals_before_any_work(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.delattr(align, "open_encoder")
    assert run(tmp_path, *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_clips_that_are_not_two(tmp_path, capsys, monkeypatch):
    monkeypatch.delattr(align, "open_encoder")
    clips = write_features(tmp_path)
    assert run(tmp_path, "--part", clips=[*clips, clips[0]]) == 2
    assert "--part takes two clips, the short one first, got 3" in capsys.readouterr().err
    assert run(tmp_path, "--part", clips=[str(tmp_path)]) == 2
    assert "got a folder of clips" in capsys.readouterr().err
    assert run(tmp_path, "--part", clips=clips[:1]) == 2
    assert "is one clip; name two or more" in capsys.readouterr().err


def test_labels_of_the_short_clip_are_needed(tmp_path, capsys, monkeypatch):
    monkeypatch.delattr(align, "open_encoder")
    labels = tmp_path / "labels.csv"
    labels.write_text("video,start_frame,end_frame,phase\nlong.npy,0,260,a\n", "utf-8")
    assert run(tmp_path, "--part", "--phases", str(labels)) == 2
    assert "has no phases of short.npy, which --part carries over" in capsys.readouterr().err


def test_more_places_than_fit(tmp_path, capsys, fake_encoder):
    clips = write_features(tmp_path)
    np.save(clips[0], np.float32([[0, 0], [1, 1]]))
    np.save(clips[1], np.float32([[0, 0], [1, 1]]))
    assert run(tmp_path, "--part", "2", clips=clips) == 2
    assert "--part must be at most 1, as many as fit" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.shared
@pytest.mark.timeout(1200)  # it trains
def test_two_push_ups_joined_are_both_found(shared_data, tmp_path, capsys):
    folder = shared_data / "pushup"
    run_folder = tmp_path / "run"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(folder / "train")  # tau over held-out clips takes time
    training = ["train", "--data", str(tmp_path / "data"), "--out", str(run_folder)]
    training += ["--size", "48", "--steps", "30"]
    assert main([*training, "--json"]) == 0
    # Held-out clips of different performers.
    short, *parts = (folder / "val" / f"correct{number}.mp4" for number in (22, 36, 37))
    clips = [[frame for frame, _ in iter_frames(path)] for path in parts]
    height, width, _ = np.minimum(*(frames[0].shape for frames in clips))
    joined = [frame[:height, :width] for frames in clips for frame in frames]
    write_video(tmp_path / "long.mp4", joined, fps=25)
    out = tmp_path / "out"
    arguments = [str(short), str(tmp_path / "long.mp4"), "--encoder", str(run_folder)]
    capsys.readouterr()
    assert align.main([*arguments, "-o", str(out), "--part", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["matches"]
    first, second = sorted(found, key=lambda match: match["start_frame"])
    middle = len(clips[0])
    assert first["end_frame"] <= middle + 10
    assert second["start_frame"] >= middle - 10
    for match, frames in zip((first, second), clips, strict=True):
        assert match["end_frame"] - match["start_frame"] > 0.5 * len(frames)
