"""`tacref export --web`: what is in the folder, and what is refused before it is made."""

import json
import re
from importlib import resources

import numpy as np
import pytest

from tacref.commands import export
from tacref.data import write_video
from tacref.encoder import EncoderConfig, build_encoder, save_encoder
from tacref.encoder.embedding import embed_clip
from tacref.web.runtime import FILES, runtime_files
from tacref_export import EncoderSession, export_encoder

NAMED = r'(?:from |src=|href=|load\(|Worker\()"([^":]+)"'


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder: a run, its file, a video, labels, what stands for onnxruntime-web."""
    folder = tmp_path_factory.mktemp("made")
    config = EncoderConfig.default("small", size=32, dim=4, offsets=(0, 2))
    save_encoder(build_encoder(config, seed=1), folder / "run")
    export_encoder(folder / "run", folder / "encoder.onnx")
    save_encoder(
        build_encoder(EncoderConfig.default("features", channels=3, dim=4), seed=1),
        folder / "features",
    )
    rng = np.random.default_rng(0)
    write_video(folder / "a.mp4", rng.integers(0, 255, (9, 32, 48, 3), dtype=np.uint8), 10.0)
    np.save(folder / "a.npy", np.zeros((9, 3), np.float32))
    (folder / "phases.csv").write_text(
        "video,start_frame,end_frame,phase\na.mp4,0,4,</script>\na.mp4,6,9,up\n"
    )
    (folder / "others.csv").write_text("video,start_frame,end_frame,phase\nb.mp4,0,4,up\n")
    dist = folder / "node_modules" / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    for name in (*FILES, "ort.all.js"):
        (dist / name).write_text(name)
    (dist.parent / "package.json").write_text('{"name": "onnxruntime-web", "version": "1.22.0"}')
    return folder


def arguments(made, tmp_path, *more, run="encoder.onnx", reference="a.mp4", ort="."):
    return [
        str(made / run), "--web", str(tmp_path / "page"), "--reference", str(made / reference),
        *(["--ort", str(made / ort)] if ort else []), *more,
    ]  # fmt: skip


@pytest.mark.parametrize("run", ["run", "encoder.onnx"])
def test_what_is_in_the_folder(made, tmp_path, capsys, run):
    more = ("--phases", str(made / "phases.csv"), "--cost", "cosine", "--json")
    assert export.main(arguments(made, tmp_path, *more, run=run)) == 0
    page = tmp_path / "page"
    report = json.loads(capsys.readouterr().out)
    assert report["page"] == str(page / "index.html")
    assert report["bytes"] == sum(file.stat().st_size for file in page.rglob("*") if file.is_file())
    assert {file.name for file in (page / "ort").iterdir()} == set(FILES)
    about = json.loads((page / "reference.json").read_text("utf-8"))
    assert about["name"] == "a.mp4"
    assert about["fps"] == pytest.approx(10)
    np.testing.assert_allclose(about["ends"], np.arange(10) / 10, atol=1e-6)
    assert about["phases"] == ["</script>"] * 4 + [None] * 2 + ["up"] * 3
    assert about["cost"] == "cosine"
    with EncoderSession(page / "encoder.onnx") as session:
        embeddings, _ = embed_clip(session, made / "a.mp4")
    rows = np.fromfile(page / "reference.f32", "<f4").reshape(9, about["dim"])
    np.testing.assert_array_equal(rows, embeddings)
    assert (page / "reference.mp4").stat().st_size > 0


def test_every_part_that_a_part_names_is_there(made, tmp_path):
    assert export.main(arguments(made, tmp_path)) == 0
    page = tmp_path / "page"
    named = {"index.html"}
    for file in page.glob("*.*"):
        if file.suffix in {".js", ".html"}:
            text = file.read_text("utf-8")
            named |= set(re.findall(NAMED, text))
            assert "innerHTML" not in text
    assert len(named) >= 12
    assert [name for name in named if not (page / name).is_file()] == []


def test_the_parts_are_small():
    for file in resources.files("tacref.web").iterdir():
        if file.name.endswith((".js", ".html", ".css", ".py")):
            assert len(file.read_text("utf-8").splitlines()) < 300, file.name


@pytest.mark.parametrize("place", [".", "node_modules", "node_modules/onnxruntime-web/dist"])
def test_where_onnxruntime_is_found(made, place):
    assert [file.name for file in runtime_files(made / place)] == list(FILES)


def test_an_old_onnxruntime(made, tmp_path):
    dist = tmp_path / "dist"
    dist.mkdir()
    for name in FILES:
        (dist / name).touch()
    assert runtime_files(dist)  # without a package: taken as it is
    (tmp_path / "package.json").write_text('{"name": "onnxruntime-web", "version": "1.21.1"}')
    with pytest.raises(ValueError, match=r"onnxruntime-web 1\.21\.1 is too old, .* 1\.22 or newer"):
        runtime_files(tmp_path)


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({"ort": None}, (), "needs the files of onnxruntime-web: npm install onnxruntime-web"),
        ({"ort": "absent"}, (), "absent: no such folder; npm install onnxruntime-web"),
        ({"ort": "run"}, (), "run: has no ort.wasm.min.mjs of onnxruntime-web; npm install"),
        ({"reference": "absent.mp4"}, (), "absent.mp4: no such file or folder"),
        ({"reference": "a.npy"}, (), "a.npy: has no pictures, which a page shows and embeds"),
        ({"run": "features"}, (), "takes rows of features, but a page gives it pictures"),
        ({"run": "absent"}, (), "absent: no such run folder"),
        ({}, ("--cost", "l1"), "the cost of a page must be sqeuclidean or cosine, got 'l1'"),
        ({}, ("--steps", "slope"), "unrecognized arguments: --steps"),
        ({}, ("--phases", "absent.csv"), "absent.csv: "),
        ({}, ("--phases", "{made}/others.csv"), "others.csv: has no phases of 'a.mp4'"),
        ({}, ("--force",), "--force replaces the file of --out; --web needs a new folder"),
        ({}, ("--fp16",), "encoder.onnx: exported already; --fp16, --int8 and --clips need a run"),
        ({}, ("-o", "b.onnx"), "not allowed with argument"),
    ],
)
def test_what_is_refused(made, tmp_path, capsys, change, more, message):
    more = [each.format(made=made) for each in more]
    assert export.main(arguments(made, tmp_path, *more, **change)) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_page_needs_a_reference(made, tmp_path, capsys):
    assert export.main([str(made / "run"), "--web", str(tmp_path / "page")]) == 2
    assert "--web needs --reference" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["reference", "phases", "ort", "cost"])
def test_options_that_need_a_page(made, tmp_path, capsys, option):
    assert export.main([str(made / "run"), "-o", str(tmp_path / "b.onnx"), f"--{option}", "x"]) == 2
    assert f"--{option} needs --web" in capsys.readouterr().err


def test_a_folder_that_holds_something(made, tmp_path, capsys):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "kept").write_text("kept")
    assert export.main(arguments(made, tmp_path)) == 2
    assert "output folder is not empty" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "page").iterdir()] == ["kept"]


def test_a_damaged_reference_leaves_nothing(made, tmp_path, capsys):
    (tmp_path / "damaged.mp4").write_bytes((made / "a.mp4").read_bytes()[:300])
    assert export.main([
        str(made / "encoder.onnx"), "--web", str(tmp_path / "page"), "--ort", str(made),
        "--reference", str(tmp_path / "damaged.mp4"),
    ]) == 2  # fmt: skip
    assert "damaged.mp4" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["damaged.mp4"]
