"""Damaged files, memory that does not suffice, data that changes: nothing lost, cause named."""

import json
import math
import random
import re
import zipfile

import numpy as np
import pytest
import torch

from tacref.commands import main
from tacref.data import PairDataset
from tacref.memory import memory_errors
from tacref.text_files import read_metrics
from tacref.training.checkpoint import load_checkpoint, newest_checkpoint
from tests.training.at_step import call_at_step
from tests.training.training_data import OPTIONS, losses_of, make_features

STEPS = 4


def train(*options):
    return main(["train", *map(str, options)])


@pytest.fixture
def run(sequences_without_val, tmp_path):
    """Return a run with checkpoints at 2 and 4."""
    run = tmp_path / "run"
    options = ["--data", sequences_without_val, *OPTIONS, "--steps", STEPS, "--save-every", 2]
    assert train(*options, "--out", run) == 0
    return run


def equal(a, b):
    if torch.is_tensor(a):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def test_a_bit_anywhere_in_the_headers_of_a_checkpoint(run):
    """Set aside, or read as what it was; 1400 bits in headers and 1400 anywhere, once by hand."""
    path = run / "checkpoints" / f"step-{STEPS:06d}.pt"
    whole = path.read_bytes()

    def read():
        config = json.loads((run / "config.json").read_text())
        saved = torch.load(path, weights_only=True)
        return load_checkpoint(
            path, encoder=config["encoder"], settings=config["training"], data=saved["data"]
        )

    state, chance = read(), random.Random(0)
    with zipfile.ZipFile(path) as archive:
        starts = [archive.start_dir, *(member.header_offset for member in archive.infolist())]
    places = [*range(starts[0], len(whole)), *(s + n for s in starts[1:] for n in range(30))]
    aside = 0
    for place in chance.sample(places, 80):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        if newest_checkpoint(run) == path:
            assert equal(read(), state)
        else:
            path.with_suffix(".damaged").unlink()
            aside += 1
    assert 20 < aside < 80


METRIC = '{"step": 1, "loss": 2.0}\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"step": 2', "not JSON"),
        ("\0\0\0", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "not a JSON object"),
        ('{"step": "2"}', "step must be a whole number from 0 to 1000000000, got '2'"),
        ('{"step": -1}', "step must be a whole number from 0 to 1000000000, got -1"),
        ('{"step": 1e400}', "step must be a whole number from 0 to 1000000000, got inf"),
        ('{"loss": 1}', "step must be a whole number from 0 to 1000000000, got None"),
        ('{"step": 2, "loss": "much"}', "loss must be a number, got 'much'"),
        (f'{{"step": 2, "mean_tau": 1{"0" * 400}}}', "mean_tau must be a number, got 1000"),
    ],
)
def test_damaged_metrics(tmp_path, line, message):
    path = tmp_path / "metrics.jsonl"
    path.write_text(METRIC + line + "\n" + METRIC)
    with pytest.raises(ValueError, match=re.escape(f"{path}: line 2: {message}")):
        read_metrics(path)
    path.write_text(METRIC + line)  # a killed process did not finish it
    assert read_metrics(path) == [json.loads(METRIC)]


def test_a_resumed_run_keeps_its_metrics_or_names_the_line(run, capsys):
    path = run / "metrics.jsonl"
    whole = path.read_text()
    path.write_text(whole.replace('{"step": 2', '{"step": 2000000000', 1))
    before = path.read_bytes()
    assert train("--resume", run) == 2
    assert f"{path}: line 2: step must be" in capsys.readouterr().err.splitlines()[-1]
    assert path.read_bytes() == before
    path.write_text(whole)
    assert train("--resume", run) == 0
    assert list(losses_of(run)) == [1, 2, 3, 4]


def too_much():
    torch.empty(10**15)


def too_much_for_cuda():
    raise torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1 GiB.\nMore"
    )


def too_much_for_numpy():
    np.empty((1 << 20, 1 << 30))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (too_much, "DefaultCPUAllocator: "),
        (too_much_for_cuda, "CUDA out of memory. Tried to allocate 2.00 GiB; "),
        (too_much_for_numpy, "Unable to allocate"),
    ],
)
def test_out_of_memory(sequences_without_val, tmp_path, monkeypatch, capsys, function, message):
    run = tmp_path / "run"
    call_at_step(monkeypatch, 2, function)
    options = ["--data", sequences_without_val, *OPTIONS, "--steps", STEPS, "--save-every", 1]
    assert train(*options, "--out", run) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"tacref train: {message}")
    assert error.endswith(
        "; less is needed with a lower --pairs (now 4), --frames (now 10) or a higher "
        "--accumulate (now 1)"
    )
    monkeypatch.undo()
    assert train("--resume", run) == 0
    assert list(losses_of(run)) == [1, 2, 3, 4]


def test_other_errors_of_torch_stay_what_they_are():
    with pytest.raises(RuntimeError, match="size mismatch"), memory_errors(advice="less"):
        raise RuntimeError("size mismatch")


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:3], "5.npy: has "),
        (lambda rows: np.concatenate([rows, rows])[:, :7], "5.npy: has "),
        (None, "5.npy: not a plain .npy array, or cut off"),
    ],
)
def test_a_feature_file_that_changes(tmp_path, monkeypatch, capsys, kept, change, message):
    """Read whole, or row by row as where the clips do not fit into memory."""
    data = make_features(tmp_path / "data")
    path = data / "train" / "5.npy"

    def rewrite():
        rows = np.load(path)
        if change is None:
            path.write_bytes(path.read_bytes()[:-100])
        else:
            np.save(path, change(rows))
        monkeypatch.undo()

    check = PairDataset.check

    def checked(self, **options):
        check(self, **options)
        if not kept:
            self.cache.max_bytes = 0

    def forget(self, *args, **options):
        self.cache.clear()
        return draw(self, *args, **options)

    draw = PairDataset.batch
    monkeypatch.setattr(PairDataset, "batch", forget)
    monkeypatch.setattr(PairDataset, "check", checked)
    call_at_step(monkeypatch, 1, rewrite)
    run = tmp_path / "run"
    assert train("--data", data, "--out", run, *OPTIONS, "--steps", 40) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"{data}/train/{message}" in error


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 99, "not a run's configuration of format 1"),
        ("step", "x", "step must be a whole number >= 0, got 'x'"),
        ("step", -5, "step must be a whole number >= 0, got -5"),
        ("training.gamma", math.nan, "gamma must be finite and > 0, got nan"),
        ("training.save_minutes", math.inf, "save_minutes must be finite and > 0, got inf"),
    ],
)
def test_a_wrong_config_is_named(run, capsys, key, value, message):
    path = run / "config.json"
    config = json.loads(path.read_text())
    *outer, name = key.split(".")
    (config[outer[0]] if outer else config)[name] = value
    path.write_text(json.dumps(config))
    before = path.read_bytes()
    assert train("--resume", run) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"tacref train: {path}: {message}"
    assert path.read_bytes() == before


def test_an_empty_encoder_is_refused(sequences, tmp_path, capsys):
    assert train("--data", sequences, "--out", tmp_path / "run", "--encoder", "") == 2
    assert "encoder must be one of" in capsys.readouterr().err
