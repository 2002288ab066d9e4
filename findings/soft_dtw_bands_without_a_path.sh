#!/usr/bin/env bash
# dtw-loss-functions 1.0.5 has three implementations of soft-DTW behind one name. With a band that leaves no path, |i -
# j| <= 2 of 4 x 8, none raises an error: "mag" (pytorch-softdtw-cuda) and "ron" (sdtw-cuda-torch) return inf with a
# gradient of 0, but in "mag" backward() writes into the loss that was returned, which then is -inf, the best loss there
# can be, for whoever logs it; and "pysdtw" returns a finite number, since it stretches its band.
# Seen: "mag inf, -inf after backward(), gradient 0.0; ron inf, inf after backward(), gradient 0.0; pysdtw 28.9272,
#       28.9272 after backward(), gradient 15.5".
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
names = ("mag", "ron", "pysdtw")


def solve(name, band):
    leaf = x.clone().requires_grad_()
    value = soft_dtw(implementation=name, sdtw_config={"gamma": 0.1, "bandwidth": band})(leaf, y)
    before = value.item()
    value.sum().backward()
    return before, value.item(), leaf.grad.norm().item()


results = {name: solve(name, 2) for name in names}
print(
    "; ".join(
        f"{name} {before:g}, {after:g} after backward(), gradient {size:.3}"
        for name, (before, after, size) in results.items()
    )
)
inf = float("inf")
assert results["mag"] == (inf, -inf, 0) and results["ron"] == (inf, inf, 0)
assert 0 < results["pysdtw"][0] < 100 and results["pysdtw"][2] > 1
# A band that leaves every path means the same to all three, up to float32.
free = [solve(name, 9)[0] for name in names]
assert max(free) - min(free) < 1e-4
PY
