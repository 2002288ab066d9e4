#!/usr/bin/env bash
# dtaidistance 2.5.1: with a penalty for steps that are not diagonal, and with psi (how many frames at the ends may be
# left out), warping_path returns a path whose cost is not the distance that `distance` gives for the same options,
# though it is computed from the same matrix. With psi that holds for any part of the path, too: the best one is
# another. Without options, path and distance agree.
# Seen: "of 300 pairs the path has another cost: 0 plain, 62 with a penalty, 128 with psi".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 dtaidistance==2.5.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from dtaidistance import dtw


def cost(a, b, path, penalty):
    """Return the root of what the path costs."""
    slanted = sum((k - i, l - j) != (1, 1) for (i, j), (k, l) in zip(path, path[1:]))
    return np.sqrt(sum((a[i] - b[j]) ** 2 for i, j in path) + slanted * penalty**2)


def parts(path, psi):
    """Yield the path without some cells at either end, all of them if ends are open."""
    for start in range(len(path) if psi else 1):
        for stop in range(start + 1 if psi else len(path), len(path) + 1):
            yield path[start:stop]


rng = np.random.default_rng(0)
pairs = [(rng.normal(size=rng.integers(3, 8)), rng.normal(size=rng.integers(3, 8))) for _ in range(300)]
count = {}
for name, penalty, psi in (("plain", 0.0, 0), ("with a penalty", 0.5, 0), ("with psi", 0.0, 1)):
    options = {"penalty": penalty or None, "psi": psi or None}
    count[name] = 0
    for a, b in pairs:
        distance, path = dtw.distance(a, b, **options), dtw.warping_path(a, b, **options)
        count[name] += not any(np.isclose(cost(a, b, part, penalty), distance) for part in parts(path, psi))
print(
    f"of {len(pairs)} pairs the path has another cost: "
    + ", ".join(f"{number} {name}" for name, number in count.items())
)
assert count["plain"] == 0 and count["with a penalty"] > 20 and count["with psi"] > 50
PY
