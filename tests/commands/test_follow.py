"""`tacref follow`: positions frame by frame, in lines or on a terminal, and what it refuses."""

import contextlib
import io
import json
import os
import re

import numpy as np
import pytest

from tacref.alignment import OnlineAligner
from tacref.alignment.following import follow as follow_source
from tacref.commands import follow
from tacref.data import write_video
from tacref.encoder import EncoderConfig
from tacref.terminal import Output


class FakeEncoder:
    """The mean of three neighboring rows: context on either side."""

    config = EncoderConfig.default("features", channels=2, offsets=(-1, 0, 1))

    def embed(self, frames):
        padded = np.pad(frames, ((1, 1), (0, 0)), mode="edge")
        with np.errstate(over="ignore"):
            return (padded[:-2] + padded[1:-1] + padded[2:]) / 3


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "open_encoder", lambda path, device: FakeEncoder())
    angles = np.linspace(0, 3, 30)
    rows = np.stack((np.cos(angles), np.sin(angles)), 1).astype(np.float32)
    np.save(tmp_path / "a.npy", rows)
    np.save(tmp_path / "slow.npy", np.repeat(rows, 2, axis=0))
    (tmp_path / "phases.csv").write_text(
        "video,start_frame,end_frame,phase\na.npy,0,10,up\na.npy,10,30,\x1b[2Jdown\nother,0,5,x\n"
    )
    return tmp_path


def arguments(folder, *more, source="slow.npy"):
    return [str(folder / source), "--reference", str(folder / "a.npy"), "--encoder", "e", *more]


@pytest.mark.parametrize("batch", ["1", "7", "100"])
def test_one_line_a_frame(clips, capsys, batch):
    more = ("--json", "--batch", batch, "--phases", str(clips / "phases.csv"))
    assert follow.main(arguments(clips, *more)) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    records = [json.loads(line) for line in shown.out.splitlines()]
    assert [record["frame"] for record in records] == list(range(60))
    found = np.array([record["reference_frame"] for record in records])
    assert np.abs(found - np.arange(60) // 2).max() <= 1
    assert records[30]["time"] == pytest.approx(30 / 25)
    assert records[30]["reference_time"] == pytest.approx(found[30] / 25)
    assert [record["phase"] for record in records] == [
        "up" if frame < 10 else "\x1b[2Jdown" for frame in found
    ]
    assert not any(record["off_script"] for record in records)


def test_an_encoder_that_carries_its_context_sees_each_frame_once(clips):
    class Streaming(FakeEncoder):
        chunks = ()

        def embed(self, frames):
            raise AssertionError("the frames of its context would be embedded again")

        def embed_stream(self, frames, chunk=None):
            for frame in frames:
                self.chunks += (chunk,)
                yield frame[None]

    rows, encoder = np.load(clips / "a.npy"), Streaming()
    found = [*follow_source(encoder, clips / "a.npy", OnlineAligner(rows), batch=3)]
    assert [position.frame for _, position in found] == list(range(30))
    assert [timestamp for timestamp, _ in found] == pytest.approx(np.arange(30) / 25)
    assert encoder.chunks == (3,) * 30


def test_without_a_terminal_a_line_a_change(clips, capsys):
    assert follow.main(arguments(clips, "--phases", str(clips / "phases.csv"))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4  # two phases, the last frame, the count
    assert lines[0].endswith("up")
    assert lines[1].endswith("\\x1b[2Jdown")  # a label cannot move the cursor
    assert lines[-1] == "60 frames followed"


def test_where_the_reference_has_no_phase(clips, capsys):
    labels = clips / "gap.csv"
    labels.write_text("video,start_frame,end_frame,phase\na.npy,0,10,up\na.npy,20,30,down\n")
    assert follow.main(arguments(clips, "--phases", str(labels), "--json")) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    frames = [record["reference_frame"] for record in records]
    assert [record["phase"] for record in records] == [
        "up" if frame < 10 else None if frame < 20 else "down" for frame in frames
    ]
    assert follow.main(arguments(clips, "--phases", str(labels))) == 0
    count = sum(10 <= frame < 20 for frame in frames)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"60 frames followed, {count} of them where the reference has no phase"


@pytest.mark.parametrize("name", ["a.vtt", "other.vtt", "other.txt"])
def test_subtitles_are_the_references(clips, capsys, name):
    cue = "phases\t0.2\t0.4\t0.2\tup\n"
    if name.endswith("vtt"):
        cue = "WEBVTT\n\n00:00.200 --> 00:00.400\nup\n"
    (clips / name).write_text(cue)
    assert follow.main(arguments(clips, "--phases", str(clips / name), "--json")) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["phase"] for record in records] == [
        "up" if 0.2 <= record["reference_time"] < 0.4 else None for record in records
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_one_line_that_is_written_over():
    out, rows = Terminal(), np.eye(3)
    aligner = OnlineAligner(rows)
    positions = ((frame / 25, aligner.update(row)) for frame, row in enumerate(rows))
    follow._screen(positions, np.arange(3) / 25, out)
    text = out.getvalue()
    assert text.count("\n") == 2
    assert text.count("\r") == 3
    assert "0.08 of 0.08 s" in text


def test_a_narrow_terminal_and_one_that_is_interrupted(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    out = Terminal()

    def positions():
        yield 0.0, OnlineAligner(np.eye(3)).update(np.ones(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow._screen(positions(), np.arange(3) / 25, out)
    (line,) = out.getvalue().removeprefix("\r").splitlines()
    assert len(line) == 29  # it is not wrapped
    assert out.getvalue().endswith("\n")  # what is said of it has a line of its own


def test_leaving_the_script_is_said(clips, capsys):
    rows = np.load(clips / "slow.npy")
    rows[30:] = (0.0, -3.0)
    np.save(clips / "wild.npy", rows)
    assert follow.main(arguments(clips, source="wild.npy")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith("OFF SCRIPT: in no part of the reference") for line in lines)
    assert re.fullmatch(
        r"60 frames followed, [23]\d of them in no part of the reference", lines[-1]
    )


def leaving(rows):
    """Return rows of a performer that leaves, does something else for a while, and comes back."""
    return np.concatenate([rows[:12], np.zeros((30, 2), np.float32), rows[12:]])


@contextlib.contextmanager
def piped(data):
    """Give standard input these bytes, through a pipe."""
    reading, writing = os.pipe()
    kept = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)
    os.write(writing, data)
    os.close(writing)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def as_npy(rows):
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


def as_lines(rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows.tolist()).encode()


def without_encoder(folder, *more, source="-"):
    return [source, "--reference", str(folder / "a.npy"), *more]


@pytest.mark.parametrize("form", [as_lines, as_npy])
def test_rows_on_standard_input_that_leave_the_reference_and_come_back(clips, capsys, form):
    rows = np.load(clips / "a.npy")
    options = ("--phases", str(clips / "phases.csv"))
    with piped(form(leaving(rows))):
        assert follow.main(without_encoder(clips, "--json", *options)) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    records = [json.loads(line) for line in shown.out.splitlines()]
    assert [record["frame"] for record in records] == list(range(60))
    assert [record["reference_frame"] for record in records[:12]] == list(range(12))
    off = np.array([record["off_script"] for record in records])
    assert not off[:12].any()
    assert off[22:42].all()
    assert not off[-5:].any()
    assert [record["phase"] is None for record in records] == off.tolist()
    assert records[-1]["reference_frame"] == 29
    assert records[-1]["phase"] == "\x1b[2Jdown"
    assert all(record["confidence"] < 0.5 for record in records if record["off_script"])

    with piped(form(leaving(rows))):
        assert follow.main(without_encoder(clips, *options)) == 0
    lines = capsys.readouterr().out.splitlines()
    states = [line.partition("sure")[2].strip() for line in lines[:-2]]
    assert states == ["up", "\\x1b[2Jdown", follow.OFF_SCRIPT, "\\x1b[2Jdown"]
    assert lines[-1] == f"60 frames followed, {off.sum()} of them in no part of the reference"


def test_rows_go_through_an_encoder(clips, capsys, monkeypatch):
    batches = []
    embed = FakeEncoder.embed

    def counted(self, frames):
        batches.append(len(frames))
        return embed(self, frames)

    monkeypatch.setattr(FakeEncoder, "embed", counted)
    slow = np.load(clips / "slow.npy")
    assert follow.main(arguments(clips, "--json")) == 0
    expected = capsys.readouterr().out
    for form in (as_lines, as_npy):
        batches.clear()
        with piped(form(slow)):
            assert follow.main(["-", *arguments(clips, "--json")[1:]]) == 0
        assert capsys.readouterr().out == expected
        assert batches[-1] <= 3  # a row with its context: none waits for others
    with piped(as_lines(slow)):
        assert follow.main(["-", *arguments(clips, "--json", "--batch", "20")[1:]]) == 0
    assert capsys.readouterr().out == expected
    assert max(batches[-3:]) >= 20


def test_a_file_of_rows_without_an_encoder_and_times_of_lines(clips, capsys):
    given = without_encoder(clips, "--json", source=str(clips / "slow.npy"))
    assert follow.main(given) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["reference_frame"] for record in records] == [*np.arange(60) // 2]
    rows = np.load(clips / "a.npy").tolist()
    data = "".join(
        json.dumps({"time": 7 + 0.5 * number, "row": row}) + "\n" for number, row in enumerate(rows)
    )
    with piped(data.encode()):
        assert follow.main(without_encoder(clips, "--json")) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["time"] for record in records] == [0.5 * number for number in range(30)]


def test_wrong_rows_are_one_line(clips, capsys):
    rows = np.load(clips / "a.npy")
    for data, line in (
        (as_lines(rows[:3]) + b"[1.0]\n", "row 3: holds 1 numbers, but row 0 holds 2"),
        (as_lines(rows[:3]) + b"[NaN, 1]\n", "row 3: feature 0 is nan, not finite"),
        (as_lines(rows[:3]) + b"[1, \n", "row 3: not JSON ("),
        (as_npy(rows)[:-1], "row 29: cut off; the array has 30 rows of 2 numbers"),
        (b"[1, 2, 3]\n", "has rows of 3 numbers, but the reference 2"),
        (b"text", "does not open ("),
        (b"1,2\n", "rows must be lines of JSON, as in [0.1, 0.2], or a .npy array, got text"),
    ):
        for given in (without_encoder(clips), ["-", *arguments(clips)[1:]]):
            if "has rows" in line and "--encoder" in given:
                line = "not what the encoder takes: rows of 2 features; the clip has rows of 3"
            with piped(data):
                assert follow.main(given) == 2
            shown = capsys.readouterr().err
            assert shown.startswith(f"tacref follow: standard input: {line}")
            assert shown.count("\n") == 1


def test_pictures_need_an_encoder(clips, capsys):
    video, stream = clips / "v.mp4", clips / "v.mkv"
    for path in (video, stream):
        write_video(path, [np.zeros((32, 32, 3), np.uint8)] * 3)
    reference = ["--reference", str(clips / "a.npy")]
    rows_only = "needs --encoder; without one, rows of numbers are compared, from .npy"
    for given, line in (
        ([str(video), *reference], f"{video}: {rows_only}"),
        (["-", "--reference", str(video)], f"{video}: {rows_only}"),
        (["0", *reference], "0: has pictures, which need --encoder"),
        (["rtsp://me:word@host/a", *reference], "rtsp://***@host/a: has pictures, which need"),
        (["-", *reference], "standard input: has pictures, which need an encoder"),
    ):
        with piped(stream.read_bytes()):
            assert follow.main(given) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith(f"tacref follow: {line}")
        assert shown.err.count("\n") == 1


def test_a_video_on_standard_input(clips, capsys, monkeypatch):
    class Pictures:
        config = EncoderConfig.default("small", offsets=(0,))

        def embed(self, frames):
            return frames.mean(axis=(1, 2)).astype(np.float32)

    monkeypatch.setattr(follow, "open_encoder", lambda path, device: Pictures())
    video = clips / "v.mkv"
    levels = range(0, 200, 20)
    write_video(video, [np.full((32, 32, 3), level, np.uint8) for level in levels])
    kept = os.dup(0)
    try:
        with video.open("rb") as file:
            os.dup2(file.fileno(), 0)
        status = follow.main(["-", "--reference", str(video), "--encoder", "e", "--json"])
    finally:
        os.dup2(kept, 0)
        os.close(kept)
    assert status == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["reference_frame"] for record in records] == list(range(10))


def test_it_ends_when_nobody_reads(clips, monkeypatch):
    taken = []

    def positions():
        aligner = OnlineAligner(np.eye(3))
        for frame in range(100):
            taken.append(frame)
            yield frame / 25, aligner.update(np.ones(3))

    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError("nobody reads")

    for show in (follow._lines, follow._screen):
        taken.clear()
        show(positions(), np.arange(3) / 25, Output(Closed()))
        assert taken == [0]


def test_refusals_are_one_line(clips, capsys):
    write_video(clips / "v.mp4", [np.zeros((32, 32, 3), np.uint8)] * 3)
    np.save(clips / "inf.npy", np.repeat([1, 3e38], (5, 5))[:, None].repeat(2, axis=1))
    (clips / "end.csv").write_text("video,start_frame,end_frame,phase\na.npy,0,40,up\n")
    (clips / "none.csv").write_text("video,start_frame,end_frame,phase\nb.npy,0,10,up\n")
    for given, line in (
        (arguments(clips, source="none.mp4"), f"{clips / 'none.mp4'}: no such file or folder"),
        (arguments(clips, source="v.mp4"), f"{clips / 'v.mp4'}: not what the encoder takes"),
        (
            arguments(clips, source="inf.npy"),
            f"{clips / 'inf.npy'}: frame 5: embedding must",
        ),
        (["/dev/video99", *arguments(clips)[1:]], "camera /dev/video99: does not open"),
        (arguments(clips, "--batch", "0"), "argument --batch: must be >= 1, got 0"),
        (
            arguments(clips, "--phases", str(clips / "end.csv")),
            f"{clips / 'end.csv'}: line 2: the phases of 'a.npy' end at frame 40, but the clip has",
        ),
        (
            arguments(clips, "--phases", str(clips / "none.csv")),
            f"{clips / 'none.csv'}: has no phases of 'a.npy', the reference",
        ),
    ):
        assert follow.main(given) == 2
        shown = capsys.readouterr()
        assert shown.out == "" or "inf.npy" in line  # the frames before it were followed
        assert shown.err.startswith(f"tacref follow: {line}")
        assert shown.err.count("\n") == 1


def test_cost_and_steps(clips, capsys):
    assert follow.main(arguments(clips, "--json", "--cost", "cosine", "--steps", "asymmetric")) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    encoder = FakeEncoder()
    rows = [encoder.embed(np.load(clips / name)) for name in ("a.npy", "slow.npy")]
    aligner = OnlineAligner(rows[0], cost="cosine", steps="asymmetric")
    positions = [aligner.update(row) for row in rows[1]]
    assert [record["reference_frame"] for record in records] == [each.frame for each in positions]
    assert [record["cost"] for record in records] == [each.cost for each in positions]
    for options, line in (
        (("--steps", "steep"), "argument --steps: steps must be any, slope, asymmetric, or"),
        (("--cost", "far"), "argument --cost: invalid choice: 'far'"),
    ):
        assert follow.main(arguments(clips, *options)) == 2
        assert capsys.readouterr().err.startswith(f"tacref follow: {line}")
