"""`tacref evaluate` on small feature clips: numbers, refusals, shared work, pictures."""

import json
import shutil
import threading

import numpy as np
import pytest

from tacref.commands import evaluate
from tacref.data import find_clips
from tacref.encoder.embedding import embed_clip
from tacref.evaluation import kendall_tau
from tacref.evaluation.baselines import raw_features
from tacref.training.distributed import Ranks
from tacref_export.opening import open_encoder

PHASES = ("down", "up")
HEADER = "video,start_frame,end_frame,phase\n"


def write_clips(folder, seed, lengths):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = []
    for number, n in enumerate(lengths):
        clip = np.linspace(0, 1, n)[:, None] + 0.2 * rng.normal(size=(n, 3))
        np.save(folder / f"{number}.npy", clip.astype(np.float32))
        rows += [f"{number}.npy,0,{n // 2},down\n", f"{number}.npy,{n // 2},{n},up\n"]
    (folder / "phases.csv").write_text(HEADER + "".join(rows))


@pytest.fixture
def data(tmp_path):
    """Two activities with phases in both splits."""
    for number, activity in enumerate(("swing", "throw")):
        write_clips(tmp_path / "data" / "train" / activity, number, (9, 11, 12, 8))
        write_clips(tmp_path / "data" / "val" / activity, 10 + number, (10, 13, 9))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose encoder is not the one of its seed."""
    from tacref.encoder import EncoderConfig, build_encoder, save_encoder

    folder = tmp_path_factory.mktemp("run")
    config = EncoderConfig.default("features", channels=3, offsets=(0,), dim=8)
    save_encoder(build_encoder(config, seed=5), folder, training={"seed": 0}, data=None)
    lines = [{"step": 0, "mean_tau": 0.2}, {"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "lo'
    (folder / "metrics.jsonl").write_text(text)
    return folder


def report(capsys, *arguments):
    assert evaluate.main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    assert evaluate.main([*map(str, arguments)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("tacref evaluate: ")
    return error


def test_report(capsys, data, run):
    found = report(capsys, run, "--data", data, "--stride", 2)
    encoder, clips = open_encoder(run), find_clips(data, "val")
    for activity, members in clips.items():
        rows = [embed_clip(encoder, clip.path)[0] for clip in members]
        assert found["tau"][activity] == pytest.approx(kendall_tau(rows, stride=2), abs=1e-12)
        raw = kendall_tau([np.load(clip.path) for clip in members], stride=2)
        scores = found["activities"]["raw"][activity]
        assert scores["kendall_tau"]["value"] == pytest.approx(raw, abs=1e-12)
    assert found["mean_tau"] == pytest.approx(np.mean(list(found["tau"].values())))
    trained = found["metrics"]["trained"]
    assert trained["kendall_tau"]["value"] == pytest.approx(found["mean_tau"])
    assert trained["kendall_tau"]["low"] <= found["mean_tau"] <= trained["kendall_tau"]["high"]
    assert {"phase_accuracy@10%", "phase_progression", "precision_within@15"} <= trained.keys()
    assert found["metrics"].keys() == {"trained", "untrained", "raw"}
    assert found["metrics"]["untrained"] != trained  # another seed's weights
    assert {"kendall_tau_defined_pairs", "progression_pooled"} <= trained.keys()
    assert {"precision_across_per_video@5", "precision_within_per_video@5"} <= trained.keys()
    assert found["undefined_pairs"]["raw"]["swing"] == {"undefined": 0, "pairs": 6}
    assert found["stride"] == 2
    assert found["clips"] == {"swing": 3, "throw": 3}


def test_table(capsys, data, run):
    for split in ("train", "val"):
        (data / split / "throw" / "phases.csv").unlink()
    assert evaluate.main([str(run), "--data", str(data), "--no-baselines"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Held-out clips of {data / 'val'}: 6; Kendall's tau at stride 1")
    assert lines[2].split() == ["trained"]
    assert any(line.startswith("phase_accuracy@50%") for line in lines)  # of one activity
    assert any(line.startswith("throw (3 clips)") for line in lines)
    assert report(capsys, run, "--data", data)["activities"]["trained"]["throw"].keys() == {
        "kendall_tau", "kendall_tau_defined_pairs", "cycle_error",
    }  # fmt: skip


def test_activities_of_any_name(capsys, data, run):
    try:
        (data / "val" / "throw").rename(data / "val" / "thr\now\x1b[2J")
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    shutil.rmtree(data / "train")
    assert evaluate.main([str(run), "--data", str(data), "--no-baselines"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("thr\\now\\x1b[2J (3 clips)  ") for line in lines)


def test_pairs_without_a_tau_are_counted(capsys, data, run):
    for activity, clips in (("swing", "0"), ("throw", "012")):
        for clip in clips:
            path = data / "val" / activity / f"{clip}.npy"
            np.save(path, np.full_like(np.load(path), int(clip)))
    shutil.rmtree(data / "train")  # no phases to learn
    found = report(capsys, run, "--data", data)
    assert found["undefined_pairs"]["raw"] == {
        "swing": {"undefined": 4, "pairs": 6},
        "throw": {"undefined": 6, "pairs": 6},
    }
    defined = "kendall_tau_defined_pairs"
    swing, throw = (found["activities"]["raw"][name] for name in ("swing", "throw"))
    assert throw["kendall_tau"]["value"] == 0
    assert defined not in throw
    assert found["metrics"]["raw"][defined]["value"] == swing[defined]["value"]
    assert swing[defined]["value"] == pytest.approx(3 * swing["kendall_tau"]["value"])
    assert evaluate.main([str(run), "--data", str(data)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[-3:] for line in lines if line[:4] == ["pairs", "without", "a", "tau"]] == [
        ["10", "of", "12"]
    ]


def test_phases_of_one_split_are_not_learned_from(capsys, data, run):
    for activity in ("swing", "throw"):
        (data / "train" / activity / "phases.csv").unlink()
    metrics = report(capsys, run, "--data", data)["metrics"]["trained"]
    assert "precision_across@5" in metrics
    assert not any(name.startswith("phase") for name in metrics)


def test_training_data_is_refused(capsys, data, run, tmp_path):
    assert "train: is training data" in refused(capsys, run, "--data", data, "--split", "train")
    # The same clip under another name, in another activity.
    val = data / "val" / "swing"
    shutil.copy(data / "train" / "throw" / "1.npy", val / "zebra.npy")
    error = refused(capsys, run, "--data", data)
    assert "zebra.npy: holds the same as the training clip" in error
    assert "throw/1.npy" in error
    (val / "zebra.npy").unlink()
    # The data set the run was trained on lies elsewhere.
    other = tmp_path / "other"
    shutil.copytree(data / "train", other / "train")
    shutil.copytree(run, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config["data"] = 5  # of no use
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    assert evaluate.main([str(tmp_path / "run"), "--data", str(data), "--no-baselines"]) == 0
    config["data"] = str(data)
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    shutil.copytree(data / "train", other / "val")
    shutil.rmtree(other / "train")
    error = refused(capsys, tmp_path / "run", "--data", other)
    assert "holds the same as the training clip" in error
    # Without knowing the run's data nothing can be said against it.
    assert evaluate.main([str(run), "--data", str(other), "--no-baselines"]) == 0
    capsys.readouterr()
    # A clip of the same size is no offense.
    clip = np.load(data / "train" / "swing" / "0.npy")
    np.save(val / "zebra.npy", clip + 1)
    (val / "phases.csv").write_text(
        (val / "phases.csv").read_text() + f"zebra.npy,0,{len(clip)},up\n"
    )
    assert evaluate.main([str(run), "--data", str(data), "--no-baselines"]) == 0


def test_folders_of_pictures_are_compared_by_content(tmp_path):
    from PIL import Image

    from tacref.evaluation.held_out import check_split

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 3, 8, 8, 3), dtype=np.uint8)
    for split, clip, frames in (("train", "a", pictures[0]), ("val", "b", pictures[1])):
        folder = tmp_path / split / clip
        folder.mkdir(parents=True)
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / f"{number}.png")
    check_split(tmp_path, "val")
    shutil.copytree(tmp_path / "train" / "a", tmp_path / "val" / "again")
    with pytest.raises(ValueError, match=r"again: holds the same as the training clip .*a;"):
        check_split(tmp_path, "val")


def test_labels_that_do_not_cover_a_clip(capsys, data, run):
    phases = data / "val" / "throw" / "phases.csv"
    whole = phases.read_text()
    phases.write_text(whole.replace("2.npy,0,4,down\n2.npy,4,9,up\n", ""))
    assert "no phases for '2.npy', frames 0 to 9" in refused(capsys, run, "--data", data)
    phases.write_text(whole.replace("2.npy,4,9,up", "2.npy,4,10,up"))
    error = refused(capsys, run, "--data", data)
    assert "the phases of '2.npy' end at frame 10, but the clip has 9" in error
    # Of the training clips some may be without.
    phases.write_text(whole)
    train = data / "train" / "throw" / "phases.csv"
    train.write_text(HEADER + "0.npy,0,4,down\n0.npy,4,9,up\n")
    metrics = report(capsys, run, "--data", data)["activities"]["trained"]
    assert metrics["throw"]["phase_accuracy@10%"] == metrics["throw"]["phase_accuracy@100%"]


def test_frames_without_a_phase_are_counted_and_not_scored(capsys, data, run):
    whole = report(capsys, run, "--data", data)
    assert whole["unlabeled_frames"] == {
        "swing": {"held_out": 0, "training": 0},
        "throw": {"held_out": 0, "training": 0},
    }
    for split, old, new in (
        ("val", "2.npy,4,9,up", "2.npy,7,9,up"),
        ("train", "0.npy,0,4", "0.npy,1,4"),
    ):
        phases = data / split / "throw" / "phases.csv"
        phases.write_text(phases.read_text().replace(old, new))
    gaps = report(capsys, run, "--data", data)
    assert gaps["unlabeled_frames"]["throw"] == {"held_out": 3, "training": 1}
    trained, before = (each["activities"]["trained"]["throw"] for each in (gaps, whole))
    assert trained["kendall_tau"] == before["kendall_tau"]  # which needs no phases
    assert trained["cycle_error"] == before["cycle_error"]
    for metric in ("phase_accuracy@100%", "phase_progression", "precision_across@5"):
        assert trained[metric] != before[metric]
    assert gaps["activities"]["trained"]["swing"] == whole["activities"]["trained"]["swing"]
    assert evaluate.main([str(run), "--data", str(data), "--no-baselines"]) == 0
    assert (
        "Frames without a phase, which count in no score of phases: 3 held out, 1 of training clips"
        in capsys.readouterr().out
    )


def test_a_stride_beyond_the_clips(capsys, data, run):
    error = refused(capsys, run, "--data", data, "--stride", 2**63)
    assert f"--stride must be < 13, the frames of the longest clip of {data / 'val' / 'swing'}" in (
        error
    )


def test_pictures(capsys, data, run, tmp_path):
    folder = tmp_path / "plots"
    found = report(capsys, run, "--data", data, "--no-baselines", "--plots", folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "learning.png", "similarity_swing.png", "similarity_throw.png",
        "trajectories_swing.png", "trajectories_throw.png",
    ]  # fmt: skip
    assert sorted(found["plots"]) == [str(folder / name) for name in names]
    for name in names:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert "output folder is not empty" in refused(capsys, run, "--data", data, "--plots", folder)


def shared_run(options, world):
    """Run in as many threads as there would be processes; return what each raised.

    One at a time: unlike processes, they share torch's random state.
    """
    parts, failures = [None] * world, [None] * world
    barrier, alone = threading.Barrier(world, timeout=60), threading.Lock()

    class Threads(Ranks):
        def gather(self, value):
            parts[self.rank] = value
            alone.release()
            try:
                barrier.wait()
                together = list(parts)
                barrier.wait()
            finally:
                alone.acquire()
            return together

    def work(rank):
        with alone:
            try:
                evaluate._run(options, rank, world, Threads(rank, world).gather_results)
            except ValueError as error:
                failures[rank] = str(error)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return failures


def test_processes_share_the_clips(capsys, data, run):
    expected = report(capsys, run, "--data", data)
    options = evaluate._parser().parse_args([str(run), "--data", str(data), "--json"])
    assert shared_run(options, 2) == [None, None]
    assert json.loads(capsys.readouterr().out) == expected  # printed once
    np.save(data / "val" / "swing" / "1.npy", np.zeros((3, 7), np.float32))
    first, second = shared_run(options, 2)
    assert "1.npy" in first
    assert first == second


def test_raw_features(tmp_path):
    from PIL import Image

    clip = np.arange(12, dtype=np.float16).reshape(4, 3)
    np.save(tmp_path / "a.npy", clip)
    np.testing.assert_array_equal(raw_features(tmp_path / "a.npy"), clip)
    for number, value in enumerate((0, 51)):
        (tmp_path / "frames").mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), (value, 0, 255)).save(tmp_path / "frames" / f"{number}.png")
    rows = raw_features(tmp_path / "frames")
    assert rows.shape == (2, 768)
    np.testing.assert_allclose(rows.reshape(2, 256, 3)[1], [[0.2, 0, 1]] * 256, atol=1e-12)


def test_metrics_without_numbers(tmp_path):
    from tacref.evaluation.plots import plot_learning

    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl: holds no metrics of a run"):
        plot_learning(tmp_path / "metrics.jsonl")


def test_pictures_of_embeddings_with_an_offset():
    from tacref.evaluation.plots import plot_similarity

    rows = {"x": np.arange(5.0)[:, None] + 2.0**30, "y": np.arange(3.0)[:, None] + 2.0**30}
    drawn = plot_similarity(rows).axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn, np.abs(np.subtract.outer(np.arange(5), np.arange(3))))


def test_pictures_of_alike_names(tmp_path):
    from tacref.evaluation.plots import save_plots

    rows = {"x$": np.eye(4), "\udcff$": np.eye(4)[:3]}  # a name may hold bytes that are no text
    long = "ä" * 120  # as long as a folder's name may be, nearly
    written = save_plots(tmp_path, {"a-b": rows, "a b": rows, long: rows, long + "b": rows})
    assert len(set(written)) == 8
    assert sorted(written) == sorted(path.name for path in tmp_path.iterdir())
