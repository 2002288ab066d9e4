"""The whole road on a small activity, shortened: train, evaluate, export, align, report."""

import json

import numpy as np
import pytest

from tacref.commands import main
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

    assert demo(["--out", str(out)]) == 2
    assert "output folder is not empty" in capsys.readouterr().err
