#!/usr/bin/env bash
# torch 2.13.0: torch.cdist of more than 25 rows computes |x|^2 + |y|^2 - 2 xy, of up to 25 the difference. So the
# distance of two frames depends on how many others come along: a frame is not at distance 0 from itself in a video of
# 26 frames, and far from the origin distances are off by hundredths. compute_mode="donot_use_mm_for_euclid_dist" keeps
# the difference.
# Seen: "to itself: 25 rows 0, 26 rows 0.0006; at 1000 from the origin: 25 rows 1.5426, 26 rows 1.5000, exact 1.5426".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch

torch.manual_seed(0)
unit = torch.nn.functional.normalize(1 + 0.1 * torch.randn(26, 128), dim=-1)
itself = [torch.cdist(unit[:n], unit[:n]).diagonal().max().item() for n in (25, 26)]
far = torch.randn(26, 4) + 1000
pair = [torch.cdist(far[:n], far[:n])[0, 1].item() for n in (25, 26)]
exact = (far[0].double() - far[1].double()).norm().item()
print(
    f"to itself: 25 rows {itself[0]:.2g}, 26 rows {itself[1]:.1g}; at 1000 from the origin: "
    f"25 rows {pair[0]:.4f}, 26 rows {pair[1]:.4f}, exact {exact:.4f}"
)
assert itself[0] == 0 and 1e-4 < itself[1] < 1e-2
assert abs(pair[0] - exact) < 1e-4 < 1e-3 < abs(pair[1] - exact)
mode = "donot_use_mm_for_euclid_dist"
assert torch.cdist(far, far, compute_mode=mode)[0, 1].item() == pair[0]
PY
