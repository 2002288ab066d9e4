#!/usr/bin/env bash
# dtaidistance 2.5.1: warping_paths_fast with a window puts the right numbers into the wrong columns at some shapes,
# such as 4 x 6 and 4 x 4 with a window of 2: from some row on they are one to the left, and the last cell, which should
# be the distance, is inf. The distance beside it is right, and so is the matrix of warping_paths, in Python, and at 6 x
# 4.
# Seen: "distance 4.1231 and 4.1231; last row in Python [inf, inf, 4.12, 4.12, 4.12, 4.12], in C [inf, 4.12, 4.12, 4.12,
#       4.12, inf]".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 dtaidistance==2.5.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from dtaidistance import dtw

a, b = np.array([1.0, 3.0, 0.0, 4.0]), np.array([1.0, 2.0, 0.0, 0.0, 0.0, 0.0])
(slow, right), (fast, shifted) = (
    function(a, b, window=2, psi_neg=False) for function in (dtw.warping_paths, dtw.warping_paths_fast)
)
rows = [[round(float(each), 2) for each in matrix[-1, 1:]] for matrix in (right, shifted)]
print(f"distance {slow:.4f} and {fast:.4f}; last row in Python {rows[0]}, in C {rows[1]}")
assert np.isclose(slow, fast) and np.isclose(right[-1, -1], slow)
assert np.isinf(shifted[-1, -1])
assert rows[1] == [*rows[0][1:], float("inf")]
# With the longer series first, or without a window, both are the same.
for x, y, options in ((b, a, {"window": 2}), (a, b, {})):
    np.testing.assert_allclose(dtw.warping_paths(x, y, **options)[1], dtw.warping_paths_fast(x, y, **options)[1])
PY
