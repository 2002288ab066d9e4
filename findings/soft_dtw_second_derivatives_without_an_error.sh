#!/usr/bin/env bash
# pysdtw 0.0.5, tslearn 0.10.0, dDTW 0.1.2 (ddtw): the second derivative of their soft-DTW by double backward is wrong,
# and nothing says so. Their backward uses the expected alignment as if it were a constant, and is not marked as
# once_differentiable, so that only the second derivative of the costs is left. All three return the same wrong numbers.
# Seen: "by differences [1.7, 2.1], pysdtw [2.1, 2.1], tslearn [2.1, 2.1], ddtw [2.1, 2.1]".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  numpy==2.4.6 numba==0.68.1 torch==2.13.0 pysdtw==0.0.5 tslearn==0.10.0 ddtw==0.1.2
cd "$work"
"$work/venv/bin/python" - <<'PY'
import pysdtw
import torch
from ddtw import SDTW
from tslearn.metrics import SoftDTWLossPyTorch

torch.manual_seed(0)
x, y = torch.randn(2, 1, 3, 2, dtype=torch.float64)
direction = torch.ones_like(x)
losses = {
    "pysdtw": pysdtw.SoftDTW(gamma=1.0, use_cuda=False),
    "tslearn": SoftDTWLossPyTorch(gamma=1.0),
    "ddtw": SDTW(gamma=1.0, normalization="none", dtype_float=torch.float64, backend="cpu_numba"),
}


def gradient(loss, x, *, again=False):
    leaf = x.detach().requires_grad_()
    (first,) = torch.autograd.grad(loss(leaf, y).sum(), leaf, create_graph=again)
    return torch.autograd.grad((first * direction).sum(), leaf)[0] if again else first


step = 1e-4 * direction
right = (gradient(losses["ddtw"], x + step) - gradient(losses["ddtw"], x - step)) / 2e-4
second = {name: gradient(loss, x, again=True) for name, loss in losses.items()}
shown = {"by differences": right} | second
print(
    ", ".join(f"{name} {[round(each, 1) for each in numbers[0, 1].tolist()]}" for name, numbers in shown.items())
)
for numbers in second.values():
    assert (numbers - right).abs().max() > 0.5
    assert (numbers - second["ddtw"]).abs().max() < 1e-3
PY
