#!/usr/bin/env bash
# PyAV 18.1.0 with FFmpeg 8: seek(time) goes back to the key frame before that time (backward=True is the default), and
# does so in MP4, Matroska and AVI. In MPEG-TS it lands on the key frame after it, so that the frame asked for is never
# seen by a reader that decodes on from there.
# Seen: "asked for 1.5 s, key frames every second: mp4 1.0, matroska 1.0, avi 1.0, mpegts 2.0".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 av==18.1.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import av
import numpy as np

options = {"g": "25", "keyint_min": "25", "sc_threshold": "0"}
landed = {}
for container in ("mp4", "matroska", "avi", "mpegts"):
    with av.open("clip", "w", format=container) as file:
        stream = file.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p", options=options)
        for level in range(100):
            picture = np.full((64, 64, 3), level, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    with av.open("clip") as file:
        stream = file.streams.video[0]
        start = next(file.decode(stream)).time
        file.seek(round((start + 1.5) / stream.time_base), stream=stream)
        landed[container] = round(next(file.decode(stream)).time - start, 3)
print(
    "asked for 1.5 s, key frames every second: "
    + ", ".join(f"{container} {time}" for container, time in landed.items())
)
assert landed == {"mp4": 1.0, "matroska": 1.0, "avi": 1.0, "mpegts": 2.0}
PY
