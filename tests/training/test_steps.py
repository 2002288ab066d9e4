"""One step: micro-batches, precision, frozen backbones, masks of pairs, where the time goes."""

import json
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from tacref.commands import main
from tacref.data import PairDataset, find_clips
from tacref.data.synthetic import make_dataset
from tacref.encoder import EncoderConfig, build_encoder, load_encoder
from tacref.reference import sequence_contrastive_loss
from tacref.text_files import read_metrics
from tacref.training import METRICS, Settings, train
from tacref.training.distributed import Ranks
from tacref.training.dropout import DropoutMasks, PairDropout, dropout_by_pair
from tacref.training.metrics import Metrics
from tacref.training.optimizer import make_optimizer
from tacref.training.step import Stepper, threads_for
from tacref.training.stopwatch import PARTS
from tests.training.training_data import losses_of, run_of


@pytest.fixture(scope="module")
def plain(sequences, tmp_path_factory):
    return run_of(sequences, tmp_path_factory.mktemp("plain") / "run")


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        (["--accumulate", "4"], 1e-5),  # sums in another order
        (["--precision", "bf16"], 3e-2),  # 8 bits of a number
        (["--precision", "fp16"], 1e-2),  # 11 bits
        (["--clip-norm", "1e9"], 1e-6),  # never reached
        (["--workers", "2"], 0),
    ],
)
def test_other_ways_to_the_same(sequences, plain, tmp_path, options, tolerance):
    run = run_of(sequences, tmp_path / "run", *options)
    curve, wanted = losses_of(run), losses_of(plain)
    assert list(curve.values()) == pytest.approx(list(wanted.values()), rel=tolerance, abs=0)
    if "--precision" in options:
        assert curve != wanted  # it was used
    assert all(value.dtype == torch.float32 for value in load_encoder(run).state_dict().values())


def test_two_views(tmp_path):
    """In the loss with its weight, on each clip against itself, and the same in micro-batches."""
    data = make_dataset(tmp_path / "data", train=3, val=2, size=32)
    shared = ["train", "--data", str(data), "--size", "32", "--pairs", "2", "--frames", "6"]
    shared += ["--steps", "3", "--lr", "1e-3", "--alpha", "0.1", "--view-weight", "2"]
    lines = {}
    for name, options in (
        ("whole", []),
        ("parts", ["--accumulate", "2"]),
        ("wide", ["--view-sigma", "4"]),
    ):
        run = tmp_path / name
        assert main([*shared, "--out", str(run), *options]) == 0
        lines[name] = [line for line in read_metrics(run / METRICS) if "loss" in line]
    for one, other in zip(lines["whole"], lines["parts"], strict=True):
        terms = one["alignment"] + 0.1 * one["regularizer"] + 2 * one["views"]
        assert one["loss"] == pytest.approx(terms, rel=1e-4)
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["views"] == pytest.approx(other["views"], rel=1e-3)
    # The first step's embeddings, with the term computed clip by clip.
    config = EncoderConfig.default("small", size=32)
    dataset = PairDataset(
        find_clips(data, "train"), offsets=config.offsets, frames=6, pairs=2, size=32, views=2
    )
    batch, encoder = dataset.batch(0), build_encoder(config).train()
    masks = DropoutMasks(0, "cpu")
    with dropout_by_pair(encoder, masks), torch.inference_mode():
        masks.begin_micro_batch(0, [0, 1, 2, 3])
        embeddings = encoder(torch.from_numpy(batch.frames), torch.from_numpy(batch.windows))
    rows, times = embeddings.double().numpy(), batch.times
    for name, sigma in (("whole", 1.5), ("wide", 4.0)):
        values = [
            sequence_contrastive_loss(
                rows[side, pair],
                rows[side, pair + 2],
                sigma=sigma,
                times_x=times[side, pair],
                times_y=times[side, pair + 2],
            )
            for side in range(2)
            for pair in range(2)
        ]
        assert lines[name][0]["views"] == pytest.approx(np.mean(values), rel=1e-4)


def test_views_of_dataset_and_settings_agree(tmp_path):
    clips = find_clips(make_dataset(tmp_path / "data", train=2, val=2, size=32), "train")
    config = EncoderConfig.default("small", size=32, dim=4)
    for views, weight in ((1, 1.0), (2, 0.0)):
        dataset = PairDataset(clips, offsets=config.offsets, pairs=2, size=32, views=views)
        settings = Settings(steps=1, lr=1e-3, pairs=2, view_weight=weight)
        with pytest.raises(ValueError, match=rf"views must be {3 - views} .*, got {views}"):
            train(build_encoder(config), dataset, {}, tmp_path / "run", settings)


def test_noise_is_for_features(sequences, tmp_path, capsys):
    folder = tmp_path / "run"
    clips = make_dataset(tmp_path / "data", train=2, val=2, size=32)
    assert main(["train", "--data", str(clips), "--out", str(folder), "--noise", "0.1"]) == 2
    message = "noise is for the encoders features and frozen, not for 'small', got 0.1"
    assert message in capsys.readouterr().err
    assert not folder.exists()
    options = ["--data", str(sequences), "--steps", "2", "--seed", "1"]
    losses = []
    for noise in ("0", "0.5", "0.5"):
        out = tmp_path / f"{len(losses)}"
        assert main(["train", *options, "--out", str(out), "--noise", noise]) == 0
        assert json.loads((out / "config.json").read_text())["training"]["noise"] == float(noise)
        losses.append(losses_of(out))
    assert losses[0] != losses[1] == losses[2]
    with pytest.raises(ValueError, match=r"noise must be finite and >= 0, got -1\.0"):
        Settings(steps=1, lr=1.0, pairs=1, noise=-1.0)


def test_views_are_refused(sequences, tmp_path, capsys):
    options = ["--data", str(sequences), "--out", str(tmp_path / "run"), "--view-weight", "1"]
    assert main(["train", *options]) == 2
    assert "view_weight is for pictures, not for feature arrays, got 1.0" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"view_weight must be finite and >= 0, got -1\.0"):
        Settings(steps=1, lr=1.0, pairs=1, view_weight=-1.0)
    with pytest.raises(ValueError, match="view_sigma must be finite and > 0, got 0"):
        Settings(steps=1, lr=1.0, pairs=1, view_sigma=0)


@pytest.mark.parametrize(
    "options",
    [
        ["--clip-norm", "0.01"],
        ["--optimizer", "adamw", "--weight-decay", "1"],
        ["--warmup", "3"],
        ["--schedule", "constant"],
        ["--loss", "tcc"],
    ],
)
def test_options_of_the_optimizer_matter(sequences, plain, tmp_path, options):
    run = run_of(sequences, tmp_path / "run", *options)
    assert losses_of(run)[5] != losses_of(plain)[5]


def small_batch(tmp_path, name, **more):
    """A stepper of an encoder on pictures, and a batch for it."""
    rng = np.random.default_rng(0)
    from tacref.data import write_video

    for clip in range(2):
        frames = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
        write_video(tmp_path / "data" / "train" / f"{clip}.mp4", frames)
    config = EncoderConfig.default(name, size=32, dim=8)
    dataset = PairDataset(
        find_clips(tmp_path / "data", "train"),
        offsets=config.offsets,
        frames=3,
        pairs=1,
        size=32,
    )
    dataset.check()
    encoder = build_encoder(config)
    stepper = Stepper(encoder, Settings(steps=3, lr=0.1, pairs=1, frames=3, **more), Ranks())
    stepper.train_mode()
    return encoder, stepper, dataset.batch(0)


def test_a_frozen_backbone_stays(tmp_path):
    encoder, stepper, batch = small_batch(tmp_path, "resnet50", freeze_backbone=True)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with dropout_by_pair(encoder, stepper.dropout_masks):
        stepper.step(0, [batch])
    changed = {
        name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])
    }
    assert not any(name.startswith("backbone") for name in changed)  # batch statistics, too
    assert any(name.startswith("head") and "running_mean" in name for name in changed)
    assert encoder.backbone.conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_groups_of_weights(tmp_path):
    encoder = build_encoder(EncoderConfig.default("small", size=32))
    settings = Settings(steps=1, lr=0.1, pairs=1, backbone_lr=0.01, weight_decay=0.5)
    groups = {
        (group["lr"], group["weight_decay"]): {id(weight) for weight in group["params"]}
        for group in make_optimizer(encoder, settings).param_groups
    }
    for name, weight in encoder.named_parameters():
        lr = 0.01 if name.startswith("backbone") else 0.1
        decayed = name.endswith("weight") and weight.ndim > 1
        assert id(weight) in groups[lr, 0.5 if decayed else 0.0], name


def test_the_backbone_is_compiled_when_asked(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, **options: compiled.append(self))
    encoder, _, _ = small_batch(tmp_path, "small", compile=True)
    assert compiled == [encoder.backbone]


def test_masks_belong_to_pairs():
    whole, second = DropoutMasks(3, "cpu"), DropoutMasks(3, "cpu")
    rows = torch.ones(2 * 4 * 5, 200)
    whole.begin_micro_batch(7, range(4))
    mask = whole.mask(rows, 0.9).reshape(2, 4, 5, 200)
    assert mask.float().mean() == pytest.approx(0.9, abs=0.02)  # 8,000 draws
    second.begin_micro_batch(7, range(2, 4))
    torch.testing.assert_close(second.mask(rows[:20], 0.9).reshape(2, 2, 5, 200), mask[:, 2:])
    second.begin_micro_batch(8, range(2, 4))
    assert not torch.equal(second.mask(rows[:20], 0.9).reshape(2, 2, 5, 200), mask[:, 2:])
    assert not torch.equal(mask[:, 0], mask[:, 1])


def test_dropout_is_put_back(tmp_path):
    encoder = build_encoder(EncoderConfig.default("features", channels=4))
    kinds = [type(module) for module in encoder.modules()]
    masks = DropoutMasks(0, "cpu")
    with dropout_by_pair(encoder, masks):
        assert sum(isinstance(module, PairDropout) for module in encoder.modules()) == 2
        rows = torch.ones(6, 4)
        assert torch.equal(PairDropout(0.5, masks).eval()(rows), rows)
        masks.begin_micro_batch(0, range(1))
        assert set(PairDropout(0.5, masks)(rows).flatten().tolist()) == {0.0, 2.0}
    assert [type(module) for module in encoder.modules()] == kinds


def test_where_the_time_goes(sequences, tmp_path, capsys):
    run_of(sequences, tmp_path / "run", "--json")
    result = json.loads(capsys.readouterr().out)["milliseconds"]
    assert set(result) == {"step", *PARTS}
    assert sum(result[part] for part in PARTS) == pytest.approx(result["step"], abs=0.01)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert result in [json.loads(line).get("milliseconds") for line in lines]
    run_of(sequences, tmp_path / "again")
    assert "ms: decode " in capsys.readouterr().out


def test_events_where_tensorboard_is_installed(sequences, tmp_path, monkeypatch):
    written = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            written.append((folder.name, purge_step))

        def add_scalar(self, tag, value, step):
            written.append((tag, step))

        def close(self):
            written.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    run_of(sequences, tmp_path / "run")
    assert written[0] == ("tensorboard", 1)
    assert written[-1] == "closed"
    assert {("loss", 1), ("loss", 5), ("tau/all", 0), ("mean_tau", 5), ("lr", 3)} <= set(written)


def test_no_events_where_tensorboard_is_a_folder_or_broken(tmp_path, monkeypatch, capsys):
    folder = types.ModuleType("tensorboard")  # as Python imports a folder in the current one
    monkeypatch.setitem(sys.modules, "tensorboard", folder)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    Metrics(tmp_path).close()
    assert not capsys.readouterr().err
    folder.__version__ = "broken"
    Metrics(tmp_path).close()
    assert "no events are written: TensorBoard does not load" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    ("encoder", "options", "chunk"),
    [
        ("small", {}, 64),
        ("small", {"compile": True}, 0),
        ("small", {"precision": "bf16"}, 0),
        ("resnet50", {}, 0),  # its batch statistics are those of all frames
    ],
)
def test_where_frames_are_computed_in_chunks(tmp_path, monkeypatch, encoder, options, chunk):
    monkeypatch.setattr(nn.Module, "compile", lambda self: None)
    built, _, _ = small_batch(tmp_path, encoder, **options)
    assert built.chunk == chunk


def test_threads_share_chunks_in_a_step_alone(tmp_path):
    encoder, stepper, batch = small_batch(tmp_path, "small")
    before, seen = torch.get_num_threads(), []
    encoder.backbone.register_forward_hook(lambda *call: seen.append(torch.get_num_threads()))
    with (
        dropout_by_pair(encoder, stepper.dropout_masks),
        threads_for(encoder, stepper.settings),
    ):
        assert (encoder.chunk_threads, torch.get_num_threads()) == (before, 1)
        stepper.step(0, [batch])
    assert (encoder.chunk_threads, torch.get_num_threads()) == (1, before)
    assert set(seen) == {1}
