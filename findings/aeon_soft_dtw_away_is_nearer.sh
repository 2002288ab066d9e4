#!/usr/bin/env bash
# aeon 1.6.0: soft_dtw_distance returns the absolute value of soft-DTW, which is negative for similar series, and 0 for
# equal ones by a shortcut. So a series moved away from another comes nearer to it, the nearest neighbor of a series is
# not the most similar one, and the distance jumps where a number changes in its last digit.
# Seen: "moved by 0: 0.000, 1e-09: 1.925, 0.3: 1.685, 0.5: 1.230, 0.7: 0.494, 1: 1.209".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.3.5 numba==0.63.1 aeon==1.6.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from aeon.distances import dtw_distance, soft_dtw_distance

x = np.array([0.0, 1.0, 2.0, 1.0])
shifts = (0, 1e-9, 0.3, 0.5, 0.7, 1)
soft = [soft_dtw_distance(x, x + shift, gamma=1.0) for shift in shifts]
print("moved by " + ", ".join(f"{shift:g}: {value:.3f}" for shift, value in zip(shifts, soft, strict=True)))
assert soft[0] == 0 and soft[1] > 1.9
assert soft[1] > soft[2] > soft[3] > soft[4] < soft[5]
# Without smoothing it grows, as it should.
hard = [dtw_distance(x, x + shift) for shift in shifts]
assert hard == sorted(hard)
PY
