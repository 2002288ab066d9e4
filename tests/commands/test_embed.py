"""`tacref embed` and what opens an encoder."""

import contextlib
import json

import numpy as np
import pytest

from tacref.commands import embed, main
from tacref.encoder import EncoderConfig, build_encoder, save_encoder
from tacref.encoder.embedding import embed_clip
from tacref_export.opening import open_encoder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_encoder(build_encoder(EncoderConfig.default("features", channels=4, dim=8)), folder)
    return folder


def save_rows(path, length=50, features=4):
    np.save(path, np.random.default_rng(0).normal(size=(length, features)))
    return path


def test_embeds_clips_whole(run, tmp_path):
    clips = [save_rows(tmp_path / f"{name}.npy", length) for name, length in (("a", 50), ("b", 7))]
    assert main(["embed", str(run), *map(str, clips), "-o", str(tmp_path / "out")]) == 0
    encoder = open_encoder(run)
    for clip in clips:
        with np.load(tmp_path / "out" / f"{clip.stem}.npz") as saved:
            rows = np.load(clip).astype(np.float32)
            np.testing.assert_allclose(saved["embeddings"], encoder.embed(rows), atol=1e-6)
            np.testing.assert_allclose(saved["timestamps"], np.arange(len(rows)) / 25)


def test_names_near_the_longest(run, tmp_path, capsys):
    fits = save_rows(tmp_path / f"{'a' * 251}.npy", 9)
    assert main(["embed", str(run), str(fits), "-o", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{fits.stem}.npz"]
    too_long = tmp_path / ("b" * 252)  # with .npz
    too_long.mkdir()
    (too_long / "1.png").touch()
    capsys.readouterr()
    assert main(["embed", "no run is opened", str(too_long), "-o", str(tmp_path / "out")]) == 2
    assert "bbb.npz: the name is too long" in capsys.readouterr().err


@pytest.mark.parametrize("convert", [np.asfortranarray, lambda rows: rows.astype(">f8")])
def test_arrays_in_any_order_of_bytes(run, tmp_path, convert):
    rows = np.random.default_rng(0).normal(size=(20, 4))
    expected = open_encoder(run).embed(rows.astype(np.float32))
    np.save(tmp_path / "a.npy", convert(rows))
    assert main(["embed", str(run), str(tmp_path / "a.npy"), "-o", str(tmp_path / "out")]) == 0
    with np.load(tmp_path / "out" / "a.npz") as saved:
        np.testing.assert_allclose(saved["embeddings"], expected, atol=1e-6)
    np.testing.assert_allclose(open_encoder(run).embed(convert(rows)), expected, atol=1e-6)


def test_processes_share_the_clips(run, tmp_path, monkeypatch):
    clips = [str(save_rows(tmp_path / f"{name}.npy", 9)) for name in "abc"]
    out = tmp_path / "out"
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, made in (("1", ["b.npz"]), ("0", ["a.npz", "b.npz", "c.npz"])):
        monkeypatch.setenv("RANK", rank)
        assert main(["embed", str(run), *clips, "-o", str(out)]) == 0
        assert sorted(path.name for path in out.iterdir()) == made


def embed_folder(run, folder, *more):
    return main(["embed", str(run), str(folder), "-o", str(folder.parent / "out"), *more])


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "clips").mkdir()
    for name in "abc":
        save_rows(tmp_path / "clips" / f"{name}.npy", 9)
    (tmp_path / "clips" / "phases.csv").touch()
    return tmp_path / "clips"


def test_goes_on_where_it_stopped(run, clips, capsys):
    out = clips.parent / "out"
    assert embed_folder(run, clips) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.npz", "b.npz", "c.npz"]
    capsys.readouterr()
    assert embed_folder(run, clips) == 2
    assert (
        "a.npz: exists already; name another folder, remove it, or go on with --skip-existing"
        in (capsys.readouterr().err)
    )
    (out / "b.npz").unlink()
    whole = (out / "c.npz").read_bytes()
    (out / "c.npz").write_bytes(whole[:-40])  # copied in part, say
    kept = (out / "a.npz").stat().st_mtime_ns
    assert embed_folder(run, clips, "--skip-existing", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["clip"][-5:] for each in found["embedded"]] == ["b.npy", "c.npy"]
    assert found["skipped"] == [{"clip": str(clips / "a.npy"), "file": str(out / "a.npz")}]
    assert found["failed"] == []
    assert (out / "a.npz").stat().st_mtime_ns == kept
    assert (out / "c.npz").read_bytes()[:20] == whole[:20]
    assert embed_folder(run, clips, "--skip-existing") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out / name}.npz: is there, skipped" for name in "abc"
    ]


def test_what_another_encoder_made_is_not_skipped(run, clips, capsys):
    out = clips.parent / "out"
    out.mkdir()
    np.savez(out / "b.npz", embeddings=np.zeros((9, 3), np.float32), timestamps=np.arange(9))
    assert embed_folder(run, clips, "--skip-existing") == 2
    assert "b.npz: holds 3 dimensions, the encoder gives 8" in capsys.readouterr().err


def test_a_clip_that_cannot_be_read_does_not_cost_the_others(run, clips, capsys):
    (clips / "b.npy").write_bytes(b"text")
    assert embed_folder(run, clips) == 2
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        f"tacref embed: {clips / 'b.npy'}: not a plain .npy array, or cut off",
        "tacref embed: 1 of 3 clips failed",
    ]
    assert len(shown.out.splitlines()) == 2
    assert sorted(path.name for path in (clips.parent / "out").iterdir()) == ["a.npz", "c.npz"]


def test_processes_wait_for_each_other_before_one_fails(monkeypatch):
    from tacref.training import distributed

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job")
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    monkeypatch.setattr(
        distributed, "process_group", lambda ranks, device: contextlib.nullcontext()
    )
    monkeypatch.setattr(distributed.Ranks, "gather", lambda ranks, value: [value, True])
    assert embed._any_failed(False)


def test_long_clips_in_chunks_equal_the_whole(run, tmp_path):
    encoder = open_encoder(run)
    clip = save_rows(tmp_path / "long.npy", 9000)  # more than one chunk holds
    rows = np.load(clip).astype(np.float32)
    np.testing.assert_allclose(embed_clip(encoder, clip)[0], encoder.embed(rows), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent", "a.npy"], "absent: no such run folder or ONNX file"),
        (["RUN", "none.npy"], "none.npy: no such file or folder"),
        (
            ["RUN", "wide.npy"],
            "wide.npy: not what the encoder takes: rows of 4 features; the clip has rows of 5",
        ),
        (["RUN", "a.npy", "--device", "warp"], "device 'warp'"),
        (["RUN", "a.npy", "--device", "cuda:99"], "device 'cuda:99'"),
        (["RUN", "a.npy", "a.npy"], "two clips would both be written to"),
        (["RUN/encoder.safetensors", "a.npy"], "is a file of a run; name the run's folder, "),
        (["RUN", "text"], "text: holds 0 clips; at least one is needed"),
        (["RUN", "nan.npy"], "nan.npy: holds nan at frame 3, feature 1"),
        (["RUN", "large.npy"], "large.npy: frame 0: its embedding has length 0"),
        (
            ["RUN", "lies.npy"],
            "lies.npy: not a plain .npy array, or cut off: holds less than float64",
        ),
        (["encoder.onnx", ".", "a.npy"], ".: not a clip; a folder of clips must be named alone"),
        (["deep", "a.npy"], "config.json: nested too deeply"),
        (["digits", "a.npy"], "config.json: not JSON (Exceeds the limit"),
        (["RUN", "n" * 300], f"tacref embed: {'n' * 300}: File name too long"),
    ],
)
def test_bad_input(run, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    save_rows(tmp_path / "a.npy")
    save_rows(tmp_path / "wide.npy", features=5)
    rows = np.load(save_rows(tmp_path / "nan.npy"))
    rows[3, 1] = np.nan
    np.save(tmp_path / "nan.npy", rows)
    rows[:7], rows[7:] = 0, 3e38
    np.save(tmp_path / "large.npy", rows)
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**13, 4)}
    with (tmp_path / "lies.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    for name, config in (("deep", "[" * 100_000), ("digits", "1" * 5000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").touch()
    given = [each.replace("RUN", str(run)) for each in arguments]
    assert main(["embed", *given, "-o", "out"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_onnx_file_on_a_provider_that_is_not_there(tmp_path, monkeypatch):
    from tacref_export import providers

    monkeypatch.setattr(providers, "missing_parts", lambda name: "no such library")
    (tmp_path / "encoder.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"device 'cuda': .* no such library; --device cpu"):
        open_encoder(tmp_path / "encoder.onnx", device="cuda")


def test_an_onnx_file_runs_on_the_cpu_or_on_cuda(tmp_path):
    (tmp_path / "encoder.onnx").write_bytes(b"")
    with pytest.raises(
        ValueError, match="device must be cpu, cuda, tensorrt for an ONNX file, got 'mps'"
    ):
        open_encoder(tmp_path / "encoder.onnx", device="mps")
