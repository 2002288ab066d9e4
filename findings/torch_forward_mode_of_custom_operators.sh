#!/usr/bin/env bash
# torch 2.13.0: an operator made by torch.library.custom_op with register_autograd has no forward mode,
# and nothing says so: the tangent of its result is None, torch.func.jvp returns 0, and
# torch.autograd.functional.jacobian(strategy="forward-mode") is a matrix of zeros. torch.library.opcheck passes.
# An autograd.Function without a jvp raises NotImplementedError in the same place.
# Seen: "dual None, jvp 0.0, jacobian [0.0, 0.0], opcheck passes; reverse mode [2.0, 4.0]".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import torch
from torch.autograd import forward_ad, functional
from torch.library import custom_op, opcheck, register_autograd, register_fake


@custom_op("finding::sum_of_squares", mutates_args=())
def sum_of_squares(x: torch.Tensor) -> torch.Tensor:
    return x.square().sum()


register_fake("finding::sum_of_squares", lambda x: x.new_empty(()))
register_autograd(
    "finding::sum_of_squares",
    lambda ctx, grad: 2 * grad * ctx.saved_tensors[0],
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
)
x = torch.tensor([1.0, 2.0])
results = opcheck(sum_of_squares, (x.clone().requires_grad_(),))
assert set(results.values()) == {"SUCCESS"}, results
with forward_ad.dual_level():
    dual = forward_ad.unpack_dual(sum_of_squares(forward_ad.make_dual(x, torch.ones(2)))).tangent
jvp = torch.func.jvp(sum_of_squares, (x,), (torch.ones(2),))[1].item()
jacobian = functional.jacobian(sum_of_squares, x, vectorize=True, strategy="forward-mode").tolist()
reverse = functional.jacobian(sum_of_squares, x).tolist()
print(f"dual {dual}, jvp {jvp}, jacobian {jacobian}, opcheck passes; reverse mode {reverse}")
assert (dual, jvp, jacobian, reverse) == (None, 0.0, [0.0, 0.0], [2.0, 4.0])
PY
