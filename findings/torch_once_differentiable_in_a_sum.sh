#!/usr/bin/env bash
# torch 2.13.0: a gradient that is marked once_differentiable raises an error where it is differentiated again by
# backward(), but torch.autograd.grad of a sum, such as a loss and a penalty on its gradient, drops the marked part and
# says nothing: the result is that of the other terms alone. The node that would raise leads to no input, so that it is
# not run. Where nothing else leads to the input, the error is that the input was not used.
# Seen: "backward() RuntimeError; grad alone RuntimeError; grad of a sum 8.0, right 44.0".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import torch
from torch.autograd.function import once_differentiable


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return 3 * ctx.saved_tensors[0] ** 2 * grad


def penalty(x):
    return torch.autograd.grad(Cube.apply(x), x, create_graph=True)[0]


def outcome(call):
    try:
        return call()
    except RuntimeError as error:
        return type(error).__name__


x = torch.tensor(2.0, requires_grad=True)
backward = outcome(lambda: (2 * x**2 + 3 * penalty(x)).backward())
alone = outcome(lambda: torch.autograd.grad(penalty(x), x)[0].item())
total = outcome(lambda: torch.autograd.grad(2 * x**2 + 3 * penalty(x), x)[0].item())
right = 4 * x.item() + 3 * 6 * x.item()
print(f"backward() {backward}; grad alone {alone}; grad of a sum {total}, right {right}")
assert (backward, alone, total, right) == ("RuntimeError", "RuntimeError", 8.0, 44.0)
PY
