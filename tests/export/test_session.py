"""EncoderSession: any chunk gives the same, from any thread; what it refuses; where it runs."""

import json
import subprocess
import sys
import threading

import numpy as np
import onnx
import pytest
from exported_encoders import CONFIGS, clip
from numpy.testing import assert_allclose

from tacref.data import write_video
from tacref_export import EncoderSession
from tacref_export.binding import DeviceRunner
from tacref_export.inspection import inspect
from tacref_export.metadata import HASH, PREFIX, content_hash, context_rows
from tacref_export.streaming import EncoderStream


@pytest.mark.parametrize("name", CONFIGS)
def test_chunks_equal_the_whole(exported, name):
    length = 150 if name != "resnet50" else 70
    whole = EncoderSession(exported[name].path, chunk=999)
    frames = clip(whole.config, length, 20, 20)
    rows = whole.embed(frames)
    for chunk in (1, 7, 64):
        session = EncoderSession(exported[name].path, chunk=chunk)
        assert_allclose(session.embed(frames), rows, atol=1e-6)
        assert_allclose(np.concatenate([*session.embed_stream(frames)]), rows, atol=1e-6)
        streamed = [*whole.embed_stream(frames, chunk)]
        assert len(streamed) == -(-length // chunk) + 1  # and what is left at the end
        assert_allclose(np.concatenate(streamed), rows, atol=1e-6)


def test_a_stream_gives_rows_once_their_context_was_seen(exported):
    session = EncoderSession(exported["small"].path)
    frames = clip(session.config, 20, 20, 20)
    stream = session.stream()
    given = [len(stream.push(frames[start : start + 2])) for start in range(0, 20, 2)]
    assert np.cumsum(given).tolist() == [0, 0, 1, 3, 5, 7, 9, 11, 13, 15]  # five frames later
    assert len(stream.finish()) == 5
    with pytest.raises(ValueError, match="the stream is finished"):
        stream.push(frames)


def test_frames_of_a_stream_keep_their_size(exported):
    session = EncoderSession(exported["small"].path)
    stream = session.stream()
    stream.push(clip(session.config, 2, 20, 20))
    with pytest.raises(
        ValueError, match=r"must all have shape \(20, 20, 3\), .* got \(20, 22, 3\)"
    ):
        stream.push(clip(session.config, 2, 20, 22))


def test_threads_share_a_session(exported):
    session = EncoderSession(exported["small"].path, chunk=5)
    videos = [clip(session.config, 30, 24, 31, seed=seed) for seed in range(4)]
    expected = [session.embed(video) for video in videos]
    results = [None] * len(videos)

    def work(index):
        results[index] = [session.embed(videos[index]) for _ in range(5)]

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(videos))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    for rows, right in zip(results, expected, strict=True):
        for each in rows:
            assert_allclose(each, right, atol=1e-6)


@pytest.mark.parametrize("graph", [False, True])
def test_buffers_on_a_device_are_used_again(exported, graph):
    session = EncoderSession(exported["small"].path)
    config = session.config
    shape = (6, context_rows(config.offsets)) if graph else None
    runner = DeviceRunner(session._runner._session, "cpu", shape)
    frames, others = clip(config, 45, 20, 20), clip(config, 45, 20, 20, seed=1)
    streams = EncoderStream(runner, config), EncoderStream(runner, config)
    rows = [], []
    for start in range(0, 45, 6):  # two streams in turn, the last chunk a shorter one
        for stream, video, out in zip(streams, (frames, others), rows, strict=True):
            out.append(stream.push(video[start : start + 6]))
    for stream, video, out in zip(streams, (frames, others), rows, strict=True):
        assert_allclose(np.concatenate([*out, stream.finish()]), session.embed(video), atol=1e-6)
    assert len(runner._fixed) == graph


def test_videos(exported, tmp_path):
    session = EncoderSession(exported["small"].path)
    paths = []
    for seed, length in enumerate((9, 14)):
        paths.append(tmp_path / f"{seed}.mp4")
        write_video(paths[-1], clip(session.config, length, 32, 48, seed=seed), fps=10)
    for path, length, (rows, seconds) in zip(
        paths, (9, 14), session.embed_many(paths), strict=True
    ):
        assert rows.shape == (length, 8)
        assert_allclose(seconds, np.arange(length) / 10)
        assert_allclose(session.embed_video(path)[0], rows, atol=1e-6)
    with pytest.raises(FileNotFoundError, match=r"none\.mp4: no such file"):
        session.embed_many([paths[0], tmp_path / "none.mp4"])
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"text\.mp4: not a video"):
        session.embed_video(tmp_path / "text.mp4")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_a_video(exported):
    code = (
        "import sys, numpy as np\n"
        "from tacref_export import EncoderSession\n"
        "session = EncoderSession(sys.argv[1])\n"
        "frame = np.zeros((360, 640, 3), np.uint8)\n"
        "def most(count):\n"
        "    rows = sum(map(len, session.embed_stream(frame for _ in range(count))))\n"
        "    assert rows == count\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(line.split()[1] for line in lines if line.startswith('VmHWM'))\n"
        "print(most(300), most(1200))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported["small"].path)],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    first, second = map(int, done.stdout.split())
    assert second < 600_000  # KiB
    assert second - first < 50_000  # 900 more frames are 622 MB


def test_life_cycle(exported):
    with EncoderSession(exported["features"].path) as session:
        frames = clip(session.config, 5)
        stream = session.stream()
        assert session.embed(frames).shape == (5, 8)
    with pytest.raises(ValueError, match="the session is closed"):
        session.embed(frames)
    with pytest.raises(ValueError, match="the session is closed"):
        session.stream()
    session.close()
    stream.push(frames)
    assert len(stream.finish()) == 5


def rewrite(source, target, change, *, seal=False):
    model = onnx.load(source)
    change(model)
    if seal:
        for entry in model.metadata_props:
            if entry.key == PREFIX + HASH:
                entry.value = content_hash(model.SerializeToString())
    target.write_bytes(model.SerializeToString())


def set_entry(key, value):
    def change(model):
        for entry in model.metadata_props:
            if entry.key == PREFIX + key:
                entry.value = value

    return change


def drop_entry(key):
    def change(model):
        kept = [entry for entry in model.metadata_props if entry.key != PREFIX + key]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)

    return change


def touch_weight(model):
    for tensor in model.graph.initializer:
        if tensor.name.endswith("layers.0.weight"):
            tensor.raw_data = tensor.raw_data[:-1] + bytes([tensor.raw_data[-1] ^ 1])


def touch_node(model):
    model.graph.node[-1].op_type = "Mul"


@pytest.mark.parametrize(
    "change",
    [touch_weight, touch_node, set_entry("parity", "[]"), set_entry("content_sha256", "0" * 64)],
    ids=["weight", "node", "parity", "hash"],
)
def test_a_changed_file_is_refused(exported, tmp_path, change):
    rewrite(exported["features"].path, tmp_path / "e.onnx", change)
    with pytest.raises(ValueError, match=r"e\.onnx: damaged or changed since it was proven"):
        EncoderSession(tmp_path / "e.onnx")


def test_writing_a_file_again_is_no_change(exported, tmp_path):
    rewrite(exported["features"].path, tmp_path / "e.onnx", lambda model: None)
    EncoderSession(tmp_path / "e.onnx")


def test_foreign_and_damaged_files_are_refused(exported, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such ONNX file"):
        EncoderSession(tmp_path / "none.onnx")
    path, whole = tmp_path / "e.onnx", exported["features"].path.read_bytes()
    for broken in (b"not a model", whole[: len(whole) // 2], whole[:-3]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"e\.onnx: damaged, or not an ONNX file"):
            EncoderSession(path)
    path.write_bytes(whole + b"\x9a\x06\x03abc")
    with pytest.raises(ValueError, match="damaged or changed"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, lambda model: model.ClearField("metadata_props"))
    for foreign in (path.read_bytes(), b""):
        path.write_bytes(foreign)
        with pytest.raises(ValueError, match="not an encoder exported by tacref"):
            EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("format", "2"), seal=True)
    with pytest.raises(ValueError, match="its format is 2, this version of tacref reads 3"):
        EncoderSession(path)


def test_metadata_that_does_not_fit_the_graph(exported, tmp_path):
    path = tmp_path / "e.onnx"
    other = json.dumps(CONFIGS["small"].to_json())
    rewrite(exported["features"].path, path, set_entry("encoder", other), seal=True)
    with pytest.raises(ValueError, match="is not what its metadata says"):
        EncoderSession(path)
    wide = json.dumps({**CONFIGS["features"].to_json(), "dim": 9})
    rewrite(exported["features"].path, path, set_entry("encoder", wide), seal=True)
    with pytest.raises(ValueError, match="is not what its metadata says"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("streaming", ""), seal=True)
    with pytest.raises(ValueError, match="is not what its metadata says"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("streaming", "AAA"), seal=True)
    with pytest.raises(ValueError, match=r"damaged metadata \(streaming: "):
        EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("encoder", "[" * 100_000), seal=True)
    with pytest.raises(ValueError, match="damaged metadata"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, drop_entry("parity"), seal=True)
    with pytest.raises(ValueError, match=r"damaged metadata \(no parity\)"):
        EncoderSession(path)
    rewrite(exported["features"].path, path, set_entry("encoder", "{}"), seal=True)
    with pytest.raises(ValueError, match="damaged metadata"):
        EncoderSession(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("parity", "[]"),
        ("parity", "{}"),
        ("parity", "7"),
        ("parity", "[7]"),
        ("parity", '[{"max_abs": 0, "min_cosine": "<b>", "streaming": 0}]'),
        ("parity", "[" * 100_000),
    ],
)
def test_forged_measurements_are_refused(exported, tmp_path, key, value):
    path = tmp_path / "e.onnx"
    rewrite(exported["features"].path, path, set_entry(key, value), seal=True)
    with pytest.raises(ValueError, match=rf"e\.onnx: damaged metadata \({key}: "):
        inspect(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"providers": ("tpu",)}, "providers must be of cpu, cuda, tensorrt, got 'tpu'"),
        ({"providers": ()}, "providers must name at least one"),
        (
            {"providers": ("cpu", "cuda")},
            "providers: cpu takes all that comes to it, so it must be last",
        ),
        ({"chunk": 0}, "chunk must be >= 1, got 0"),
        ({"threads": -1}, "threads must be >= 0, got -1"),
        ({"cuda_graph": True}, "cuda_graph needs a chunk and a provider other than cpu"),
    ],
)
def test_bad_options(exported, options, message):
    with pytest.raises(ValueError, match=message):
        EncoderSession(exported["features"].path, **options)


@pytest.mark.parametrize("chunk", [0, -1])
def test_bad_chunk_of_a_stream(exported, chunk):
    session = EncoderSession(exported["features"].path)
    with pytest.raises(ValueError, match=f"chunk must be >= 1, got {chunk}"):
        session.embed_stream(clip(session.config, 5), chunk)


def test_bad_frames(exported):
    with pytest.raises(ValueError, match=r"shape \(T, 6\), got float64 of shape \(4, 7\)"):
        EncoderSession(exported["features"].path).embed(np.zeros((4, 7)))


def test_session_needs_no_torch(exported):
    code = (
        "import sys, numpy\n"
        "from tacref_export import EncoderSession\n"
        f"session = EncoderSession({str(exported['features'].path)!r}, threads=1)\n"
        "assert session.embed(numpy.zeros((5, 6), 'f4')).shape == (5, 8)\n"
        "assert not {'torch', 'numba', 'onnx', 'av', 'tacref.data'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
