#!/usr/bin/env bash
# PyAV 18.1.0: the side data of a frame cannot be read where one entry is of a kind that PyAV has no name for,
# such as the EXIF data of motion JPEG: ValueError, also for the entries that it knows. That is every frame of a
# video made of photographs by stream copy, whose orientation is among the side data.
# Seen: "rotation -90; side_data: ValueError: 31 is not a valid Type".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 av==18.1.0 pillow==13.0.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
from fractions import Fraction
from io import BytesIO

import av
from PIL import Image

exif = Image.Exif()
exif[0x0112] = 6  # to be turned by a quarter
with av.open("photos.avi", "w") as file:
    stream = file.add_stream("mjpeg", rate=25, width=64, height=48, pix_fmt="yuvj420p")
    photo = BytesIO()
    Image.new("RGB", (64, 48), "red").save(photo, "JPEG", exif=exif)
    packet = av.Packet(photo.getvalue())
    packet.pts = packet.dts = 0
    packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
    file.mux(packet)
with av.open("photos.avi") as file:
    frame = next(file.decode(video=0))
try:
    said = str(list(frame.side_data))
except ValueError as error:
    said = f"ValueError: {error}"
print(f"rotation {frame.rotation}; side_data: {said}")
assert abs(frame.rotation) == 90 and said == "ValueError: 31 is not a valid Type"
PY
