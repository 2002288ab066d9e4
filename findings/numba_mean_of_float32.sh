#!/usr/bin/env bash
# Numba 0.68.1: the mean, sum and standard deviation of a float32 array in a compiled function are added up number by
# number in float32; NumPy, in the same function not compiled, adds up in pairs. The mean of 40 million numbers, nine
# seconds of video of 224 x 224, is off by half, and numbers that are all equal have a deviation.
# Seen: "mean of 40,000,000 times 0.1: compiled 0.0524, NumPy 0.1000; standard deviation: 0.0476, 0.0000".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 numba==0.68.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from numba import njit


@njit
def statistics(numbers):
    return numbers.mean(), numbers.std()


numbers = np.full(40_000_000, 0.1, np.float32)
compiled, plain = statistics(numbers), statistics.py_func(numbers)
print(
    f"mean of {len(numbers):,} times 0.1: compiled {compiled[0]:.4f}, NumPy {plain[0]:.4f}; "
    f"standard deviation: {compiled[1]:.4f}, {plain[1]:.4f}"
)
assert abs(plain[0] - 0.1) < 1e-6 and plain[1] < 1e-4
assert abs(compiled[0] - 0.1) > 0.03 and compiled[1] > 0.03
# In float64 both are right.
assert abs(statistics(numbers[::10].astype(np.float64))[0] - plain[0]) < 1e-6
PY
