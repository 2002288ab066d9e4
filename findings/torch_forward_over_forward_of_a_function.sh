#!/usr/bin/env bash
# torch 2.13.0: forward mode over forward mode of a torch.autograd.Function is silently 0, though its jvp is
# made of tensor operations: forward mode is switched off, for all levels, while a jvp runs. Forward over
# reverse mode of the same function is right, and so is forward over forward of the plain operations.
# Seen: "operations 12.0, Function: forward over forward 0.0, forward over reverse 12.0".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torch.func import jacfwd, jacrev


class Cube(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        return 3 * ctx.saved_tensors[0] ** 2 * grad

    @staticmethod
    def jvp(ctx, tangent):
        return 3 * ctx.saved_tensors[0] ** 2 * tangent


x = torch.tensor(2.0)
plain = jacfwd(jacfwd(lambda x: x**3))(x).item()
forward, reverse = (jacfwd(inner(Cube.apply))(x).item() for inner in (jacfwd, jacrev))
print(
    f"operations {plain}, Function: forward over forward {forward}, forward over reverse {reverse}"
)
assert (plain, forward, reverse) == (12.0, 0.0, 12.0)
PY
