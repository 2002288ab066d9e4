"""`tacref align --phases`: gaps, formats, clips of one name; and what is written of the labels."""

import json

import numpy as np
import pytest
from PIL import Image

from tacref.alignment.label_files import write_clip_labels
from tacref.alignment.labels import read_labels
from tacref.commands import align
from tacref.encoder import EncoderConfig
from tacref.report import videos
from tacref.report.results import EmbeddedVideo
from tacref.report.written_labels import write_all_labels

HEADER = "video,start_frame,end_frame,phase\n"


class FakeEncoder:
    """Feature rows are their own embeddings."""

    config = EncoderConfig.default("features", channels=2, offsets=(0,))

    def embed(self, frames):
        return frames


@pytest.fixture(autouse=True)
def fake_encoder(monkeypatch):
    monkeypatch.setattr(align, "open_encoder", lambda path, device: FakeEncoder())


@pytest.fixture
def clips(tmp_path):
    """A clip of 12 frames, and one that shows each of them twice."""
    rows = np.stack((np.arange(12), np.arange(12) ** 2 / 10), 1).astype(np.float32)
    np.save(tmp_path / "a.npy", rows)
    np.save(tmp_path / "b.npy", np.repeat(rows, 2, axis=0))
    return tmp_path


def run(folder, labels, *more, clips=("a.npy", "b.npy")):
    arguments = [*(str(folder / clip) for clip in clips), "--encoder", "e"]
    arguments += ["--phases", str(folder / labels), "-o", str(folder / "out"), *more]
    return align.main(arguments)


GAPS = [None, "up", "up", "up", None, None, "a --> b", "a --> b", "a --> b", None, "up", None]


def test_gaps_stay_gaps(clips, capsys):
    (clips / "l.csv").write_text(HEADER + "a.npy,1,4,up\na.npy,6,9,a --> b\na.npy,10,11,up\n")
    assert run(clips, "l.csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "a.npy: 5 of 12 frames have no phase" in lines
    assert "b.npy: 10 of 24 frames have no phase" in lines
    text = (clips / "out" / "phases.csv").read_text()
    assert text == HEADER + (
        "a.npy,1,4,up\na.npy,6,9,a --> b\na.npy,10,11,up\n"
        "b.npy,2,8,up\nb.npy,12,18,a --> b\nb.npy,20,22,up\n"
    )
    report = (clips / "out" / "report.html").read_text()
    assert "Phases of B (transferred along the path; 10 of 24 frames have none)" in report
    assert report.count('class="gap"') == 8
    (clips / "out").rename(clips / "before")
    assert run(clips, "l.csv", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["unlabeled_frames"] == {"a.npy": 5, "b.npy": 10}


def test_without_labels_nothing_is_counted(clips, capsys):
    arguments = [str(clips / "a.npy"), str(clips / "b.npy"), "--encoder", "e", "--json"]
    assert align.main([*arguments, "-o", str(clips / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["unlabeled_frames"] == {}


@pytest.mark.parametrize(("format", "suffix"), [("vtt", "vtt"), ("elan", "txt")])
def test_written_as_subtitles_and_read_again(clips, format, suffix):
    (clips / "l.csv").write_text(HEADER + "a.npy,1,4,up\na.npy,6,9,a --> b\na.npy,10,11,up\n")
    assert run(clips, "l.csv", "--phases-as", format) == 0
    folder = clips / "out" / "phases"
    assert sorted(path.name for path in folder.iterdir()) == [f"a.{suffix}", f"b.{suffix}"]
    assert read_labels(folder / f"a.{suffix}", {clips / "a.npy": 12}) == {clips / "a.npy": GAPS}
    # Both of them lead to the same labels as the table: of the reference, and of the other clip.
    table = (clips / "out" / "phases.csv").read_text()
    for name in ("a", "b"):
        labels = clips / f"{name}.{suffix}"
        labels.write_bytes((folder / labels.name).read_bytes())
        (clips / "out").rename(clips / f"before {name}")
        folder = clips / f"before {name}" / "phases"
        assert run(clips, labels.name, "--phases-as", "vtt", "--phases-as", "elan") == 0
        assert (clips / "out" / "phases.csv").read_text() == table
        assert len(list((clips / "out" / "phases").iterdir())) == 4


@pytest.mark.parametrize("format", ["vtt", "elan"])
@pytest.mark.parametrize(
    "times",
    [
        np.arange(12) / 25,
        np.arange(12) * 1001 / 30_000,
        np.arange(12) * 1001 / 60_000 + 1.4,
        np.cumsum([0.0011, 0.5, 0.0021, 0.001, 3, 60, 0.04, 0.0333, 0.0017, 7200, 0.0012, 0.3]),
    ],
)
def test_any_frame_rate_comes_back(tmp_path, times, format):
    rng = np.random.default_rng(0)
    path = tmp_path / ("a.vtt" if format == "vtt" else "a.txt")
    for _ in range(50):
        labels = [["x", "y", None][k] for k in rng.integers(0, 3, 12)]
        if any(labels):
            write_clip_labels(path, labels, times, format=format)
            assert read_labels(path, {"a": 12}, times={"a": times}, reference="a") == {"a": labels}


def test_frames_that_milliseconds_cannot_tell_apart(tmp_path):
    with pytest.raises(ValueError, match=r"frames 0 and 1 are at 0\.000000 and 0\.000500 s"):
        write_clip_labels(tmp_path / "a.vtt", ["x", "y"], np.array([0, 0.0005]), format="vtt")
    write_clip_labels(tmp_path / "a.vtt", ["x", "x"], np.array([0, 0.0005]), format="vtt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.vtt"]


def test_seconds_come_out_as_frames(clips):
    (clips / "l.csv").write_text("video,start_seconds,end_seconds,phase\na.npy,0.04,0.2,up\n")
    assert run(clips, "l.csv") == 0
    assert (clips / "out" / "phases.csv").read_text() == HEADER + "a.npy,1,5,up\nb.npy,2,10,up\n"


def test_two_clips_of_one_name(clips, capsys):
    for name, clip in (("one", "a"), ("two", "b")):
        (clips / name).mkdir()
        (clips / f"{clip}.npy").rename(clips / name / "c.npy")
    names = ("one/c.npy", "two/c.npy")
    (clips / "l.csv").write_text(HEADER + "c.npy,1,5,up\n")
    assert run(clips, "l.csv", clips=names) == 2
    error = capsys.readouterr().err
    assert f"l.csv: line 2: 'c.npy' may be {clips / 'one' / 'c.npy'} or" in error
    assert error.endswith("write its path from this file's folder, such as 'one/c.npy'\n")
    assert not (clips / "out").exists()
    (clips / "l.csv").write_text(HEADER + "two/c.npy,2,10,up\n")
    assert run(clips, "l.csv", "--phases-as", "vtt", clips=names) == 0
    written = clips / "out" / "phases.csv"
    assert written.read_text() == HEADER + "../one/c.npy,1,5,up\n../two/c.npy,2,10,up\n"
    paths = {clips / name: count for name, count in zip(names, (12, 24), strict=True)}
    assert list(read_labels(written, paths)) == list(paths)
    assert sorted(path.name for path in (clips / "out" / "phases").iterdir()) == [
        "one.c.npy.vtt",
        "two.c.npy.vtt",
    ]
    # Each is read back onto its own clip.
    second = clips / "out" / "phases" / "two.c.npy.vtt"
    labels = read_labels(
        second, paths, times={path: np.arange(n) / 25 for path, n in paths.items()}
    )
    assert list(labels) == [clips / "two" / "c.npy"]


def test_clips_whose_names_leave_no_room_for_a_suffix(clips):
    name = "a" * 251 + ".npy"
    (clips / "a.npy").rename(clips / name)
    (clips / "l.csv").write_text(HEADER + f"{name},1,5,up\n")
    assert run(clips, "l.csv", "--phases-as", "vtt", clips=(name, "b.npy")) == 0
    written = sorted(path.name for path in (clips / "out" / "phases").iterdir())
    assert written == ["a" * 251 + ".vtt", "b.vtt"]
    folder = clips / ("f" * 254)
    folder.mkdir()
    for number in range(12):
        Image.new("RGB", (32, 32), (20 * number, 0, 0)).save(folder / f"{number}.png")
    videos = [EmbeddedVideo(folder.name, folder, np.zeros((12, 1)), np.arange(12) / 25)]
    write_all_labels(clips / "o", clips / "o", videos, {folder.name: GAPS}, ["vtt"])
    assert [path.name for path in (clips / "o" / "phases").iterdir()] == ["1.vtt"]


def test_a_file_without_names_for_a_folder(clips, capsys):
    group = clips / "group"
    group.mkdir()
    for name in ("a.npy", "b.npy"):
        (clips / name).rename(group / name)
    (clips / "b.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:00.080\nup\n")
    assert run(clips, "b.vtt", clips=["group"]) == 0
    assert "b.npy,0,2,up" in (clips / "out" / "phases.csv").read_text()
    (clips / "b.vtt").rename(clips / "other.vtt")
    (clips / "out").rename(clips / "before")
    assert run(clips, "other.vtt", clips=["group"]) == 2
    assert "other.vtt: names no clip, and none is called like it" in capsys.readouterr().err


def test_refusals_before_any_work(clips, capsys, monkeypatch):
    monkeypatch.setattr(videos, "embed_clip", None)  # never called
    (clips / "tab.csv").write_text(HEADER + "a.npy,1,5,up\tdown\n")
    assert run(clips, "tab.csv", "--phases-as", "elan") == 2
    error = capsys.readouterr().err
    assert error == (
        "tacref align: ELAN's text cannot hold the tab or line break in the phase 'up\\tdown'\n"
    )
    (clips / "bad.vtt").write_text(
        "WEBVTT\n\n00:00.000 --> 00:00.080\nx\n\n00:00.070 --> 00:01.000\ny\n"
    )
    assert run(clips, "bad.vtt") == 2
    assert (
        "bad.vtt: line 6: overlap in 'a.npy': 'y' starts at 0.07 s, before 'x' (line 3) ends at "
        "0.08 s" in capsys.readouterr().err
    )
    arguments = [str(clips / "a.npy"), str(clips / "b.npy"), "--encoder", "e"]
    arguments += ["-o", str(clips / "out"), "--phases-as"]
    assert align.main([*arguments, "vtt"]) == 2
    assert "--phases-as needs --phases: there are no labels to write" in capsys.readouterr().err
    assert align.main([*arguments, "srt"]) == 2
    assert "argument --phases-as: invalid choice: 'srt'" in capsys.readouterr().err
    assert not (clips / "out").exists()
