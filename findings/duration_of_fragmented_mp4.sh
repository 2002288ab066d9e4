#!/usr/bin/env bash
# MP4 in fragments with a segment index (movflags=dash), read by PyAV 18.1.0 with FFmpeg 8: the duration of a
# stream that starts after 0, as it does with B-frames, is the time of its end. Start and duration together are
# later than the last frame ends; in the same file without fragments the duration is that of the frames.
# Seen: "50 frames of 2.00 s: dash starts at 0.08, lasts 2.08; plain starts at 0.00, lasts 2.00".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 av==18.1.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import av
import numpy as np

said = {}
for name, muxer in (("dash", {"movflags": "dash"}), ("plain", {})):
    with av.open(f"{name}.mp4", "w", options=muxer) as file:
        stream = file.add_stream("libx264", rate=25, options={"bf": "2", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for level in range(50):
            picture = np.full((64, 64, 3), 4 * level, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    with av.open(f"{name}.mp4") as file:
        stream = file.streams.video[0]
        start, lasts = (float(n * stream.time_base) for n in (stream.start_time, stream.duration))
        frames = list(file.decode(stream))
    assert len(frames) == 50
    assert abs(frames[-1].time + 0.04 - start - 2) < 1e-6
    said[name] = f"{name} starts at {start:.2f}, lasts {lasts:.2f}"
print(f"50 frames of 2.00 s: {said['dash']}; {said['plain']}")
assert list(said.values()) == [
    "dash starts at 0.08, lasts 2.08",
    "plain starts at 0.00, lasts 2.00",
]
PY
