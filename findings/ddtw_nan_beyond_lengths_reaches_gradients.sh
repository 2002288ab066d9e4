#!/usr/bin/env bash
# dDTW 0.1.2 (ddtw): with lengths, NaN beyond the end of a sequence leaves the loss right to the bit, and the gradients
# of the other sequence NaN in every frame, valid ones as well: the costs between a valid frame and one that is NaN have
# the gradient 0, and 0 times NaN is NaN. A check of the loss finds nothing; the network is NaN after the next step.
# Seen: "padding 0: loss 25.0590, 0 NaN gradients; padding NaN: loss 25.0590, 12 NaN gradients of 12 numbers".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  numpy==2.4.6 numba==0.68.1 torch==2.13.0 ddtw==0.1.2
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch
from ddtw import SDTW

torch.manual_seed(0)
x, y = torch.randn(2, 2, 4, 3, dtype=torch.float64)
loss = SDTW(gamma=0.1, normalization="none", dtype_float=torch.float64, backend="cpu_numba")
said, values = [], []
for padding in (0.0, float("nan")):
    frames, padded = x.clone().requires_grad_(), y.clone()
    padded[1, 2:] = padding  # the second item has two frames
    value = loss(X=frames, Y=padded, list_N=[4, 4], list_M=[4, 2])
    value.backward()
    values.append(value.item())
    # All four frames of the second item of x are valid.
    wrong = int(frames.grad[1].isnan().sum())
    said.append(f"padding {'NaN' if wrong else '0'}: loss {value:.4f}, {wrong} NaN gradients")
print(f"{'; '.join(said)} of {frames.grad[1].numel()} numbers")
assert values[0] == values[1]
assert wrong == frames.grad[1].numel()
assert not frames.grad[0].isnan().any()
PY
