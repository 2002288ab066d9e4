#!/usr/bin/env bash
# PyAV 18.1.0: VideoFrame.to_ndarray(format="rgb24") starts threads for every frame, two with two cores, and they live
# until the frame is collected, so that frames kept in a list keep their threads. With threads=1 the pixels are
# the same, no thread is started, and small frames take a fraction of the time.
# Seen (2 cores): "100 frames kept: 200 threads more by default, 0 more with threads=1; same pixels: True".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 av==18.1.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import os

import av
import numpy as np

if (os.cpu_count() or 1) < 2:
    raise SystemExit("needs two cores: with one, no thread is started")
with av.open("clip.mp4", "w") as file:
    stream = file.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p")
    for level in range(100):
        picture = np.full((64, 64, 3), level, np.uint8)
        file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    file.mux(stream.encode(None))


def threads():
    return len(os.listdir("/proc/self/task"))


def convert(**options):
    with av.open("clip.mp4") as file:
        file.streams.video[0].codec_context.thread_count = 1
        frames = list(file.decode(video=0))
    before = threads()
    pictures = np.stack([frame.to_ndarray(format="rgb24", **options) for frame in frames])
    return pictures, threads() - before


pictures, many = convert()
same, none = convert(threads=1)
equal = np.array_equal(pictures, same)
print(f"100 frames kept: {many} threads more by default, {none} more with threads=1; same pixels: {equal}")
assert many >= 100 and none <= 0 and equal
PY
