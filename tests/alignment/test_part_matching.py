"""`tacref align SHORT LONG --part` with costs, steps and label formats: what comes out."""

import json

import numpy as np
import pytest

from tacref.alignment import find_matches
from tacref.commands import align
from tests.alignment.test_align_command import FakeEncoder
from tests.alignment.test_part_command import BEGINS, LENGTH, rows_of, run, write_features

WEIGHTED = "1,1,2 1,0,1 0,1,1"


@pytest.fixture
def fake_encoder(monkeypatch):
    monkeypatch.setattr(align, "open_encoder", lambda path, device: FakeEncoder())


@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean", "cosine", "l1"])
@pytest.mark.parametrize("steps", ["any", "slope", WEIGHTED])
def test_matches_are_those_of_find_matches(cost, steps, tmp_path, capsys, fake_encoder):
    clips = write_features(tmp_path)
    x, y = (np.load(clip).astype(np.float64) for clip in clips)
    options = ["--part", "2", "--cost", cost, "--steps", steps, "--json"]
    assert run(tmp_path, *options, clips=clips) == 0
    printed = json.loads(capsys.readouterr().out)
    listed = [(1, 1, 2), (1, 0, 1), (0, 1, 1)] if steps == WEIGHTED else steps
    expected = find_matches(x, y, matches=2, cost=cost, steps=listed)
    record = json.loads((tmp_path / "out" / "alignment.json").read_text(encoding="utf-8"))
    assert (record["cost"], record["band"], record["band_seconds"]) == (cost, None, None)
    assert record["steps"] == (steps if listed == steps else [list(step) for step in listed])
    for match, own, whole in zip(expected, printed["matches"], record["alignments"], strict=True):
        assert (own["start_frame"], own["end_frame"]) == (match.begin, match.end)
        assert own["cost"] == pytest.approx(match.cost, rel=1e-12)
        assert own["mean_cost"] == pytest.approx(match.mean_cost, rel=1e-12)
        assert whole["path"] == match.path.tolist()
        assert whole["cost_name"] == cost
        # The alignment says the same as the match.
        assert sum(whole["step_costs"]) == pytest.approx(match.cost, rel=1e-12)
        assert whole["mean_cost"] == pytest.approx(match.mean_cost, rel=1e-12)
        assert None not in whole["matches_y"][match.begin : match.end]
    begins = [match.begin for match in expected]
    if cost != "cosine":  # which does not tell lengths, only directions
        assert [begin // 10 for begin in begins] == [begin // 10 for begin in BEGINS]
    assert printed["unlabeled_frames"] == {}


def test_a_report_of_matches_by_steps(tmp_path, fake_encoder):
    assert run(tmp_path, "--part", "2", "--cost", "l1", "--steps", "slope") == 0
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Sum of absolute differences" in text
    assert "NaN" not in text


def test_labels_in_other_formats_and_their_gaps(tmp_path, capsys, fake_encoder):
    clips = write_features(tmp_path)
    (tmp_path / "short.vtt").write_text(
        "WEBVTT\n\n00:00.000 --> 00:00.800\na\n\n00:00.800 --> 00:01.600\nb\n", encoding="utf-8"
    )
    options = ["--part", "--phases", str(tmp_path / "short.vtt"), "--phases-as", "vtt"]
    assert run(tmp_path, *options, "--json", clips=clips) == 0
    printed = json.loads(capsys.readouterr().out)
    # 0.4 seconds of the short clip, ten frames, have no phase; nor what they match in the long one.
    assert printed["unlabeled_frames"]["short.npy"] == 10
    assert 260 - 45 <= printed["unlabeled_frames"]["long.npy"] <= 260 - 35
    written = rows_of(tmp_path / "out" / "phases.csv")
    assert {row["video"] for row in written} == {"short.npy", "long.npy"}
    of_long = [row for row in written if row["video"] == "long.npy"]
    assert [row["phase"] for row in of_long] == ["a", "b"]
    assert int(of_long[0]["start_frame"]) == BEGINS[0]
    assert int(of_long[-1]["end_frame"]) < BEGINS[0] + LENGTH
    assert sorted(path.name for path in (tmp_path / "out" / "phases").iterdir()) == [
        "long.vtt",
        "short.vtt",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--part", "--band", "2s"], "--part and --band exclude each other"),
        (["--part", "--deviations"], "--part and --deviations exclude each other"),
        (
            ["--part", "--steps", "0,1,1"],
            "short.npy in long.npy: steps 0,1,1 never go to another row, but n = 50",
        ),
        (["--part", "--steps", "1,6,1"], "reach at least 6 (n - 1) + 1 = 295 columns for n = 50"),
        (["--part", "--phases-as", "vtt"], "--phases-as needs --phases"),
    ],
)
def test_refusals_before_any_work(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.delattr(align, "open_encoder")
    assert run(tmp_path, *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_steps_that_reach_the_long_clip_only_by_parts(tmp_path, fake_encoder):
    # By slope-limited steps, 50 frames do not reach 260 from corner to corner.
    assert run(tmp_path, "--part", "--steps", "slope") == 0
