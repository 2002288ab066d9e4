#!/usr/bin/env bash
# dDTW 0.1.2 (ddtw): lengths are kept as int16. Without lengths a sequence of 32768 frames or more raises an error; with
# its length given, which is the same task, the length wraps to a negative number: the loss is 0 and so is every
# gradient.
# Seen: "32767 frames: 10994.6 without lengths, 10994.6 with; 32768 frames: RuntimeError without, loss 0.0, gradient 0.0
#       with".
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

loss = SDTW(gamma=0.1, normalization="none", dtype_float=torch.float64, backend="cpu_numba")
y = torch.zeros(1, 3, 1, dtype=torch.float64)


def solve(frames, lengths):
    torch.manual_seed(0)
    x = torch.rand(1, frames, 1, dtype=torch.float64, requires_grad=True)
    try:
        value = loss(X=x, Y=y, list_N=lengths)
    except RuntimeError as error:
        assert "int16" in str(error)
        return "RuntimeError"
    value.backward()
    return value.item(), x.grad.abs().max().item()


short = solve(32767, None), solve(32767, [32767])
long = solve(32768, None), solve(32768, torch.tensor([32768]))
print(
    f"32767 frames: {short[0][0]:.1f} without lengths, {short[1][0]:.1f} with; "
    f"32768 frames: {long[0]} without, loss {long[1][0]}, gradient {long[1][1]} with"
)
assert short[0] == short[1] and short[0][0] > 1000
assert long == ("RuntimeError", (0.0, 0.0))
PY
