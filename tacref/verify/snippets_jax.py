"""Code that shows a failure of a JAX function."""

from typing import Any

from tacref.verify.findings import Finding
from tacref.verify.subject import Subject


def jax_snippet(subject: Subject, finding: Finding, right: str = "") -> str:
    """Return code that prints what the function returns; its last line is the right answer."""
    case, part = finding.case, finding.part
    count, names = len(case.problems), case.spec.names
    module, _, name = subject.name.rpartition(":")
    importable = module and name.isidentifier()
    lines = ["import numpy as np", "import jax", 'jax.config.update("jax_enable_x64", True)']
    lines.append(
        f"from {module} import {name} as loss"
        if importable
        else f"# loss is the function that was checked, {subject.name}"
    )
    for argument, array in zip(names, case.arrays(), strict=True):
        numbers = (array if count > 1 else array[0]).tolist()
        lines.append(f"{argument} = jax.numpy.array({numbers}, np.{case.dtype})")
    arguments = ", ".join(names)
    options = "".join(f", {key}={value!r}" for key, value in case.options().items())
    function = f"lambda {arguments}: loss({arguments}{options}).reshape(())"
    lines.append(f"of_case = jax.vmap({function})" if count > 1 else f"of_case = {function}")
    expected: Any
    if part is None:
        lines.append(f"print(of_case({arguments}).tolist())")
        values = case.right_values(subject.reduction)[0].tolist()
        expected = values if count > 1 else values[0]
    else:
        above = list(case.upstream or [1.0] * count)
        lines.append(f"value, back = jax.vjp(of_case, {arguments})")
        lines.append(f"above = jax.numpy.array({above}, value.dtype).reshape(value.shape)")
        lines.append(f"print(back(above)[{part}].tolist())")
        gradient = case.right_gradient(part, subject.reduction)[0].tolist()
        expected = gradient if count > 1 else gradient[0]
    return "\n".join([*lines, f"# right: {right or expected}"])
