"""Code that shows a failure: it makes the inputs, calls the function, and prints every digit."""

import re
from typing import Any

import numpy as np

from tacref.verify.cases import Case, padded
from tacref.verify.findings import Finding
from tacref.verify.subject import Subject

MOST_NUMBERS = 64  # of an array written out
_IMPORTABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def snippet(subject: Subject, finding: Finding, right: str = "") -> str:
    """Return code that shows what the function returns; its last line says what is right."""
    case, part = finding.case, finding.part
    lines = [*head(subject, case), *steps(subject, case)]
    if part is not None and finding.message.startswith("it"):  # it has no gradient
        if subject.framework == "numpy":
            return "\n".join([*lines, "print(result)", "# right: (value, gradient, ...)"])
        return "\n".join([*lines, "print(value.requires_grad)", "# right: True"])
    if part is not None and subject.framework == "torch":
        lines.append(gradients(subject, case))
    if part is None:
        numbers, _ = case.right_values(subject.reduction)
    else:
        numbers, _ = case.right_gradient(part, subject.reduction)
    if subject.framework == "torch":
        shown = "value" if part is None else f"gradient_{case.spec.names[part]}"
    elif part is None:
        shown = "np.asarray(result[0] if isinstance(result, tuple) else result)"
    else:
        shown, numbers = f"np.asarray(result[{1 + part}])", numbers[0]
    index = finding.index[-numbers.ndim :]
    if numbers.size == 1 and part is None:
        shown, expected = f"{shown}.item()", repr(float(numbers[0]))
    elif numbers.size > MOST_NUMBERS and index:
        place = ", ".join(map(str, index))
        shown, expected = f"{shown}[{place}].item()", repr(float(numbers[index]))
    else:
        shown, expected = f"{shown}.tolist()", repr(numbers.tolist())
    return "\n".join([*lines, f"print({shown})", f"# right: {right or expected}"])


def head(subject: Subject, case: Case) -> list[str]:
    """Return the imports."""
    lines = ["import numpy as np"]
    if subject.framework == "torch":
        lines.append("import torch")
    if _IMPORTABLE.fullmatch(subject.name):
        lines.append(f"import {subject.name.partition(':')[0]}")
    else:
        lines.append(f"# loss is the function that was checked, {subject.name}")
    if any(_is_drawn(each) for each in (case, *case.before, *case.between)):
        lines += [
            "from tacref.verify.cases import padded",
            "from tacref.verify.draw import draw",
            "from tacref.verify.spec import Spec",
        ]
    return lines


def steps(subject: Subject, case: Case) -> list[str]:
    """Return code that makes the inputs of a case and calls the function, and what is around it."""
    lines = []
    if case.same_tensors:
        lines += [*inputs(subject, case.before[0]), call(subject, case.before[0])]
        for which, name in enumerate(case.spec.names):
            new = _made(subject, case, which)
            target = f"{name}.detach()[...]" if subject.framework == "torch" else f"{name}[...]"
            lines.append(f"{target} = {new}")
    else:
        for earlier in case.before:
            lines += _aside(subject, earlier, "earlier_")
        lines += inputs(subject, case)
    result = "value" if subject.framework == "torch" else "result"
    lines.append(f"{result} = {call(subject, case)}")
    for other in case.between:
        lines += _aside(subject, other, "other_")
    return lines


def inputs(subject: Subject, case: Case, prefix: str = "") -> list[str]:
    """Return code that makes the inputs of a case."""
    lines = []
    for which, name in enumerate(case.spec.names):
        name = f"{prefix}{name}"
        lines.append(f"{name} = {_made(subject, case, which)}")
        if case.layout:
            lines.append(f"{name} = {case.layout.format(name)}")
        if subject.framework == "torch" and case.wanted(which):
            lines.append(f"{name}.requires_grad_()")
    return lines


def call(subject: Subject, case: Case, prefix: str = "") -> str:
    """Return code that calls the function."""
    loss = subject.name.replace(":", ".") if _IMPORTABLE.fullmatch(subject.name) else "loss"
    names = [f"{prefix}{name}" for name in case.spec.names]
    options = (f"{name}={_literal(value)}" for name, value in case.options().items())
    return f"{loss}({', '.join((*names, *options))})"


def gradients(subject: Subject, case: Case, prefix: str = "") -> str:
    """Return code that takes the gradients of `value`."""
    names = [name for which, name in enumerate(case.spec.names) if case.wanted(which)]
    leaves = f"[{', '.join(prefix + name for name in names)}]"
    targets = ", ".join(f"{prefix}gradient_{name}" for name in names)
    value = f"{prefix}value"
    first = ""
    if case.backward_twice:
        first = f"torch.autograd.grad(-3.0 * {value}.sum(), {leaves}, retain_graph=True)\n"
    above = f"{value}.sum(), {leaves}"
    if case.upstream is not None and subject.heeds_upstream:
        numbers = case.upstream if subject.reduction == "none" else case.upstream[:1]
        upstream = f"{value}.new_tensor({list(numbers)}).reshape_as({value})"
        above = f"{value}, {leaves}, {upstream}"
    return f"{first}{targets}, = torch.autograd.grad({above}, materialize_grads=True)"


def _aside(subject: Subject, case: Case, prefix: str) -> list[str]:
    """Return code of another call, with its gradients."""
    if subject.framework == "numpy":
        return [*inputs(subject, case, prefix), call(subject, case, prefix)]
    lines = [*inputs(subject, case, prefix), f"{prefix}value = {call(subject, case, prefix)}"]
    return [*lines, gradients(subject, case, prefix)] if subject.gradients else lines


def _made(subject: Subject, case: Case, which: int) -> str:
    """Return an input as code: written out, or drawn again if it is long."""
    arrays = [problem.inputs[which] for problem in case.problems]
    one = subject.framework == "numpy"
    if _is_drawn(case):
        drawn = [f"{problem.origin}[{which}]" for problem in case.problems]
        text = drawn[0] if one else f"padded([{', '.join(drawn)}])"
    else:
        text = repr(arrays[0].tolist() if one else padded(arrays).tolist())
        text = re.sub(r"\bnan\b", "np.nan", text)
    return (
        f"np.array({text}, np.{case.dtype})"
        if one
        else f"torch.tensor({text}, dtype=torch.{case.dtype})"
    )


def _is_drawn(case: Case) -> bool:
    size = max(array.size for array in case.arrays())
    return size > MOST_NUMBERS and all(problem.origin for problem in case.problems)


def _literal(value: Any) -> str:
    return f"torch.tensor({value.tolist()})" if isinstance(value, np.ndarray) else repr(value)
