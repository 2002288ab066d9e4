"""A claim about second derivatives: they are right or refused, never silently wrong."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tacref.verify.calls import call_torch, input_tensors, torch_options
from tacref.verify.cases import REDUCTIONS, Case
from tacref.verify.claims.values import draw_upstream
from tacref.verify.draw import draw
from tacref.verify.guard import SubjectError, guarded
from tacref.verify.problems import Problem
from tacref.verify.report import Row
from tacref.verify.snippets import call_lines, import_lines
from tacref.verify.subject import Subject

CLAIM = "second order"
ALLOWED_ERROR = {"float64": 1e-7, "float32": 1e-3}
_STEP = 2e-4


def second_derivatives(subject: Subject, seed: int) -> Iterator[Row]:
    """Compare the derivative of the gradient along a direction with finite differences.

    It is taken with respect to the inputs and to the gradient from above.
    """
    if subject.framework != "torch" or not subject.gradients:
        yield Row(CLAIM, "not offered", note="has no double backward")
        return
    B = 2 if subject.takes_batches else 1
    options: dict[str, Any] = {"gamma": 1.0} if "gamma" in subject.spec.options else {}
    worst: Row | None = None
    for n, m in ((1, 1), (2, 2), (4, 3)):
        problems = tuple(draw(subject.spec, (seed, n, m, k), n, m, **options) for k in range(B))
        rng = np.random.default_rng([seed, n, m, 2])
        directions = [
            np.stack([rng.normal(size=p.inputs[argument].shape).round(1) for p in problems])
            for argument in range(len(problems[0].inputs))
        ]
        above = draw_upstream(seed + n, B) if subject.uses_upstream else None
        row = _row(subject, Case(problems, upstream=above), directions)
        if row.status != "pass":
            yield row
            return
        worst = row if worst is None or (row.error or 0) > (worst.error or 0) else worst
    assert worst is not None
    yield worst


def _row(subject: Subject, case: Case, directions: Sequence[np.ndarray]) -> Row:
    import torch

    leaves, changed = input_tensors(case), set[str]()
    try:
        with guarded(changed):
            returned = call_torch(subject, leaves, torch_options(case))
            above = torch.ones_like(returned)
            if case.upstream is not None:
                numbers = case.upstream[: returned.numel()]
                above = returned.new_tensor(numbers).reshape(returned.shape)
            above.requires_grad_()
    except SubjectError as error:
        return Row(CLAIM, "FAIL", note=str(error))
    # A gradient that is known to ignore the one from above does not depend on it.
    points = [*leaves, above] if subject.uses_upstream else leaves
    second: Sequence[Any] = [None for _ in points]
    try:
        with guarded(changed):
            first = torch.autograd.grad(
                returned, leaves, above, create_graph=True, allow_unused=True
            )
            along = torch.stack(
                [
                    (gradient * gradient.new_tensor(direction)).sum()
                    for gradient, direction in zip(first, directions, strict=True)
                    if gradient is not None
                ]
            ).sum()
            if along.requires_grad:  # else the gradient is silently treated as constant
                second = torch.autograd.grad(along, points, allow_unused=True)
    except SubjectError as error:  # any error is a valid refusal
        cause = error.__cause__
        cause = getattr(cause, "__cause__", None) or cause
        return Row(CLAIM, "refused", note=" ".join(str(cause).split())[:120])
    finally:
        for name in changed:
            subject.changed.setdefault(name, case)
    rights = _right_derivatives(subject, case, directions)
    if above.numel() == 1:
        rights[-1] = rights[-1].sum(keepdims=True)
    worst, at, allowed = -1.0, 0, 0.0
    for argument, (derivative, right) in enumerate(zip(second, rights, strict=False)):
        computed = np.zeros_like(right) if derivative is None else derivative.detach().cpu().numpy()
        distance = float(np.abs(computed.reshape(right.shape) - right).max())
        bound = ALLOWED_ERROR[case.dtype] * max(1.0, float(np.abs(right).max()))
        if not distance / bound <= worst:
            worst, at, allowed = distance / bound, argument, bound
    if worst <= 1:
        return Row(CLAIM, "pass", worst * allowed, allowed)
    names = (*case.spec.names, "above")
    note = f"wrong, without an error, in {names[at]}"
    shown = _snippet(subject, case, directions, rights, at)
    return Row(CLAIM, "FAIL", worst * allowed, allowed, note, shown)


def _right_derivatives(
    subject: Subject, case: Case, directions: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return the second derivative in each input, and in the gradient from above."""
    weights = case.weights(subject.reduction)
    in_inputs: list[list[np.ndarray]] = [[] for _ in case.spec.names]
    in_above = []
    share = REDUCTIONS.get(subject.reduction, lambda B: 1.0)(len(case.problems))
    for item, problem in enumerate(case.problems):
        own_directions = [direction[item] for direction in directions]
        # Differences of order 4 of the right gradient; their own error is near 1e-11.
        moved = {k: _moved(problem, own_directions, k * _STEP).answer[1] for k in (-2, -1, 1, 2)}
        for argument, derivatives in enumerate(in_inputs):
            slopes = [moved[k][argument] for k in (-2, -1, 1, 2)]
            difference = slopes[0] - 8 * slopes[1] + 8 * slopes[2] - slopes[3]
            derivatives.append(weights[item] * difference / (12 * _STEP))
        pairs = zip(problem.answer[1], own_directions, strict=True)
        products = (float((gradient * direction).sum()) for gradient, direction in pairs)
        in_above.append(share * sum(products))
    return [*(np.stack(derivatives) for derivatives in in_inputs), np.array(in_above)]


def _moved(problem: Problem, directions: Sequence[np.ndarray], step: float) -> Problem:
    pairs = zip(problem.inputs, directions, strict=True)
    return problem.with_inputs(tuple(array + step * direction for array, direction in pairs))


def _snippet(
    subject: Subject,
    case: Case,
    directions: Sequence[np.ndarray],
    rights: Sequence[np.ndarray],
    at: int,
) -> str:
    names = ", ".join(case.spec.names)
    above = "torch.ones_like(value)"
    if case.upstream is not None:
        numbers = list(case.upstream if subject.reduction == "none" else case.upstream[:1])
        above = f"value.new_tensor({numbers}).reshape_as(value)"
    point = (*case.spec.names, "above")[at]
    return "\n".join(
        [
            *import_lines(subject, case),
            *call_lines(subject, case),
            f"above = {above}.requires_grad_()",
            f"first = torch.autograd.grad(value, [{names}], above, create_graph=True)",
            f"directions = {[direction.tolist() for direction in directions]}",
            "along = sum((g * g.new_tensor(z)).sum() for g, z in zip(first, directions))",
            f"second = torch.autograd.grad(along, [{point}], materialize_grads=True)"
            " if along.requires_grad else None",
            "print(second and second[0].tolist())",
            f"# right: {rights[at].tolist()}",
        ]
    )
