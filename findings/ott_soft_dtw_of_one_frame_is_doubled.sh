#!/usr/bin/env bash
# ott-jax 0.6.0: ott.geometry.costs.SoftDTW of two series of one frame each is twice the cost of the two frames, and so
# is its gradient. All other shapes are right, 1 x 2 as well.
# Seen: "1 x 1: 8.0, gradient 8.0, right 4.0 and 4.0; 1 x 2: 13.0, right 13.0".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 jax==0.10.2 ott-jax==0.6.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import jax
import numpy as np
from ott.geometry.costs import SoftDTW

x, y = np.array([[3.0]]), np.array([[1.0]])
value, gradient = jax.value_and_grad(SoftDTW(gamma=0.1))(x, y)
longer = SoftDTW(gamma=0.1)(x, np.array([[1.0], [0.0]]))
print(
    f"1 x 1: {value:.1f}, gradient {gradient.item():.1f}, right 4.0 and 4.0; "
    f"1 x 2: {longer:.1f}, right 13.0"
)
assert (value, gradient.item(), longer) == (8.0, 8.0, 13.0)
PY
