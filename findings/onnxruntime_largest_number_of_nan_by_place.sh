#!/usr/bin/env bash
# onnxruntime 1.31.1 on the CPU: ReduceMax of [1, NaN, 2] is 2, and of [NaN, 1, 2] NaN; ReduceMin does the same, and
# ArgMax finds 2 behind a NaN. torch, of which they are the export (amax, amin, argmax), gives NaN wherever it stands,
# and its place. A model that is watched for NaN by the largest number of its output is watched at some places only.
# Seen: "amax of [1, NaN, 2]: torch nan, onnxruntime 2.0; of [NaN, 1, 2]: nan, nan; argmax of [1, NaN, 2]: 1, 2".
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


class Largest(torch.nn.Module):
    def forward(self, x):
        return x.amax(-1), x.amin(-1), x.argmax(-1)


x = torch.tensor([[1.0, torch.nan, 2.0], [torch.nan, 1.0, 2.0]])
program = torch.onnx.export(Largest(), (x,), dynamo=True, opset_version=18, verbose=False)
session = onnxruntime.InferenceSession(
    program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
)
largest, least, place = session.run(None, {session.get_inputs()[0].name: x.numpy()})
right = [each.tolist() for each in Largest()(x)]
print(
    f"amax of [1, NaN, 2]: torch {right[0][0]}, onnxruntime {largest[0]}; of [NaN, 1, 2]: "
    f"{right[0][1]}, {largest[1]}; argmax of [1, NaN, 2]: {right[2][0]}, {place[0]}"
)
assert all(each != each for each in right[0] + right[1])
assert largest[0] == 2 and least[0] == 1 and largest[1] != largest[1] and least[1] != least[1]
assert (right[2][0], place[0]) == (1, 2)
PY
