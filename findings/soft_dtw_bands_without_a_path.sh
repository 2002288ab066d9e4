#!/usr/bin/env bash
# dtw-loss-functions 1.0.5 has three implementations of soft-DTW behind one name. With a band that leaves no path, |i -
# j| <= 2 of 4 x 8, none raises an error: "mag" (pytorch-softdtw-cuda) returns -inf, the best loss there can be, "ron"
# (sdtw-cuda-torch) inf, both with a gradient of 0, and "pysdtw" a finite number, since it stretches its band.
# Seen: "mag -inf, gradient 0.0; ron inf, gradient 0.0; pysdtw 28.9272, gradient 15.5".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  numpy==2.4.6 numba==0.68.1 torch==2.13.0 pysdtw==0.0.5 dtw-loss-functions==1.0.5
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch
from dtw_loss_functions.soft_dtw import soft_dtw

torch.manual_seed(0)
x, y = torch.randn(1, 4, 2, dtype=torch.float64), torch.randn(1, 8, 2, dtype=torch.float64)
values, sizes = {}, {}
for name in ("mag", "ron", "pysdtw"):
    for band in (2, 9):
        leaf = x.clone().requires_grad_()
        value = soft_dtw(implementation=name, sdtw_config={"gamma": 0.1, "bandwidth": band})(leaf, y)
        value.sum().backward()
        values[name, band], sizes[name, band] = value.item(), leaf.grad.norm().item()
print(
    "; ".join(f"{name} {values[name, 2]:g}, gradient {sizes[name, 2]:.3}" for name in ("mag", "ron", "pysdtw"))
)
assert values["mag", 2] == -float("inf") and values["ron", 2] == float("inf")
assert sizes["mag", 2] == sizes["ron", 2] == 0 and 0 < values["pysdtw", 2] < 100
# A band that leaves every path means the same to all three, up to float32.
assert max(values[name, 9] for name in ("mag", "ron", "pysdtw")) - values["mag", 9] < 1e-4
PY
