"""`tacref align --deviations`: what it writes, prints and refuses, and its exit status."""

import csv
import json
import re

import numpy as np
import pytest

from benchmarks.deviations import draw_moments, faulty_order, progress_embedding
from tacref.commands import align
from tacref.encoder import EncoderConfig
from tacref.report import videos
from tacref.report.deviations import COLUMNS


class FakeEncoder:
    """Feature rows are their own embeddings."""

    config = EncoderConfig.default("features", channels=32, offsets=(0,))

    def embed(self, frames):
        return frames


@pytest.fixture(autouse=True)
def fake_encoder(monkeypatch):
    monkeypatch.setattr(align, "open_encoder", lambda path, device: FakeEncoder())


@pytest.fixture
def clips(tmp_path):
    """Seven clips of the built-in activity's phases; the last one lacks phase 3."""
    rng = np.random.default_rng(0)
    embed = progress_embedding(0.05)
    for number in range(7):
        moments = draw_moments(faulty_order("none" if number < 6 else "missing", 3), rng)
        np.save(tmp_path / f"{number}.npy", embed(moments, rng).astype(np.float32))
        if number == 0:
            frames = [frame for frame, (phase, _) in enumerate(moments) if phase == 3]
    return tmp_path, frames


def run(folder, *more, count=7):
    files = [str(folder / f"{number}.npy") for number in range(count)]
    return align.main([*files, "--encoder", "e", "-o", str(folder / "out"), *more])


def test_written_shown_and_printed(clips, capsys):
    folder, frames = clips
    assert run(folder, "--deviations") == 0
    printed = capsys.readouterr().out.splitlines()
    (line,) = [line for line in printed if "deviation at" in line]
    with (folder / "out" / "deviations.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == COLUMNS
    (row,) = (dict(zip(header, row, strict=True)) for row in rows)
    assert row["video"] == "6.npy"
    start, end = int(row["reference_start_frame"]), int(row["reference_end_frame"])
    assert abs(start - frames[0]) <= 5
    assert abs(end - 1 - frames[-1]) <= 5
    for name in ("start", "end", "reference_start", "reference_end"):
        assert float(row[f"{name}_seconds"]) == pytest.approx(
            int(row[f"{name}_frame"]) / 25, abs=1e-6
        )
    assert float(row["z"]) > 6
    assert float(row["mean_cost"]) <= float(row["max_cost"])
    assert line == (
        f"  6.npy: deviation at {float(row['start_seconds']):.2f} to "
        f"{float(row['end_seconds']):.2f} s "
        f"(reference: {start / 25:.2f} to {end / 25:.2f} s): z {float(row['z']):.1f}, mean cost "
        f"{float(row['mean_cost']):.3g}"
    )
    report = (folder / "out" / "report.html").read_text()
    assert len(re.findall(r"<h2>Deviations of [B-G]</h2>", report)) == 6
    assert report.count("</h2><p>None.</p>") == 5
    assert f'class="place" data-frame="{start}"' in report
    assert "Deviations of G: 1<" in report
    assert report.count('<rect class="deviation"') == 2  # over A's time and over its own

    (folder / "out").rename(folder / "before")
    assert run(folder, "--deviations", "--json") == 0
    (record,) = json.loads(capsys.readouterr().out)["deviations"]
    assert record.pop("name") == "6.npy"
    assert list(record) == list(COLUMNS[1:])
    assert record["start_frame"] == int(row["start_frame"])
    assert record["z"] == pytest.approx(float(row["z"]), rel=1e-6)


def test_not_sought(clips, capsys):
    folder, _ = clips
    assert run(folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["deviations"] is None
    assert not (folder / "out" / "deviations.csv").exists()
    report = (folder / "out" / "report.html").read_text()
    assert "<h2>Deviations" not in report
    assert "Deviations of" not in report


def test_status_3_after_all_is_written(clips, capsys):
    folder, _ = clips
    assert run(folder, "--deviations", "--fail-on-deviation") == 3
    assert (folder / "out" / "report.html").is_file()
    assert (folder / "out" / "deviations.csv").read_text().count("\n") == 2
    assert capsys.readouterr().err == ""
    (folder / "out").rename(folder / "before")
    more = ("--fail-on-deviation", "--deviation-threshold", "1000")
    assert run(folder, "--deviations", *more) == 0
    assert "no deviations" in capsys.readouterr().out.splitlines()
    assert (folder / "out" / "deviations.csv").read_text().count("\n") == 1


def test_of_a_barycenter_and_of_a_folder(clips, capsys):
    folder, _ = clips
    group = folder / "group"
    group.mkdir()
    for number in range(7):
        (folder / f"{number}.npy").rename(group / f"{number}.npy")
    for more in ((), ("--barycenter",)):
        out = folder / f"out {len(more)}"
        arguments = [str(group), "--encoder", "e", "-o", str(out), "--deviations", "--json", *more]
        assert align.main(arguments) == 0
        records = json.loads(capsys.readouterr().out)["deviations"]
        assert "6.npy" in [record["name"] for record in records]


def test_refusals(clips, capsys, monkeypatch):
    folder, _ = clips
    monkeypatch.setattr(videos, "embed_clip", None)  # never called
    for more, count, line in (
        (("--deviations",), 5, "--deviations compares each clip with 4 others or more besides the "
         "reference: it needs 6 clips, got 5"),
        (("--deviations", "--barycenter"), 4, "--deviations compares each clip with 4 others or "
         "more: it needs 5 clips, got 4"),
        (("--fail-on-deviation",), 7, "--fail-on-deviation needs --deviations"),
        (("--deviation-threshold", "4"), 7, "--deviation-threshold needs --deviations"),
        (("--deviations", "--deviation-threshold", "0"), 7,
         "argument --deviation-threshold: must be finite and > 0, got 0"),
        (("--deviations", "--deviation-threshold", "nan"), 7,
         "argument --deviation-threshold: must be finite and > 0, got nan"),
        (("--deviations", "--deviation-threshold", "high"), 7,
         "argument --deviation-threshold: invalid number value: 'high'"),
    ):  # fmt: skip
        assert run(folder, *more, count=count) == 2
        assert capsys.readouterr().err.startswith(f"tacref align: {line}")
        assert not (folder / "out").exists()
