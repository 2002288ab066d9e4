#!/usr/bin/env bash
# torch 2.13.0 with onnxscript 0.7.2: torch.logaddexp is exported as log(exp(a) + exp(b)), and logsigmoid as
# log(sigmoid(x)), which in float32 are inf beyond 88 and -inf below -104, where torch is finite: the formulas that both
# functions exist to avoid. torch.logsumexp is exported as an operator that does not overflow.
# Seen: "logaddexp of 100: torch 100.69, onnxruntime inf; of -110: -109.31, -inf; logsigmoid of -110: -110.00, -inf;
#       logsumexp of 100: 100.69, 100.69".
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


class Call(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def both(function, x):
    """Return what torch and onnxruntime compute."""
    program = torch.onnx.export(Call(function), (x,), dynamo=True, opset_version=18, verbose=False)
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    run = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    return function(x).item(), run.item()


high, low = torch.tensor([100.0, 100.0]), torch.tensor([-110.0, -110.0])
results = {
    "logaddexp of 100": both(lambda x: torch.logaddexp(x[0], x[1]), high),
    "of -110": both(lambda x: torch.logaddexp(x[0], x[1]), low),
    "logsigmoid of -110": both(lambda x: torch.nn.functional.logsigmoid(x[0]), low),
    "logsumexp of 100": both(lambda x: x.logsumexp(0), high),
}
print(
    "; ".join(
        f"{name}: {'torch ' * (k == 0)}{a:.2f}, {'onnxruntime ' * (k == 0)}{b:.2f}"
        for k, (name, (a, b)) in enumerate(results.items())
    )
)
first, second, third, last = results.values()
assert first[1] == float("inf") and second[1] == third[1] == -float("inf")
assert all(abs(a) < 111 for a, _ in results.values()) and abs(last[0] - last[1]) < 1e-4
PY
