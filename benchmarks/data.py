"""`python -m benchmarks.data`: some frames of a long video, beside all of it; and many clips."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from tacref.data import PairDataset, find_clips, iter_batches
from tacref.data.index import index_video
from tacref.data.seek import read_frames
from tacref.data.video import iter_video, open_video, video_stream

SECONDS, FPS, SIZE = 600, 25, (720, 1280)


def make_texture(height: int, width: int) -> np.ndarray:
    """Return colored squares of 8 x 8 pixels."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def write_long_video(path: Path, options: dict[str, str]) -> Path:
    """Write ten minutes of moving texture at 1280x720 in H.264."""
    texture = make_texture(*SIZE)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(SECONDS * FPS):
            picture = np.roll(texture, (number % 50, 3 * number), (0, 1))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def decode_only(path: Path) -> int:
    """Decode all frames and convert none."""
    with open_video(path) as container:
        return sum(1 for _ in container.decode(video_stream(path, container)))


def long_video(folder: Path) -> None:
    """Print the time for 20 frames drawn as training draws them, and for the whole video."""
    print("| key frame every | index | 20 frames | decode all | and convert | ratios |")
    print("|---:|---:|---:|---:|---:|---:|")
    for interval in (25, 250):
        path = write_long_video(
            folder / f"{interval}.mp4", {"g": str(interval), "preset": "veryfast", "crf": "23"}
        )
        index = index_video(path)
        rng = np.random.default_rng(1)
        draws = [
            np.sort(rng.integers(0, index.length // 20, 20)) + np.arange(20) * (index.length // 20)
            for _ in range(3)
        ]
        scan = seconds(lambda path=path: index_video(path), 3)
        some = statistics.median(
            seconds(lambda path=path, draw=draw, index=index: read_frames(path, draw, index), 1)
            for draw in draws
        )
        bare = seconds(lambda path=path: decode_only(path), 1)
        full = seconds(lambda path=path: sum(1 for _ in iter_video(path)), 1)
        print(
            f"| {interval} | {scan:.2f} s | {some:.2f} s | {bare:.1f} s | {full:.1f} s "
            f"| {bare / some:.1f}x, {full / some:.1f}x |"
        )


def many_clips(folder: Path, count: int = 1000) -> None:
    """Print the start-up time of a data set of short clips, and its memory over an epoch."""
    from tacref.data import write_video

    train = folder / "train"
    rng = np.random.default_rng(0)
    for number in range(count):
        frames = rng.integers(0, 256, (40, 48, 64, 3), dtype=np.uint8)
        write_video(train / f"{number:04d}.mp4", frames)
    start = time.perf_counter()
    dataset = PairDataset(
        find_clips(folder, "train"), offsets=(-15, 0), pairs=4, size=112, cache_bytes=512 << 20
    )
    dataset.check()
    print(f"{count} clips: found and indexed in {time.perf_counter() - start:.2f} s")
    pages = []
    for _ in iter_batches(dataset, range(count // 8 * 2)):
        pages.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)
    fifths = [f"{pages[len(pages) * k // 5 - 1]:.0f}" for k in range(1, 6)]
    print(f"resident memory after each fifth of two epochs: {', '.join(fifths)} MiB")


def main() -> None:
    """Run both."""
    with tempfile.TemporaryDirectory() as folder:
        long_video(Path(folder))
        many_clips(Path(folder))


if __name__ == "__main__":
    main()
