#!/usr/bin/env bash
# dtaidistance 2.5.1: distance_fast, the C library's distance, is inf for series of one length whose best path is the
# diagonal, in about one pair of eight: it stops above an upper bound, which is then the distance itself, and which is
# rounded to less. distance, in Python, is right. Series of video embeddings that differ by noise are such pairs.
# Seen: "[0, 1, 2] and [0.5, 1.5, 2.5]: 0.8660 in Python, inf in C; inf for 271 of 2000 pairs of noisy sines".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 dtaidistance==2.5.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from dtaidistance import dtw

a, b = np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.5, 2.5])
slow, fast = dtw.distance(a, b), dtw.distance_fast(a, b)
rng = np.random.default_rng(0)
sine = np.sin(np.arange(50) / 5)
pairs = [(sine + 0.01 * rng.normal(size=50), sine + 0.01 * rng.normal(size=50)) for _ in range(2000)]
infinite = [pair for pair in pairs if np.isinf(dtw.distance_fast(*pair))]
print(
    f"[0, 1, 2] and [0.5, 1.5, 2.5]: {slow:.4f} in Python, {fast} in C; inf for {len(infinite)} of "
    f"{len(pairs)} pairs of noisy sines"
)
assert np.isclose(slow, np.sqrt(0.75)) and np.isinf(fast)
assert 100 < len(infinite) < 500
# All of them have the diagonal as their best path, and a finite distance.
for x, y in infinite:
    assert np.isclose(dtw.distance(x, y), np.linalg.norm(x - y))
PY
