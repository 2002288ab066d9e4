"""Losses x backends x transforms of torch: each cell is right, or refused by name.

`python -m tests.losses.transforms BACKEND PART` prints the outcome of each cell as JSON, where
BACKEND is one of the losses' or "none", for losses that take none, and PART is "all", "fast" or
"few". What is right comes from differences of values, and from differences of first gradients.
"""

import json
import sys
import warnings

import torch
from torch import func
from torch.autograd import forward_ad, functional
from torch.fx.experimental.proxy_tensor import make_fx

from tests.losses.transform_cells import LOSSES, WITHOUT_BACKEND, Cell


def leaf_of(a):
    return a.clone().requires_grad_()


def grad_of_grad(c):
    leaf = leaf_of(c.a)
    (g,) = torch.autograd.grad(c.f(leaf), leaf, create_graph=True)
    return torch.autograd.grad(g, leaf, c.v)[0]


def dual(c):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(c.f(forward_ad.make_dual(c.a, c.v))).tangent


def dual_of_backward(c):
    with forward_ad.dual_level():
        leaf = leaf_of(c.a)
        two = forward_ad.make_dual(leaf, c.v)
        (g,) = torch.autograd.grad(c.f(two), leaf, create_graph=True)
        return forward_ad.unpack_dual(g).tangent


def batched_grads(c):
    leaf = leaf_of(c.a)
    value = c.f(leaf)
    scale = torch.tensor([1.0, -2.0], dtype=torch.float64)
    (g,) = torch.autograd.grad(value, leaf, scale, is_grads_batched=True)
    return g[1] / -2


def checkpointed(c):
    leaf = leaf_of(c.a)
    value = torch.utils.checkpoint.checkpoint(c.f, leaf, use_reentrant=False)
    return torch.autograd.grad(value, leaf)[0]


def stacked(c):
    return torch.stack((c.a, c.a + 0.3 * c.w))


def under_vmap(c):
    return torch.vmap(c.f)(stacked(c)) - torch.stack([c.f(a) for a in stacked(c)])


def vmap_of_grad(c):
    return torch.vmap(func.grad(c.f))(stacked(c))[0]


def grad_of_vmap(c):
    return func.grad(lambda both: torch.vmap(c.f)(both).sum())(stacked(c))[0]


def backward_of_vmap(c):
    leaf = leaf_of(stacked(c))
    return torch.autograd.grad(torch.vmap(c.f)(leaf).sum(), leaf)[0][0]


def third(c):
    leaf = leaf_of(c.a)
    (g,) = torch.autograd.grad(c.f(leaf), leaf, create_graph=True)
    (h,) = torch.autograd.grad(g, leaf, c.v, create_graph=True)
    t = torch.zeros_like(leaf)
    if h.requires_grad:
        (t,) = torch.autograd.grad(h, leaf, c.w, allow_unused=True, materialize_grads=True)

    def hvp(a):
        near = leaf_of(a)
        (g,) = torch.autograd.grad(c.f(near), near, create_graph=True)
        return torch.autograd.grad(g, near, c.v)[0]

    step = 1e-5
    return t - (hvp(c.a + step * c.w) - hvp(c.a - step * c.w)) / (2 * step)


def traced(c, make):
    """Trace at one input, run at another; the difference from a plain gradient there."""
    other = c.a + 0.2 * c.w
    return make(c)(other) - c.plain_gradient(other)


def fx(mode):
    def make(c):
        return make_fx(func.grad(c.f), tracing_mode=mode, _allow_non_fake_inputs=True)(c.a)

    return lambda c: traced(c, make)


def fx_of_autograd(c):
    return traced(c, lambda c: make_fx(lambda a: c.plain_gradient(a))(c.a))


def jit_trace(c):
    other = c.a + 0.2 * c.w
    return torch.jit.trace(c.f, (c.a,), check_trace=False)(other) - c.f(other)


def exported(c):
    class Module(torch.nn.Module):
        def forward(self, a):
            return c.f(a)

    other = c.a + 0.2 * c.w
    return torch.export.export(Module(), (c.a,)).module()(other) - c.f(other)


def compiled(of, dynamic=None):
    def outcome(c):
        torch._dynamo.reset()
        run, plain = (
            wrap(of(c))
            for wrap in (
                lambda g: torch.compile(g, backend=c.compiler, fullgraph=True, dynamic=dynamic),
                lambda g: g,
            )
        )
        run(c.a)
        other = c.a + 0.2 * c.w
        found, right = run(other), plain(other)
        if found.requires_grad:
            return found.detach() - right.detach()
        return found - right

    return outcome


def compiled_backward(c):
    torch._dynamo.reset()
    leaf = leaf_of(c.a)
    run = torch.compile(c.f, backend=c.compiler, fullgraph=True)
    return torch.autograd.grad(run(leaf), leaf)[0]


# What each gives: 0, the first derivative (along v, where a scalar), or the second along v.
FIRST = {
    "torch.autograd.grad": lambda c: c.plain_gradient(c.a),
    "is_grads_batched=True": batched_grads,
    "checkpoint": checkpointed,
    "func.grad": lambda c: func.grad(c.f)(c.a),
    "func.vjp": lambda c: func.vjp(c.f, c.a)[1](torch.ones((), dtype=torch.float64))[0],
    "func.jvp": lambda c: func.jvp(c.f, (c.a,), (c.v,))[1],
    "func.linearize": lambda c: func.linearize(c.f, c.a)[1](c.v),
    "func.jacrev": lambda c: func.jacrev(c.f)(c.a),
    "func.jacfwd": lambda c: func.jacfwd(c.f)(c.a),
    "vmap of func.grad": vmap_of_grad,
    "func.grad of vmap": grad_of_vmap,
    "backward of vmap": backward_of_vmap,
    "forward_ad.dual_level": dual,
    "functional.jacobian": lambda c: functional.jacobian(c.f, c.a),
    "functional.jacobian, vectorize": lambda c: functional.jacobian(c.f, c.a, vectorize=True),
    'functional.jacobian, "forward-mode"': lambda c: functional.jacobian(
        c.f, c.a, vectorize=True, strategy="forward-mode"
    ),
    "compile, backward": compiled_backward,
}
SECOND = {
    "torch.autograd.grad twice": grad_of_grad,
    "forward_ad over backward": dual_of_backward,
    "func.grad of func.grad": lambda c: func.grad(lambda a: (func.grad(c.f)(a) * c.v).sum())(c.a),
    "func.vjp of func.grad": lambda c: func.vjp(func.grad(c.f), c.a)[1](c.v)[0],
    "func.jvp of func.grad": lambda c: func.jvp(func.grad(c.f), (c.a,), (c.v,))[1],
    "func.grad of func.jvp": lambda c: func.grad(lambda a: func.jvp(c.f, (a,), (c.v,))[1])(c.a),
    "func.hessian": lambda c: (func.hessian(c.f)(c.a) * c.v).sum((-3, -2, -1)),
    "func.jacrev of func.jacrev": lambda c: (func.jacrev(func.jacrev(c.f))(c.a) * c.v).sum(
        (-3, -2, -1)
    ),
    "func.jacfwd of func.jacfwd": lambda c: (func.jacfwd(func.jacfwd(c.f))(c.a) * c.v).sum(
        (-3, -2, -1)
    ),
    "functional.hessian": lambda c: (functional.hessian(c.f, c.a) * c.v).sum((-3, -2, -1)),
    "functional.hessian, vectorize": lambda c: (
        functional.hessian(c.f, c.a, vectorize=True) * c.v
    ).sum((-3, -2, -1)),
    "functional.hvp": lambda c: functional.hvp(c.f, c.a, c.v)[1],
    "functional.vhp": lambda c: functional.vhp(c.f, c.a, c.v)[1],
}
ZERO = {
    "vmap": under_vmap,
    "third derivatives": third,
    "make_fx of func.grad": fx("real"),
    'make_fx of func.grad, "fake"': fx("fake"),
    'make_fx of func.grad, "symbolic"': fx("symbolic"),
    "make_fx of autograd.grad": fx_of_autograd,
    "torch.jit.trace": jit_trace,
    "torch.export": exported,
    "compile": compiled(lambda c: c.f),
    "compile, dynamic": compiled(lambda c: c.f, dynamic=True),
    "compile of func.grad": compiled(lambda c: func.grad(c.f)),
    "compile of func.vjp": compiled(
        lambda c: lambda a: func.vjp(c.f, a)[1](torch.ones((), dtype=torch.float64))[0]
    ),
    "compile of func.jvp": compiled(lambda c: lambda a: func.jvp(c.f, (a,), (c.v,))[1]),
    "compile of vmap": compiled(lambda c: lambda a: torch.vmap(c.f)(torch.stack((a, 2 * a)))),
    "compile of vmap of func.grad": compiled(
        lambda c: lambda a: torch.vmap(func.grad(c.f))(torch.stack((a, 2 * a)))
    ),
}
TRANSFORMS = {**FIRST, **SECOND, **ZERO}


def outcome(cell, name):
    """Tell what a cell comes to: "right", "refused: WHY", or what is wrong."""
    try:
        found = TRANSFORMS[name](cell)
    except NotImplementedError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"WRONG: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if found is None:
        return "WRONG: nothing came"
    right = torch.zeros_like(found)
    if name in FIRST:
        right = cell.first
        if found.ndim == 0:
            right = (right * cell.v).sum()
    if name in SECOND:
        right = cell.second
    scale = max(1.0, float(right.abs().max()))
    error = float((found.detach() - right.detach()).abs().max()) / scale
    return "right" if error < 2e-6 else f"WRONG: off by {error:.1e}"


# What takes long with tensor operations, which are torch's own to trace any further.
SLOW = {name for name in TRANSFORMS if name.startswith("compile")} | {
    "func.linearize",
    'make_fx of func.grad, "symbolic"',
    "torch.export",
}
# For Triton's interpreter, which takes a minute a loss for all of them.
FEW_LOSSES = ("soft_dtw", "SoftDTWLoss", "contrastive_idm")
FEW = (
    "func.vjp",
    "forward_ad.dual_level",
    "vmap of func.grad",
    "func.jvp of func.grad",
)


def table(backend, names):
    """Return an outcome for each loss and transform, as `[loss, transform, outcome]`."""
    cells = []
    of_backend = LOSSES if backend != "none" else WITHOUT_BACKEND
    for loss in FEW_LOSSES if names == FEW else of_backend:
        cell = Cell(loss, None if backend == "none" else backend)
        for name in names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cells.append([loss, name, outcome(cell, name)])
    return cells


if __name__ == "__main__":
    backend, which = sys.argv[1:]
    torch.set_num_threads(1)
    parts = {"all": list(TRANSFORMS), "fast": [t for t in TRANSFORMS if t not in SLOW], "few": FEW}
    json.dump(table(backend, parts[which]), sys.stdout)
