"""Claims about calls: no memory of earlier ones, no side effects, any layout of the inputs."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from tacref.verify.cases import Case
from tacref.verify.claims.values import draw_upstream
from tacref.verify.draw import CLEARANCE, draw, is_clear
from tacref.verify.findings import compare
from tacref.verify.guard import STATE
from tacref.verify.judge import rows
from tacref.verify.report import Row
from tacref.verify.snippets import call_lines, import_lines, input_lines
from tacref.verify.subject import Subject

_TORCH_LAYOUTS = {
    "transposed": "{}.mT.contiguous().mT",
    "batch last": "{}.movedim(0, -1).contiguous().movedim(-1, 0)",
    "every other number of a tensor": "{}.repeat_interleave(2, -1)[..., ::2]",
    "every other row of a tensor": "{}.repeat_interleave(2, 1)[:, 1::2]",
    "the middle of a tensor": "torch.nn.functional.pad({}, (1, 2))[..., 1:-2]",
    "one item, expanded": "{0}[:1].expand({0}.shape)",
}
_NUMPY_LAYOUTS = {
    "transposed": "np.asfortranarray({})",
    "negative strides": "{}[::-1, ::-1].copy()[::-1, ::-1]",
    "negative strides in one axis": "{}[:, ::-1].copy()[:, ::-1]",
    "every other number of an array": "np.repeat({}, 2, 1)[:, ::2]",
    "every other row of an array": "np.repeat({}, 2, 0)[1::2]",
}


def called_again(subject: Subject, seed: int) -> Iterator[Row]:
    """Call again: the same call, other data of the same shape, other options, in any order."""
    spec = subject.spec
    problems = (draw(spec, (seed, 1, 4, number), 4, 3) for number in itertools.count())
    pairs = (
        (each, replace(each, options=each.options | subject.other_options())) for each in problems
    )
    problem, varied = next(pair for pair in pairs if is_clear(pair[1], CLEARANCE))
    first = Case((problem,))
    other = Case((draw(spec, (seed, 2, 4), 4, 3),))
    cases = [
        Case(first.problems, "the same call once more", before=(first,)),
        Case(first.problems, "the same call a fourth time", before=(first, first, first)),
        Case(other.problems, "other numbers of the same shape", before=(first,)),
        Case(first.problems, "another call comes before the result is read", between=(other,)),
        Case(
            other.problems,
            "other numbers written into the same inputs",
            before=(first,),
            same_tensors=True,
        ),
    ]
    if spec.options:
        cases.append(Case((varied,), "the same numbers, other options", before=(first,)))
    if subject.gradients and subject.framework == "torch":
        label = "a second gradient of the same result"
        cases.append(Case(first.problems, label, backward_twice=True))
    yield from rows(subject, "called again", cases)


def gradients_one_at_a_time(subject: Subject, seed: int) -> Iterator[Row]:
    """Require the gradient of only one input, and of none."""
    if subject.framework != "torch" or not subject.gradients:
        return
    B = 2 if subject.takes_batches else 1
    problems = tuple(draw(subject.spec, (seed, 3 + item), 4, 3) for item in range(B))
    count = len(subject.spec.names)
    above = draw_upstream(seed, len(problems))
    cases = [
        Case(problems, f"only {name} requires a gradient", above, gradients_of=only)
        for argument, name in enumerate(subject.spec.names)
        if count > 1
        for only in [tuple(k == argument for k in range(count))]
    ]
    cases.append(Case(problems, "no input requires a gradient", gradients_of=(False,) * count))
    yield from rows(subject, "required gradients", cases)


def memory_layout(subject: Subject, seed: int) -> Iterator[Row]:
    """Pass inputs that are not contiguous in memory."""
    cases = []
    if subject.framework == "jax":
        return  # its arrays have no strides
    if subject.framework == "numpy":
        for label, code in _NUMPY_LAYOUTS.items():
            problem = draw(subject.spec, (seed, 8), 6, 5)
            cases.append(Case((problem,), label, layout=code))
    else:
        B = 3 if subject.takes_batches else 1
        for label, code in _TORCH_LAYOUTS.items():
            same = "expand" in code
            problems = tuple(
                draw(subject.spec, (seed, 8, 0 if same else item), 6, 5) for item in range(B)
            )
            cases.append(Case(problems, label, draw_upstream(seed, B), layout=code))
            # Without a gradient from above, autograd expands a single number.
            cases.append(Case(problems, label, layout=code))
    yield from rows(subject, "memory layout", cases)


def nothing_changed(subject: Subject, seed: int) -> Iterator[Row]:
    """Check that no call so far wrote into its inputs or changed global state."""
    count = len(subject.spec.names)
    problem = draw(subject.spec, (seed, 0), 2, 2)
    compare(subject, Case((problem,)))
    if subject.framework == "torch":
        compare(subject, Case((problem,), gradients_of=(False,) * count))
    claim = "inputs left unchanged"
    if subject.modified_by is None:
        yield Row(claim, "pass")
    else:
        case = subject.modified_by
        names = ", ".join(case.spec.names)
        lines = [*import_lines(subject, case), *call_lines(subject, case), f"print({names})"]
        shown = "\n".join([*lines, "# right: as they were before the call"])
        yield Row(claim, "FAIL", note="the function changed its input in place", snippet=shown)
    claim = "global state left unchanged"
    if not subject.changed:
        yield Row(claim, "pass")
        return
    name, case = next(iter(subject.changed.items()))
    before = f"before = {STATE[name]}"
    lines = [*import_lines(subject, case), "import os", *input_lines(subject, case), before]
    lines += [
        *call_lines(subject, case),
        f"print(before, {STATE[name]})",
        "# right: the same twice",
    ]
    note = f"changes {', '.join(subject.changed)}"
    yield Row(claim, "FAIL", note=note, snippet="\n".join(lines))
