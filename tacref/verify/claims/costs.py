"""A claim about functions that take the cost of frames as a function: its result is not theirs."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tacref.verify import oracle
from tacref.verify.calls import input_tensors, torch_options
from tacref.verify.cases import Case
from tacref.verify.claims.bands import banded_options
from tacref.verify.draw import draw
from tacref.verify.guard import SubjectError, guarded
from tacref.verify.kinds.dtw import DTW
from tacref.verify.problems import Problem
from tacref.verify.report import Row
from tacref.verify.snippets import call_code, gradient_code, import_lines, input_lines
from tacref.verify.subject import Subject

PARAMETERS = ("cost", "dist_func")
CLAIM = "costs left unchanged"
_SHARE_ALLOWED = 1e-9
_SHARE_ALLOWED_IF_COARSE = 1e-3


class _Cost(NamedTuple):
    """A cost, the torch code of `cost(x, y)`, and what decimals make of a squared distance."""

    name: str
    code: str
    value: Callable[[oracle.Decimal], oracle.Decimal]
    slope: Callable[[oracle.Decimal], oracle.Decimal]


_COSTS = (
    _Cost(
        "squared distances",
        "(x[:, :, None] - y[:, None]).square().sum(-1)",
        lambda square: square,
        lambda square: oracle.ONE,
    ),
    # The backward passes of these two read their results again.
    _Cost(
        "torch.cdist",
        "torch.cdist(x, y)",
        lambda square: square.sqrt(),
        lambda square: 1 / (2 * square.sqrt()),
    ),
    _Cost(
        "1 - exp(-|x - y|^2)",
        "-torch.expm1(-(x[:, :, None] - y[:, None]).square().sum(-1))",
        lambda square: 1 - (-square).exp(),
        lambda square: (-square).exp(),
    ),
)


def costs_left_unchanged(subject: Subject, seed: int) -> Iterator[Row]:
    """Pass a function of costs: its result is not written into, and value and gradients are right.

    A function with a parameter `cost` or `dist_func` gets a callable (x, y) -> D `(B, n, m)`.
    """
    name = next((each for each in PARAMETERS if subject.has_parameters(each)), None)
    spec = subject.spec
    if spec.inputs != "embeddings" or not spec.kind.takes_costs:
        return
    if subject.framework != "torch" or name is None:
        yield Row(CLAIM, "not offered", note="takes no function of costs")
        return
    options: dict[str, Any] = {"gamma": 1.0} if "gamma" in spec.options else {}
    case = Case((draw(spec, (seed, 4, 3, 5), 4, 3, **options),))
    cases = [case]
    if subject.has_parameters("band") and subject.band_cells is not None:
        banded = draw(spec, (seed, 4, 4, 5), 4, 4, **options, **banded_options(subject, 4, 4, 2))
        cases.append(Case((banded,), " and a band"))
    wrong: list[tuple[str, str]] = []
    for cost in _COSTS:
        for case in cases:
            problem = _trouble(subject, case, name, cost)
            if problem:
                text = f"{cost.name}{case.label}: {problem}"
                wrong.append((text, _snippet(subject, case, name, cost)))
                break
    if wrong:
        note = "; ".join(text for text, _ in wrong)
        yield Row(CLAIM, "FAIL", note=note, snippet=wrong[0][1])
    else:
        yield Row(CLAIM, "pass", note=f"with {', '.join(each.name for each in _COSTS)}")


def _trouble(subject: Subject, case: Case, name: str, cost: _Cost) -> str:
    """Return what goes wrong with this cost; empty if nothing does."""
    import torch

    made: list[tuple[Any, Any]] = []

    def costs(x: Any, y: Any) -> Any:
        D = eval(cost.code, {"torch": torch, "x": x, "y": y})
        made.append((D, D.detach().clone()))
        return D

    leaves, changed = input_tensors(case), set[str]()
    trouble, gradients = "", None
    try:
        with guarded(changed):
            returned = subject.call(*leaves, **torch_options(case), **{name: costs}).sum()
            value = float(returned.detach())
        if subject.gradients:
            with guarded(changed, "backward "):
                gradients = torch.autograd.grad(returned, leaves, materialize_grads=True)
    except SubjectError as error:
        trouble = str(error)
        if "in-place" in trouble or "inplace" in trouble:
            trouble = "backward raised, as the result of the cost was written into"
    if not made:
        return trouble or "is not called"
    if any(not torch.equal(D.detach(), before) for D, before in made):
        return "its result was written into"
    if trouble:
        return trouble
    right, rights = _right(case.problems[0], cost)
    share = _SHARE_ALLOWED if subject.is_exact else _SHARE_ALLOWED_IF_COARSE
    if not abs(value - right) <= share * max(1.0, abs(right)):
        return f"the value is {value:.6g}, not {right:.6g}"
    for argument, (gradient, expected) in enumerate(zip(gradients or (), rights, strict=False)):
        distance = float(np.abs(gradient[0].cpu().numpy() - expected).max())
        if not distance <= share * max(1.0, float(np.abs(expected).max())):
            return f"the gradient to {case.spec.names[argument]} is off by {distance:.2g}"
    return ""


def _right(problem: Problem, cost: _Cost) -> tuple[float, list[np.ndarray]]:
    with oracle.high_precision():
        x, y = (oracle.to_decimals(array) for array in problem.inputs)
        squares = oracle.squared_distances(x, y)
        D = [[cost.value(square) for square in row] for row in squares]
        kind = problem.spec.kind
        assert isinstance(kind, DTW)
        value, E = kind.of_decimals(D, problem.spec, problem.options)
        if E is None:
            return float(value), []
        G = [
            [weight * cost.slope(square) for weight, square in zip(weights, row, strict=True)]
            for weights, row in zip(E, squares, strict=True)
        ]
        return float(value), [oracle.to_floats(each) for each in oracle.to_embeddings(G, x, y)]


def _snippet(subject: Subject, case: Case, name: str, cost: _Cost) -> str:
    lines = [
        *import_lines(subject, case),
        "def cost(x, y):",
        "    global D, before",
        f"    D = {cost.code}",
        "    before = D.detach().clone()",
        "    return D",
        *input_lines(subject, case),
        f"value = {call_code(subject, case).removesuffix(')')}, {name}=cost)",
        "print((D - before).abs().max().item())",
    ]
    right, rights = _right(case.problems[0], cost)
    if subject.gradients:
        shown = ", ".join(f"gradient_{each}" for each in case.spec.names)
        lines += [gradient_code(subject, case), f"print(value, {shown})"]
    else:
        lines.append("print(value)")
    gradients = ", ".join(str(each.tolist()) for each in rights)
    return "\n".join([*lines, f"# right: costs changed by 0; {right!r}, {gradients}"])
