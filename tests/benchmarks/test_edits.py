"""The measurement of steps on edited clips: which frames are shown, errors by hand, a small run."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from benchmarks import edits
from benchmarks.edits import Clip, cut, errors, main, make_features, measure, pause
from tacref.encoder import EncoderConfig


class RawFeatures:
    """Feature rows are their own embeddings."""

    config = EncoderConfig.default("features", channels=10, offsets=(0,))

    def embed(self, frames):
        return frames


def test_frames_that_are_shown():
    rng = np.random.default_rng(0)
    shown = pause(40, 12, rng)
    assert len(shown) == 52
    steps = np.diff(shown)
    assert_array_equal(np.unique(steps), [0, 1])
    assert (steps == 0).sum() == 12
    left = cut(40, 12, rng)
    assert len(left) == 28
    assert sorted(np.diff(left))[-2:] == [1, 13]
    assert len(cut(40, 1000, rng)) == 20


def test_errors_by_hand():
    x = Clip(np.arange(5.0)[:, None], np.arange(5.0))
    y = Clip(np.array([[0.0], [1], [1], [2], [3], [4]]), np.array([0, 1, 1.5, 2, 3, 4]))
    assert_array_equal(errors(x, y, "any"), [0, 0, 0.5, 0, 0, 0])
    assert errors(x, Clip(y.rows[:2], y.progress[:2]), "slope") is None


def test_a_small_run(tmp_path, capsys, monkeypatch):
    assert main(["--out", str(tmp_path / "data")]) == 0
    assert len(list((tmp_path / "data" / "val").glob("*.npy"))) == 16
    make_features(tmp_path / "small", train=2, val=3)
    monkeypatch.setattr(edits, "LENGTHS", (12,))
    found = list(measure(RawFeatures(), tmp_path / "small" / "val"))
    assert [(edit, steps) for edit, steps, *_ in found] == [
        (edit, steps)
        for edit in ("none", "pause, 12 frames", "cut, 12 frames")
        for steps in edits.STEPS
    ]
    for _, _, failed, pairs, off in found:
        assert 0 <= failed <= pairs == 6
        assert np.isfinite(off).all()
    monkeypatch.setattr(edits, "open_encoder", lambda path: RawFeatures())
    capsys.readouterr()
    assert main(["--encoder", "raw", "--data", str(tmp_path / "small" / "val")]) == 0
    assert capsys.readouterr().out.count("\n") == 2 + 9
    with pytest.raises(SystemExit):
        main(["--encoder", "raw"])
