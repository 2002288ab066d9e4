#!/usr/bin/env bash
# torch 2.13.0 with onnxscript 0.7.2: torch.atan2(0, -1) is pi, and -pi once it is exported: a direction that points
# exactly to the left, or an optical flow without a vertical part, turns by a whole circle. Of all other quadrants, and
# of atan2(1, 0), the export is right.
# Seen: "atan2 of (0, -1): torch 3.1416, onnxruntime -3.1416; of (1, 0): 1.5708, 1.5708; of (1, -1): 2.3562, 2.3562".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  numpy==2.4.6 torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.31.1
cd "$work"
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" - <<'PY'
import logging

import onnxruntime
import torch

logging.disable(logging.ERROR)


class Angle(torch.nn.Module):
    def forward(self, y, x):
        return torch.atan2(y, x)


y, x = torch.tensor([0.0, 1.0, 1.0]), torch.tensor([-1.0, 0.0, -1.0])
program = torch.onnx.export(Angle(), (y, x), dynamo=True, opset_version=18, verbose=False)
session = onnxruntime.InferenceSession(
    program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
)
names = [given.name for given in session.get_inputs()]
run = session.run(None, dict(zip(names, (y.numpy(), x.numpy()), strict=True)))[0].tolist()
right = torch.atan2(y, x).tolist()
print(
    f"atan2 of (0, -1): torch {right[0]:.4f}, onnxruntime {run[0]:.4f}; "
    f"of (1, 0): {right[1]:.4f}, {run[1]:.4f}; of (1, -1): {right[2]:.4f}, {run[2]:.4f}"
)
assert right[0] == -run[0] and right[0] > 3.14
assert all(abs(a - b) < 1e-6 for a, b in zip(right[1:], run[1:], strict=True))
PY
