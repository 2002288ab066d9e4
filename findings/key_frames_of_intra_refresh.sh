#!/usr/bin/env bash
# H.264 with periodic intra refresh (x264's intra-refresh=1, for low latency), in MP4, read by PyAV 18.1.0 with
# FFmpeg 8: every recovery point is marked as a key frame, though the picture is whole only `keyint` frames later.
# Frames decoded after a seek to one are far from what they are when the file is decoded from its start, and
# neither the packet nor the frame says so (is_corrupt is False).
# Seen: "4 packets marked as key frames; after a seek to the time of the third: off by 246 of 255, corrupt: False".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 av==18.1.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import av
import numpy as np

options = {"x264-params": "intra-refresh=1:keyint=32:scenecut=0:bframes=0"}
texture = np.random.default_rng(0).integers(0, 200, (120, 160, 3), dtype=np.uint8)
with av.open("clip.mp4", "w") as file:
    stream = file.add_stream("libx264", rate=25, options=options)
    stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
    for number in range(128):
        picture = np.roll(texture, 2 * number, axis=1)
        file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    file.mux(stream.encode(None))
with av.open("clip.mp4") as file:
    whole = {frame.pts: frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)}
with av.open("clip.mp4") as file:
    keys = [packet.pts for packet in file.demux(video=0) if packet.is_keyframe]
with av.open("clip.mp4") as file:
    file.seek(keys[2], stream=file.streams.video[0])
    frame = next(file.decode(video=0))
off = np.abs(frame.to_ndarray(format="rgb24").astype(int) - whole[frame.pts]).max()
print(
    f"{len(keys)} packets marked as key frames; after a seek to the time of the third: off by {off} of 255, "
    f"corrupt: {frame.is_corrupt}"
)
assert len(keys) == 4 and frame.pts > 0 and off > 50 and not frame.is_corrupt
PY
