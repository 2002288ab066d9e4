"""An environment with `tacref[deploy-cpu]` alone, without torch, embeds and aligns two videos."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from tacref.data import write_video
from tacref_export import EncoderSession
from tests.export.exported_encoders import clip

ROOT = Path(__file__).resolve().parents[2]


def run(*command, cwd, timeout=300):
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_videos_without_torch(exported, tmp_path):
    path = exported["small"].path
    session = EncoderSession(path)
    for name, seed, length in (("a", 0, 20), ("b", 1, 26)):
        write_video(tmp_path / f"{name}.mp4", clip(session.config, length, 48, 64, seed=seed))

    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    # Python compiles what is imported; to compile all packages takes longer than the rest.
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    run(python, *install, "-c", ROOT / "constraints.txt", f"{ROOT}[deploy-cpu]", cwd=tmp_path)

    run(python, "-m", "tacref", "embed", path, "a.mp4", "b.mp4", "-o", "rows", cwd=tmp_path)
    with np.load(tmp_path / "rows" / "a.npz") as saved:
        expected = session.embed_video(tmp_path / "a.mp4")[0]
        np.testing.assert_allclose(saved["embeddings"], expected, atol=1e-6)
    run(
        python, "-m", "tacref", "align", "a.mp4", "b.mp4", "--encoder", path, "-o", "aligned",
        cwd=tmp_path,
    )  # fmt: skip
    record = json.loads((tmp_path / "aligned" / "alignment.json").read_text("utf-8"))
    (alignment,) = record["alignments"]
    assert alignment["path"][0] == [0, 0]
    assert alignment["path"][-1] == [19, 25]
    assert (tmp_path / "aligned" / "report.html").stat().st_size > 1000
    inspected = run(python, "-m", "tacref_export", "inspect", path, "--json", cwd=tmp_path)
    assert json.loads(inspected)["encoder"]["name"] == "small"
    listed = run(python, "-m", "pip", "list", "--format=json", cwd=tmp_path)
    names = {package["name"].lower() for package in json.loads(listed)}
    assert not {"torch", "onnx", "onnxscript", "onnxruntime-gpu"} & names
