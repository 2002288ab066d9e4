"""`python -m benchmarks.short_clips`: several short videos in one run of the encoder, or in turn.

The graph's only batch axis is time, so several videos can share a run only as one long video. Its
rows are those of the single videos if each is padded with its first and last frame as far as the
encoder looks; "no padding" shows what could be won at best, with embeddings that are wrong near
the ends.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.export.exported_encoders import clip

SECONDS, MOST = 2.0, 30  # of calls, and calls, of each contestant
SIDE = 224  # of the pictures


def open_encoder(name: str, folder: Path):  # type: ignore[no-untyped-def]
    """Return a session of an encoder with random weights, exported if the folder has none."""
    from tacref_export import EncoderSession

    path = folder / f"{name}.onnx"
    if not path.exists():
        from tacref.encoder import EncoderConfig, build_encoder, save_encoder
        from tacref_export import export_encoder

        changes = {"channels": 34} if name == "features" else {}
        save_encoder(build_encoder(EncoderConfig.default(name, **changes), seed=0), folder / name)
        export_encoder(folder / name, path)
    return EncoderSession(path)


def seconds(call: Callable[[], object]) -> float:
    """Return the median time of a call."""
    call()
    times: list[float] = []
    while not times or (len(times) < MOST and sum(times) < SECONDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def line(name: str, length: int, count: int, folder: Path) -> str:
    """Return a row of the table, once the padded run is known to be right."""
    session = open_encoder(name, folder)
    clips = [clip(session.config, length, SIDE, SIDE, seed) for seed in range(count)]
    offsets = session.config.offsets
    before, after = max(0, -offsets[0]), max(0, offsets[-1])

    def in_turn() -> list[np.ndarray]:
        return [session.embed(each) for each in clips]

    def padded() -> list[np.ndarray]:
        long = np.concatenate(
            [np.pad(c, [(before, after), *[(0, 0)] * (c.ndim - 1)], "edge") for c in clips]
        )
        rows = session.embed(long).reshape(count, before + length + after, -1)
        return list(rows[:, before : before + length])

    def unpadded() -> np.ndarray:
        return session.embed(np.concatenate(clips))

    np.testing.assert_allclose(padded(), in_turn(), atol=1e-5)
    one, joined, bound = map(seconds, (in_turn, padded, unpadded))
    return (
        f"| `{name}` | {count} x {length} | {1e3 * one:.1f} ms | {1e3 * joined:.1f} ms "
        f"({one / joined:.2f}) | {1e3 * bound:.1f} ms ({one / bound:.2f}) |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoders", nargs="+", default=["small", "features", "resnet50"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[1, 8, 32], metavar="T")
    parser.add_argument("--clips", type=int, default=16, help="in a request (default: 16)")
    parser.add_argument("--folder", type=Path, help="of the exported files, to use them again")
    options = parser.parse_args()
    print("| encoder | videos x frames | in turn | one run, padded | one run, no padding |")
    print("|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as work:
        folder = options.folder or Path(work)
        for name in options.encoders:
            for length in options.lengths:
                print(line(name, length, options.clips, folder), flush=True)


if __name__ == "__main__":
    main()
