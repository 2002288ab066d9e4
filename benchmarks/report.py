"""`python -m benchmarks.report`: building the report of two long videos, and using it in Chromium.

Needs Playwright, and Chromium by TACREF_CHROMIUM or on the PATH, for the second part.
"""

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import make_texture
from tacref.alignment import align
from tacref.data import iter_frames, write_video
from tacref.report import ReportVideo, write_report

FPS, SIZE = 25, (360, 640)
PLAYED = 20  # seconds
CLICKS = 30
# Milliseconds that the second video is off its place on the path, at each picture drawn.
WATCH = f"""() => new Promise(done => {{
  const seen = [], start = performance.now();
  setPlaying(true);
  (function watch() {{
    const late = videos[1].media.currentTime - due(videos[1], reference.media.currentTime)[0];
    seen.push(1000 * Math.abs(late));
    if (performance.now() - start < {1000 * PLAYED}) requestAnimationFrame(watch);
    else {{ setPlaying(false); done(seen); }}
  }})();
}})"""
# Milliseconds from a click on the matrix until both videos show their frames.
CLICK = """([right, down]) => new Promise(done => {
  const plot = at("plot-1"), box = plot.getBoundingClientRect(), start = performance.now();
  const given = { clientX: box.left + right * box.width, clientY: box.top + down * box.height };
  plot.setPointerCapture = () => {};
  plot.dispatchEvent(new PointerEvent("pointerdown", { button: 0, pointerId: 1, ...given }));
  (function look() {
    if (videos.every(video => !video.media.seeking && video.waiting === null))
      done(performance.now() - start);
    else requestAnimationFrame(look);
  })();
})"""


def progress(frames: int, pace: float) -> np.ndarray:
    """Return the share of the activity done in each frame, faster first and then slower."""
    return np.linspace(0, 1, frames) ** pace


def pictures(shares: np.ndarray) -> Iterator[np.ndarray]:
    """Draw moving texture that tells the share."""
    texture = make_texture(*SIZE)
    for share in shares:
        yield np.roll(texture, round(20 * SIZE[1] * share), 1)


def embeddings(shares: np.ndarray) -> np.ndarray:
    """Return unit vectors that move on steadily."""
    angles = np.outer(shares, np.pi * np.arange(1, 17))
    rows = np.hstack((np.cos(angles), np.sin(angles)))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def build(folder: Path, minutes: float) -> dict[str, float]:
    """Write two videos, align them and build their report."""
    counts = {"a.mp4": round(minutes * 60 * FPS), "b.mp4": round(minutes * 56 * FPS)}
    shares = {
        name: progress(count, 1.0 if name == "a.mp4" else 0.8) for name, count in counts.items()
    }
    for name, given in shares.items():
        write_video(folder / name, pictures(given), FPS)
    x, y = map(embeddings, shares.values())
    times = [np.arange(count) / FPS for count in counts.values()]
    start, before = time.perf_counter(), _peak()
    alignment = align(x, y, times_x=times[0], times_y=times[1])
    aligned = time.perf_counter()
    one, two = (ReportVideo(name, iter_frames(folder / name)) for name in counts)
    write_report(folder, one, [(alignment, two)])
    return {
        "frames": len(x),
        "align, s": aligned - start,
        "report, s": time.perf_counter() - aligned,
        "peak memory above the start, MiB": _peak() - before,
        "report.html, MB": (folder / "report.html").stat().st_size / 1e6,
    }


def use(page: Any) -> dict[str, float]:
    """Play and click."""
    late = page.evaluate(WATCH)
    rng = np.random.default_rng(0)
    clicks = [page.evaluate(CLICK, rng.uniform(0.05, 0.95, 2).tolist()) for _ in range(CLICKS)]
    return {
        f"off its place in {PLAYED} s, ms, 95 %": float(np.quantile(late, 0.95)),
        f"off its place in {PLAYED} s, ms, at most": max(late),
        "click to both frames, ms, median": statistics.median(clicks),
        "click to both frames, ms, at most": max(clicks),
    }


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of each video (default: 10)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = build(folder, options.minutes)
        browser = os.environ.get("TACREF_CHROMIUM") or shutil.which("chromium")
        if browser is None:
            print("no Chromium: the report was built and not opened", file=sys.stderr)
        else:
            from playwright.sync_api import sync_playwright

            with sync_playwright() as playwright:
                made = playwright.chromium.launch(
                    executable_path=browser, args=["--no-sandbox", "--disable-gpu"]
                )
                page = made.new_page()
                page.goto((folder / "report.html").as_uri())
                page.wait_for_load_state("load")
                page.wait_for_timeout(3000)
                found |= use(page)
                made.close()
    print("| | |\n|---|---:|")
    for what, value in found.items():
        print(f"| {what} | {value:.4g} |")
    return 0


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
