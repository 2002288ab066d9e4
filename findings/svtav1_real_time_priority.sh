#!/usr/bin/env bash
# PyAV 18.1.0 (its wheel's SVT-AV1): encoding AV1 in a process of root, as in most containers, gives the thread that
# encodes the real-time priority 99 (SCHED_FIFO), and it keeps it after the file is closed. Threads and processes that
# it starts later inherit it: they are not preempted by anything usual, and threads that wait for each other without
# sleeping can wait for ever.
# Seen (root): "before: SCHED_OTHER 0; after libsvtav1: SCHED_FIFO 99; a thread started later: SCHED_FIFO".
set -euo pipefail
[[ $(uname) == Linux && $(id -u) == 0 ]] || { echo "needs Linux and root"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 av==18.1.0
cd "$work"
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import os
import threading

import av
import numpy as np

NAMES = {os.SCHED_OTHER: "SCHED_OTHER", os.SCHED_FIFO: "SCHED_FIFO"}


def scheduling():
    return NAMES[os.sched_getscheduler(0)], os.sched_getparam(0).sched_priority


def write(encoder):
    with av.open("clip.mp4", "w") as file:
        stream = file.add_stream(encoder, rate=25, width=128, height=128, pix_fmt="yuv420p")
        for level in range(10):
            picture = np.full((128, 128, 3), 20 * level, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


later = []
before = scheduling()
write("libx264")
assert scheduling() == before == ("SCHED_OTHER", 0)
write("libsvtav1")
after = scheduling()
thread = threading.Thread(target=lambda: later.append(scheduling()[0]))
thread.start()
thread.join()
print(f"before: {before[0]} {before[1]}; after libsvtav1: {after[0]} {after[1]}; a thread started later: {later[0]}")
assert after == ("SCHED_FIFO", 99) and later == ["SCHED_FIFO"]
PY
