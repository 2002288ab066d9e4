"""The whole road on a small activity, shortened: train, evaluate, export, align, report."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from tacref.commands import main
from tacref.commands.demo import QUICK_ENCODER
from tacref.commands.demo import main as demo


@pytest.mark.timeout(900)
def test_demo_and_what_it_leaves(small_activity, tmp_path, capsys):
    out = tmp_path / "demo"
    assert demo(["--out", str(out), "--steps", "3"]) == 0
    shown = capsys.readouterr().out
    for line in ("untrained", "trained", "ONNX file", "Report"):
        assert line in shown.splitlines()[-5:].__str__()
    assert (out / "alignment" / "report.html").stat().st_size > 50_000
    (record,) = json.loads((out / "alignment" / "alignment.json").read_text())["alignments"]
    assert record["path"][0] == [0, 0]
    assert record["path"][-1] == [len(record["times_x"]) - 1, len(record["times_y"]) - 1]

    # From the run and from the ONNX file: the same embeddings, the same tau.
    clip = out / "run" / "data" / "val" / "clip_000.mp4"
    rows = []
    for name in ("run", "encoder.onnx"):
        folder = tmp_path / f"embeddings-{name}"
        assert main(["embed", str(out / name), str(clip), "-o", str(folder)]) == 0
        with np.load(folder / "clip_000.npz") as saved:
            rows.append(saved["embeddings"])
            assert saved["timestamps"].shape == (len(rows[-1]),)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)
    capsys.readouterr()
    taus = []
    for name in ("run", "encoder.onnx"):
        arguments = ["evaluate", str(out / name), "--data", str(out / "run" / "data")]
        assert main([*arguments, "--stride", "2", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["stride"] == 2
        taus.append(report["mean_tau"])
    assert abs(taus[0] - taus[1]) < 1e-3

    assert demo(["--out", str(out), "--quick"]) == 2
    assert "output folder is not empty" in capsys.readouterr().err
    assert demo(["--out", str(out)]) == 2
    assert "output folder is not empty" in capsys.readouterr().err


def test_quick_demo_needs_no_torch(tmp_path):
    """The encoder in the package aligns two clips it was not trained on, phase by phase."""
    out = tmp_path / "demo"
    arguments = ["demo", "--quick", "--out", str(out)]
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"from tacref.commands import main; sys.exit(main({arguments}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    assert (out / "alignment" / "report.html").stat().st_size > 50_000
    (record,) = json.loads((out / "alignment" / "alignment.json").read_text())["alignments"]
    truth = []
    for name in ("clip_000.mp4", "clip_001.mp4"):
        with (out / "data" / "val" / "progress.csv").open() as file:
            rows = [float(row["progress"]) for row in csv.DictReader(file) if row["video"] == name]
        truth.append(np.array(rows))
    i, j = np.array(record["path"]).T
    assert np.abs(truth[0][i] - truth[1][j]).mean() < 0.05


def test_quick_encoder_is_small():
    assert QUICK_ENCODER.stat().st_size <= 300 * 1024


@pytest.mark.parametrize("found", [True, False])
def test_open_shows_the_report(tmp_path, monkeypatch, capsys, found):
    shown = []
    monkeypatch.setattr("webbrowser.open", lambda url: shown.append(url) or found)
    out = tmp_path / "a folder"
    assert demo(["--out", str(out), "--quick", "--open"]) == 0
    assert shown == [(out / "alignment" / "report.html").resolve().as_uri()]
    error = capsys.readouterr().err
    report = out / "alignment" / "report.html"
    assert error == ("" if found else f"no browser was found: open {report} in any\n")
