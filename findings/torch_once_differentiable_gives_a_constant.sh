#!/usr/bin/env bash
# torch 2.13.0: torch.autograd.function.once_differentiable, which the documentation recommends for a backward that may
# not be differentiated, refuses that only where the gradient from above requires a gradient. A penalty on the gradient
# of the loss itself, whose gradient from above is 1, gets a constant: backward() of loss and penalty gives the gradient
# of the loss alone and raises no error. With a weight that is learned, backward() raises an error, and
# torch.autograd.grad of the sum still does not.
# Seen: "weight 1: backward 8.0, grad 8.0; weight learned: backward RuntimeError, grad 8.0; right 44.0".
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


def penalty(x, weight):
    return torch.autograd.grad(weight * Cube.apply(x), x, create_graph=True)[0]


def outcomes(weight):
    x = torch.tensor(2.0, requires_grad=True)
    loss = 2 * x**2 + 3 * penalty(x, weight)
    grad = torch.autograd.grad(loss, x, retain_graph=True)[0].item()
    try:
        loss.backward()
        backward = x.grad.item()
    except RuntimeError as error:
        backward = type(error).__name__
    return backward, grad


fixed, learned = outcomes(1.0), outcomes(torch.tensor(1.0, requires_grad=True))
right = 4 * 2.0 + 3 * 6 * 2.0
print(
    f"weight 1: backward {fixed[0]}, grad {fixed[1]}; "
    f"weight learned: backward {learned[0]}, grad {learned[1]}; right {right}"
)
assert (fixed, learned, right) == ((8.0, 8.0), ("RuntimeError", 8.0), 44.0)
PY
