#!/usr/bin/env bash
# torch 2.13.0: torch.nn.functional.scaled_dot_product_attention computes tensors of 3 or 5 axes, (N, L, E) or with
# axes of windows, and torch.export takes them. torch.onnx.export does not, at any opset: "only 4D query, key, and
# value are supported". With an axis of one head put in, or two axes joined, the same model is exported. Met with
# timm's hiera_tiny_224, whose attention within windows has 5 axes; timm.layers.set_fused_attn(False) avoids it.
# Seen: "opset 18: 3 axes refused, 4 axes equal, 5 axes refused", and the same for opset 23.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  numpy==2.4.6 torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.31.1
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" -W ignore - <<'PY'
import logging

import numpy
import onnxruntime
import torch

logging.disable(logging.ERROR)


class Attention(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.scaled_dot_product_attention(x, x, x)


def outcome(x, opset):
    right = Attention()(x).numpy()
    torch.export.export(Attention(), (x,))
    try:
        program = torch.onnx.export(Attention(), (x,), opset_version=opset, verbose=False)
    except torch.onnx.OnnxExporterError as error:
        while error.__cause__ is not None:
            error = error.__cause__
        assert "only 4D query, key, and value are supported" in str(error), error
        return "refused"
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (run,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return "equal" if numpy.abs(run - right).max() < 1e-5 else "different"


seen = []
for opset in (18, 23):
    shapes = ((2, 6, 8), (2, 1, 6, 8), (2, 3, 2, 6, 8))
    results = [outcome(torch.randn(shape), opset) for shape in shapes]
    seen.append(results)
    print(f"opset {opset}: 3 axes {results[0]}, 4 axes {results[1]}, 5 axes {results[2]}")
assert seen == [["refused", "equal", "refused"]] * 2, seen
PY
