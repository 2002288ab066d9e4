"""Code that shows a failure: it makes the inputs, calls the function, and prints every digit."""

import re
from dataclasses import replace
from typing import Any

import numpy as np

from tacref.verify.cases import Case, padded
from tacref.verify.findings import Finding
from tacref.verify.snippets_jax import jax_snippet
from tacref.verify.subject import Subject

MAX_NUMBERS_WRITTEN = 64  # of one array
_IMPORTABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def snippet(subject: Subject, finding: Finding, right: str = "") -> str:
    """Return code that prints what the function returns; its last line is the right answer."""
    case, part = finding.case, finding.part
    if subject.framework == "jax":
        return jax_snippet(subject, finding, right)
    if subject.reader and finding.message:
        returned = replace(subject, reader="")
        lines = [*import_lines(returned, case), *call_lines(returned, case), "print(result)"]
        return "\n".join([*lines, f"# right: not so; it {finding.message}"])
    lines = [*import_lines(subject, case), *call_lines(subject, case)]
    if part is not None and finding.message.startswith("it"):  # it has no gradient
        if subject.framework == "numpy":
            return "\n".join([*lines, "print(result)", "# right: (value, gradient, ...)"])
        return "\n".join([*lines, "print(value.requires_grad)", "# right: True"])
    if part is not None and subject.framework == "torch":
        lines.append(gradient_code(subject, case))
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
    elif numbers.size > MAX_NUMBERS_WRITTEN and index:
        position = ", ".join(map(str, index))
        shown, expected = f"{shown}[{position}].item()", repr(float(numbers[index]))
    else:
        shown, expected = f"{shown}.tolist()", repr(numbers.tolist())
    return "\n".join([*lines, f"print({shown})", f"# right: {right or expected}"])


def import_lines(subject: Subject, case: Case) -> list[str]:
    """Return the imports."""
    lines = ["import numpy as np"]
    if subject.framework == "torch":
        lines.append("import torch")
    if _IMPORTABLE.fullmatch(subject.name):
        lines.append(f"import {subject.name.partition(':')[0]}")
    else:
        lines.append(f"# loss is the function that was checked, {subject.name}")
    if subject.reader:
        lines.append(f"from tacref.verify.readers import {subject.reader}")
    if any(_is_drawn_again(each) for each in (case, *case.before, *case.between)):
        lines += [
            "from tacref.verify.cases import padded",
            "from tacref.verify.draw import draw",
            "from tacref.verify.spec import Spec",
        ]
    return lines


def call_lines(subject: Subject, case: Case) -> list[str]:
    """Return code that makes the inputs of a case and its calls, in order."""
    lines = []
    if case.same_tensors:
        lines += [*input_lines(subject, case.before[0]), call_code(subject, case.before[0])]
        for argument, name in enumerate(case.spec.names):
            new = _input_code(subject, case, argument)
            target = f"{name}.detach()[...]" if subject.framework == "torch" else f"{name}[...]"
            lines.append(f"{target} = {new}")
    else:
        for earlier in case.before:
            lines += _other_call_lines(subject, earlier, "earlier_")
        lines += input_lines(subject, case)
    result = "value" if subject.framework == "torch" else "result"
    lines.append(f"{result} = {call_code(subject, case)}")
    for other in case.between:
        lines += _other_call_lines(subject, other, "other_")
    return lines


def input_lines(subject: Subject, case: Case, prefix: str = "") -> list[str]:
    """Return code that makes the inputs of a case."""
    lines = []
    for argument, name in enumerate(case.spec.names):
        name = f"{prefix}{name}"
        lines.append(f"{name} = {_input_code(subject, case, argument)}")
        if case.layout:
            lines.append(f"{name} = {case.layout.format(name)}")
        if subject.framework == "torch" and case.requires_gradient(argument):
            lines.append(f"{name}.requires_grad_()")
    return lines


def call_code(subject: Subject, case: Case, prefix: str = "") -> str:
    """Return code that calls the function."""
    loss = function_code(subject)
    names = [f"{prefix}{name}" for name in case.spec.names]
    options = (f"{name}={_literal(value)}" for name, value in case.options().items())
    call = f"{loss}({', '.join((*names, *options))})"
    if not subject.reader:
        return call
    steps = {} if case.spec.steps == "any" else {"steps": case.spec.steps}
    read = case.options() | steps
    options = (f"{name}={_literal(value)}" for name, value in read.items())
    return f"{subject.reader}({', '.join((call, *names, *options))})"


def function_code(subject: Subject) -> str:
    """Return the function's name in code that has imported it."""
    return subject.name.replace(":", ".") if _IMPORTABLE.fullmatch(subject.name) else "loss"


def gradient_code(subject: Subject, case: Case, prefix: str = "") -> str:
    """Return code that takes the gradients of `value`."""
    names = [
        name for argument, name in enumerate(case.spec.names) if case.requires_gradient(argument)
    ]
    leaves = f"[{', '.join(prefix + name for name in names)}]"
    targets = ", ".join(f"{prefix}gradient_{name}" for name in names)
    value = f"{prefix}value"
    earlier = ""
    if case.backward_twice:
        earlier = f"torch.autograd.grad(-3.0 * {value}.sum(), {leaves}, retain_graph=True)\n"
    above = f"{value}.sum(), {leaves}"
    if case.upstream is not None and subject.uses_upstream:
        numbers = case.upstream if subject.reduction == "none" else case.upstream[:1]
        upstream = f"{value}.new_tensor({list(numbers)}).reshape_as({value})"
        above = f"{value}, {leaves}, {upstream}"
    return f"{earlier}{targets}, = torch.autograd.grad({above}, materialize_grads=True)"


def _other_call_lines(subject: Subject, case: Case, prefix: str) -> list[str]:
    """Return code that makes another call and takes its gradients."""
    if subject.framework == "numpy":
        return [*input_lines(subject, case, prefix), call_code(subject, case, prefix)]
    lines = [
        *input_lines(subject, case, prefix),
        f"{prefix}value = {call_code(subject, case, prefix)}",
    ]
    return [*lines, gradient_code(subject, case, prefix)] if subject.gradients else lines


def _input_code(subject: Subject, case: Case, argument: int) -> str:
    """Return an input as code: its numbers, or the call that draws it if there are many."""
    arrays = [problem.inputs[argument] for problem in case.problems]
    single = subject.framework == "numpy"
    if _is_drawn_again(case):
        drawn = [f"{problem.origin}[{argument}]" for problem in case.problems]
        text = drawn[0] if single else f"padded([{', '.join(drawn)}])"
    else:
        text = repr(arrays[0].tolist() if single else padded(arrays).tolist())
        text = re.sub(r"\bnan\b", "np.nan", text)
    return (
        f"np.array({text}, np.{case.dtype})"
        if single
        else f"torch.tensor({text}, dtype=torch.{case.dtype}{_device_code(case)})"
    )


def _is_drawn_again(case: Case) -> bool:
    size = max(array.size for array in case.arrays())
    return size > MAX_NUMBERS_WRITTEN and all(problem.origin for problem in case.problems)


def _device_code(case: Case) -> str:
    return "" if case.spec.device == "cpu" else f", device={case.spec.device!r}"


def _literal(value: Any) -> str:
    return f"torch.tensor({value.tolist()})" if isinstance(value, np.ndarray) else repr(value)
