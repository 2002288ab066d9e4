#!/usr/bin/env bash
# torch 2.13.0 with onnxscript 0.7.2: torch.div(a, b, rounding_mode="floor") of int64 is exported as a cast to
# float32, a division, Floor and a cast back. Integers above 2^24 come out wrong, and nothing warns: neither the
# export nor the checker nor onnxruntime.
# Seen: "torch [16777217, 1099511627779], onnxruntime [16777216, 1099511627776], graph: Cast Cast Div Floor Cast".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  numpy==2.4.6 torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.31.1
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" -W ignore - <<'PY'
import logging

import onnx
import onnxruntime
import torch

logging.disable(logging.ERROR)


class Divide(torch.nn.Module):
    def forward(self, a, b):
        return torch.div(a, b, rounding_mode="floor")


a, b = torch.tensor([2**24 + 1, 2**40 + 3]), torch.tensor([1, 1])
program = torch.onnx.export(Divide(), (a, b), dynamo=True, opset_version=18, verbose=False)
model = program.model_proto
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
names = [given.name for given in session.get_inputs()]
run = session.run(None, dict(zip(names, (a.numpy(), b.numpy()), strict=True)))[0].tolist()
right = Divide()(a, b).tolist()
graph = " ".join(node.op_type for node in model.graph.node)
print(f"torch {right}, onnxruntime {run}, graph: {graph}")
assert right == [2**24 + 1, 2**40 + 3] and run == [2**24, 2**40], (right, run)
PY
