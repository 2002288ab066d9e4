"""EncoderSession: any chunk gives the same, from any thread; what it refuses."""

import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tacref.data import write_video
from tacref.encoder import load_encoder
from tacref.encoder.embedding import embed_clip, embed_frames
from tacref_export import EncoderSession
from tacref_export.binding import DeviceRunner
from tacref_export.metadata import context_rows
from tacref_export.streaming import EncoderStream
from tests.export.exported_encoders import CONFIGS, clip


@pytest.mark.parametrize("name", CONFIGS)
def test_chunks_equal_the_whole(exported, name):
    length, chunks = (150, (1, 7, 64)) if name != "resnet50" else (36, (1, 7, 32))
    whole = EncoderSession(exported[name].path, chunk=999)
    frames = clip(whole.config, length, 20, 20)
    rows = whole.embed(frames)
    for chunk in chunks:
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


@pytest.mark.parametrize("name", CONFIGS)
def test_frames_that_are_resized_first(exported, name):
    session = EncoderSession(exported[name].path)
    frames = clip(session.config, 40, 30, 50)
    small = [session.resized(frame) for frame in frames]
    size = (32, 32, 3) if session.config.takes_pictures else (6,)
    assert {frame.shape for frame in small} == {size}
    rows = [*session.embed_stream(small)]
    assert_allclose(np.concatenate(rows), session.embed(frames), atol=1e-6)
    # 32 at once, or all features; those left; those that waited for their context.
    assert len(rows) == (3 if session.config.takes_pictures else 2)
    if session.config.takes_pictures:
        with pytest.raises(ValueError, match=r"each frame must be uint8 .* got float64"):
            session.resized(frames[0] / 2)


def test_threads_do_not_spin(exported):
    options = EncoderSession(exported["small"].path)._runner._session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"providers": ("tpu",)}, "providers must be of cpu, cuda, tensorrt, got 'tpu'"),
        ({"providers": (["cpu"],)}, "providers must be of cpu, cuda, tensorrt, got ['cpu']"),
        ({"providers": ()}, "providers must name at least one"),
        (
            {"providers": ("cpu", "cuda")},
            "providers: cpu runs everything, so it must be last",
        ),
        ({"chunk": 0}, "chunk must be a whole number >= 1, got 0"),
        *(
            ({"chunk": chunk}, f"chunk must be a whole number >= 1, got {chunk}")
            for chunk in (-0.0, 1e-320, 1e308, float("nan"), float("inf"), True, -(2**63))
        ),
        *(
            ({"threads": threads}, f"threads must be a whole number from 0 to 1024, got {threads}")
            for threads in (-1, 1025, 2**63, -0.0, 1e-320, 1e308, float("nan"), True)
        ),
        ({"cuda_graph": True}, "cuda_graph needs a chunk and a provider other than cpu"),
    ],
)
def test_bad_options(exported, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        EncoderSession(exported["features"].path, **options)


@pytest.mark.parametrize("chunk", [0, -1])
def test_bad_chunk_of_a_stream(exported, chunk):
    session = EncoderSession(exported["features"].path)
    with pytest.raises(ValueError, match=f"chunk must be a whole number >= 1, got {chunk}"):
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


BEYOND = np.array([[3e38] * 6], np.float32)  # finite, but not what comes of it


@pytest.mark.parametrize("chunk", [2, None])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0, 0, np.nan, 0, 0, 0], "frame 4: feature 2 is nan, not finite"),
        ([0, 0, 0, 0, -np.inf, 0], "frame 4: feature 4 is -inf, not finite"),
        ([1e300, 0, 0, 0, 0, 0], "frame 4: feature 0 is inf, not finite"),
    ],
)
def test_features_that_are_not_finite(exported, chunk, row, message):
    frames = np.vstack([np.ones((4, 6)), [row], np.ones((3, 6))])
    with EncoderSession(exported["features"].path, chunk=chunk) as session:
        for embed in (session.embed, lambda given: [*session.embed_stream(given)]):
            with pytest.raises(ValueError, match=message):
                embed(frames)


def test_embeddings_that_are_no_unit_vectors(exported, tmp_path):
    frames = np.vstack([np.ones((60, 6), np.float32), BEYOND, np.ones((60, 6), np.float32)])
    message = r"frame 20: its embedding has length \S+ instead of 1"  # 40 frames ahead
    np.save(tmp_path / "high.npy", frames)
    run = load_encoder(exported["features"].run)
    with EncoderSession(exported["features"].path, chunk=7) as session:
        for encoder in (session, run):
            with pytest.raises(ValueError, match=message):
                encoder.embed(frames)
            with pytest.raises(ValueError, match=rf"high\.npy: {message}"):
                embed_clip(encoder, tmp_path / "high.npy")
            with pytest.raises(ValueError, match=message):
                [*embed_frames(encoder, iter(frames), 7)]


def test_a_frame_of_another_shape(exported):
    session = EncoderSession(exported["small"].path)
    frames = [*clip(session.config, 5, 20, 20), clip(session.config, 1, 20, 22)[0]]
    with pytest.raises(
        ValueError, match=r"frame 5: must have shape \(20, 20, 3\), as the first, got \(20, 22, 3\)"
    ):
        [*session.embed_stream(frames)]
    with pytest.raises(
        ValueError,
        match=r"each frame must be uint8 of shape \(H, W, 3\), got uint8 of shape \(20,\)",
    ):
        [*session.embed_stream(frames[0][0].T)]


def test_a_clip_of_another_shape(exported, tmp_path):
    np.save(tmp_path / "wide.npy", np.ones((9, 7), np.float32))
    for encoder in (
        EncoderSession(exported["features"].path),
        load_encoder(exported["features"].run),
    ):
        with pytest.raises(
            ValueError,
            match=r"wide\.npy: .* takes: rows of 6 features; the clip has rows of 7",
        ):
            embed_clip(encoder, tmp_path / "wide.npy")


def test_pictures_resized_before_are_those_of_the_graph(exported):
    made, config = exported["small"], CONFIGS["small"]
    frames = clip(config, 12, height=90, width=160, seed=9)
    with EncoderSession(made.path) as session:
        embeddings = session.embed(frames)
        # The graph gets the full-size frames, and resizes them itself.
        whole = EncoderStream(session._runner, config)
        by_graph = np.concatenate([whole.push(frames), whole.finish()])
        one_by_one = np.concatenate(list(session.embed_stream(frames, 5)))
    np.testing.assert_array_equal(embeddings, by_graph)
    np.testing.assert_allclose(one_by_one, embeddings, atol=1e-6)
