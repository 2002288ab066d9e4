"""Time `EncoderSession.embed_video` of two builds of this project, turn by turn, on one video.

python -m benchmarks.embed_video OTHER_CHECKOUT [VIDEO ...]

The encoder is `small`, untrained, exported by each build. Without VIDEO: 600 frames of the built-in
activity at 640 x 360 and at 1280 x 720. Milliseconds a frame, the least of the rounds; "decoding"
is PyAV's alone, in the same process, with its own choice of threads.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROUNDS, FRAMES = 3, 600
SIZES = ((640, 360), (1280, 720))
CHILD = """
import json, sys, tempfile, time
from pathlib import Path
import av
from tacref.data import iter_frames
from tacref.encoder import EncoderConfig, build_encoder, save_encoder
from tacref_export import EncoderSession, export_encoder

with tempfile.TemporaryDirectory() as run:
    save_encoder(build_encoder(EncoderConfig.default("small"), seed=1), Path(run))
    export_encoder(run, Path(run) / "encoder.onnx")
    session = EncoderSession(Path(run) / "encoder.onnx")

def decode(path):
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))

def read(path):
    return sum(1 for _ in iter_frames(path))

def embed(path):
    return len(session.embed_video(path)[0])

print("ready", flush=True)
for line in sys.stdin:
    path, times = json.loads(line), []
    for work in (decode, read, embed):
        start = time.perf_counter()
        frames = work(path)
        times.append((time.perf_counter() - start) / frames * 1e3)
    print(json.dumps(times), flush=True)
"""


def start(checkout: Path) -> subprocess.Popen[str]:
    """Start a process of a build, and wait until its session is open."""
    path = f"import sys; sys.path[:0] = [{str(checkout)!r}, {str(checkout / 'export')!r}]\n"
    process = subprocess.Popen(
        [sys.executable, "-c", path + CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tempfile.gettempdir(),
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise SystemExit(f"{checkout}: its session did not open")
    return process


def ask(process: subprocess.Popen[str], path: str) -> list[float]:
    """Return milliseconds a frame: decoding, reading, embedding."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps(path), file=process.stdin, flush=True)
    return json.loads(process.stdout.readline())


def make_videos(folder: Path) -> list[str]:
    """Write the built-in activity, enlarged, in H.264."""
    from PIL import Image

    from tacref.data import load_clip, write_video
    from tacref.data.synthetic import make_dataset

    make_dataset(folder / "data", train=2, val=2, size=96)
    clip = load_clip(sorted((folder / "data" / "train").glob("*.mp4"))[0]).frames
    paths = []
    for width, height in SIZES:
        large = np.stack([np.asarray(Image.fromarray(f).resize((width, height))) for f in clip])
        paths.append(str(folder / f"{height}.mp4"))
        write_video(paths[-1], np.resize(large, (FRAMES, *large.shape[1:])), fps=30)
    return paths


def main() -> None:
    """Print one row a video."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    other, this = Path(sys.argv[1]).resolve(), Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        paths = sys.argv[2:] or make_videos(Path(folder))
        processes = [start(other), start(this)]
        print(
            "| video | decoding | reading | embed_video, other | this | ratio | share of decoding |"
        )
        print("|---|---|---|---|---|---|---|")
        for path in paths:
            for process in processes:
                ask(process, path)  # the first call compiles and allocates
            rounds = [[ask(process, path) for process in processes] for _ in range(ROUNDS)]
            (_, _, before), (decoding, reading, now) = (
                [min(times[k] for times in of_build) for k in range(3)]
                for of_build in zip(*rounds, strict=True)
            )
            print(
                f"| {Path(path).name} | {decoding:.2f} | {reading:.2f} | {before:.2f} | {now:.2f} "
                f"| {before / now:.1f} | {decoding / now:.2f} |"
            )
        for process in processes:
            process.terminate()


if __name__ == "__main__":
    main()
