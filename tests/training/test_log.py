"""Where stderr is no terminal, lines say how far a run is, and nothing else is on stdout."""

import json
import re

from tacref.commands import main
from tacref.training import log
from tests.training.training_data import OPTIONS


def test_lines_of_a_run(sequences, tmp_path, capsys):
    run = tmp_path / "run"
    options = ["--data", str(sequences), "--out", str(run), *OPTIONS, "--steps", "3", "--json"]
    assert main(["train", *options]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["steps"] == 3
    title, first = err.splitlines()
    assert title == (
        f"training {run}: encoder features, recipe features, loss lav, 3 steps of 4 pairs; "
        f"{sequences}: 6 clips, 3 held out; on cpu in 1 process"
    )
    assert re.fullmatch(r"step 1 of 3: loss \S+, alignment \S+, .*lr 0\.001", first)


def test_a_bar_is_enough(sequences, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tacref.training.loop.shows_bars", lambda: True)
    options = ["--data", str(sequences), "--out", str(tmp_path / "run"), *OPTIONS, "--steps", "2"]
    assert main(["train", *options]) == 0
    assert capsys.readouterr().err == ""


def test_a_line_every_so_often(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    progress = log.ProgressLog(100)
    for done in range(21, 31):
        progress.step(done, {"loss": done / 8})
        now[0] += 10
    assert capsys.readouterr().err.splitlines() == [
        "step 21 of 100: loss 2.625",
        "step 24 of 100: loss 3, about 12:40 left",
        "step 27 of 100: loss 3.375, about 12:10 left",
        "step 30 of 100: loss 3.75, about 11:40 left",
    ]


def test_nobody_reads_it(monkeypatch):
    class Gone:
        def write(self, text):
            raise OSError(5, "Input/output error")

        def flush(self):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("sys.stderr", Gone())
    log.say("lost")
