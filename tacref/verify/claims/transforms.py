"""Claims about transformations of a function: forward mode, torch.func, vmap, torch.compile.

Each is right or refused with an error; a derivative that is silently zero or wrong fails.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tacref.verify.calls import input_tensors, torch_options
from tacref.verify.cases import REDUCTIONS, Case
from tacref.verify.draw import draw
from tacref.verify.guard import SubjectError, guarded
from tacref.verify.report import Row
from tacref.verify.snippets import call_code, import_lines, input_lines
from tacref.verify.subject import Subject

COMPILES = True  # it takes up to a second a card
_SHARE_ALLOWED = 1e-9
_SHARE_ALLOWED_IF_COARSE = 1e-3

# The code that a snippet shows is the code that runs: `call` is the function of its `inputs` alone,
# `results` are compared with what is right.
_FORWARD_MODE = """\
with torch.autograd.forward_ad.dual_level():
    duals = [torch.autograd.forward_ad.make_dual(z.detach(), u) for z, u in zip(inputs, along)]
    value, tangent = torch.autograd.forward_ad.unpack_dual(call(*duals))
results = [value, torch.zeros_like(value) if tangent is None else tangent]"""
_FUNC = """\
value, pull = torch.func.vjp(call, *[z.detach() for z in inputs])
results = [value, *pull(torch.ones_like(value))]"""
_VMAP = """\
stacked = [torch.stack((z / 2, z, z / 3)).detach().requires_grad_() for z in inputs]
value = torch.func.vmap(call)(*stacked)
above = torch.zeros_like(value)
above[1] = 1
gradients = torch.autograd.grad(value, stacked, above, materialize_grads=True)
results = [value[1], *(g[1] for g in gradients)]"""
_VMAP_OF_GRADIENTS = """\
stacked = [torch.stack((z / 2, z, z / 3)).detach() for z in inputs]
slopes = torch.func.grad(lambda *z: call(*z).sum(), tuple(range(len(inputs))))
results = [g[1] for g in torch.func.vmap(slopes)(*stacked)]"""
_COMPILE = """\
torch.compiler.reset()
value = torch.compile(call, backend="aot_eager", dynamic=False)(*inputs)
above = torch.ones_like(value)
results = [value, *torch.autograd.grad(value, inputs, above, materialize_grads=True)]
torch.compiler.reset()"""


def transformations(subject: Subject, seed: int) -> Iterator[Row]:
    """Take derivatives forward and by torch.func, map over a dimension, compile."""
    if subject.framework != "torch" or not subject.gradients:
        return
    if "torch's grad mode" in subject.changed:  # the last row says so, and nothing is right here
        return
    B = 2 if subject.takes_batches else 1
    options: dict[str, Any] = {"gamma": 1.0} if "gamma" in subject.spec.options else {}
    problems = tuple(draw(subject.spec, (seed, 3, 2, k), 3, 2, **options) for k in range(B))
    case = Case(problems)
    along = _directions(case, seed)
    value, *gradients = _right(subject, case)
    slope = _slopes(subject, case, along)
    for claim, parts in (
        ("forward mode", [(_FORWARD_MODE, [value, slope])]),
        ("torch.func", [(_FUNC, [value, *gradients])]),
        ("vmap", [(_VMAP, [value, *gradients]), (_VMAP_OF_GRADIENTS, gradients)]),
        ("torch.compile", [(_COMPILE, [value, *gradients])]),
    ):
        if claim == "torch.compile" and not COMPILES:
            continue
        rows = [_row(subject, case, claim, code, right, along) for code, right in parts]
        order = ("FAIL", "pass", "refused")
        yield min(rows, key=lambda row: order.index(row.status))


def _row(
    subject: Subject,
    case: Case,
    claim: str,
    code: str,
    rights: Sequence[np.ndarray],
    along: Sequence[np.ndarray],
) -> Row:
    import torch

    options, changed, inputs = torch_options(case), set[str](), input_tensors(case)
    names: dict[str, Any] = {
        "torch": torch,
        "call": lambda *inputs: subject.call(*inputs, **options),
        "inputs": inputs,
        "along": [inputs[0].new_tensor(each) for each in along],
    }
    try:
        with guarded(changed):
            exec(code, names)
            results = [each.detach().to(torch.float64).cpu().numpy() for each in names["results"]]
    except SubjectError as error:
        return Row(claim, "refused", note=_cause(error))
    finally:
        for name in changed:
            subject.changed.setdefault(name, case)
    share = _SHARE_ALLOWED if subject.is_exact else _SHARE_ALLOWED_IF_COARSE
    worst, allowed, note = 0.0, share, ""
    for result, right in zip(results, rights, strict=True):
        bound = share * max(1.0, float(np.abs(right).max()))
        if result.size != right.size:
            note = f"a result of shape {result.shape}, expected {right.shape}"
            worst, allowed = np.inf, bound
            break
        distance = float(np.abs(result.reshape(right.shape) - right).max())
        if not distance / bound <= worst / allowed:
            worst, allowed = distance, bound
            note = "wrong, without an error" if result.any() else "silently zero"
    if worst <= allowed:
        return Row(claim, "pass", worst, allowed)
    shown = _snippet(subject, case, code, rights, along)
    return Row(claim, "FAIL", worst, allowed, note, shown)


def _cause(error: SubjectError) -> str:
    """Return the first line of what the function raised, without torch's advice."""
    cause = error.__cause__
    text = str(cause).strip().split("\n")[0] if cause is not None else str(error)
    return f"{type(cause).__name__}: {text}"[:120]


def _directions(case: Case, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 3, 2, 13])
    return [rng.normal(size=array.shape).round(1) for array in case.arrays()]


def _right(subject: Subject, case: Case) -> list[np.ndarray]:
    """Return the right value, as the function reduces it, and gradients."""
    parts = range(len(subject.gradients))
    gradients = [case.right_gradient(part, subject.reduction)[0] for part in parts]
    return [case.right_values(subject.reduction)[0], *gradients]


def _slopes(subject: Subject, case: Case, along: Sequence[np.ndarray]) -> np.ndarray:
    """Return how the value, as the function reduces it, changes along a direction."""
    slopes = np.array(
        [
            sum(
                float((gradient * direction[item]).sum())
                for gradient, direction in zip(problem.answer[1], along, strict=True)
            )
            for item, problem in enumerate(case.problems)
        ]
    )
    if subject.reduction in REDUCTIONS:
        return REDUCTIONS[subject.reduction](len(slopes)) * slopes.sum(keepdims=True)
    return slopes


def _snippet(
    subject: Subject,
    case: Case,
    code: str,
    rights: Sequence[np.ndarray],
    along: Sequence[np.ndarray],
) -> str:
    names = ", ".join(case.spec.names)
    lines = [*import_lines(subject, case), *input_lines(subject, case), f"inputs = [{names}]"]
    if "along" in code:
        directions = ", ".join(str(each.tolist()) for each in along)
        lines.append(f"along = [inputs[0].new_tensor(u) for u in [{directions}]]")
    lines += [
        f"call = lambda {names}: {call_code(subject, case)}",
        code,
        "print([each.tolist() for each in results])",
        f"# right: {[right.tolist() for right in rights]}",
    ]
    return "\n".join(lines)
