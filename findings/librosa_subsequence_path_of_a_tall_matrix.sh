#!/usr/bin/env bash
# librosa 0.11.0: `librosa.sequence.dtw(C=costs, subseq=True)` returns a path of (row, column) pairs, but of
# (column, row) pairs where `costs` has more rows than columns, although D has the shape of `costs`. The costs at
# the pairs as they are do not add up to D's least value in the last row, or lie outside the matrix. (Of X and Y
# instead of C, it exchanges the two if X is the longer one, and D is transposed, too.)
# Seen: "3 x 5: [[0, 1], [1, 2], [2, 3]]; 5 x 3: [[0, 0], [0, 1], [0, 2], [1, 3], [1, 4]], D 5 x 3".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 librosa==0.11.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import librosa
import numpy as np

tall = np.random.default_rng(0).random((5, 3))
said = []
for costs in (tall.T, tall):
    D, path = librosa.sequence.dtw(C=costs, subseq=True)
    path = path[::-1]
    assert D.shape == costs.shape
    swapped = path[:, ::-1] if len(costs) > costs.shape[1] else path
    # Only these are cells of `costs`, and add up to what D says.
    assert np.isclose(costs[tuple(swapped.T)].sum(), D[-1].min())
    said.append(f"{costs.shape[0]} x {costs.shape[1]}: {path.tolist()}")
print(f"{'; '.join(said)}, D {D.shape[0]} x {D.shape[1]}")
assert said == [
    "3 x 5: [[0, 1], [1, 2], [2, 3]]",
    "5 x 3: [[0, 0], [0, 1], [0, 2], [1, 3], [1, 4]]",
]
PY
