"""Symmetries, and the scaling of costs and gamma together."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tacref.verify.cases import Case
from tacref.verify.draw import draw
from tacref.verify.judge import rows
from tacref.verify.report import Row
from tacref.verify.subject import Subject


def symmetries_and_scaling(subject: Subject, seed: int) -> Iterator[Row]:
    """Reverse the time, exchange the sequences, scale the costs: all have known answers."""
    spec = subject.spec
    problem = draw(spec, (seed, 6), 6, 5)
    flipped = problem.with_inputs(tuple(np.flip(a, 0) for a in problem.inputs))
    swapped = problem.with_inputs(problem.inputs[::-1])
    if spec.inputs == "costs":
        flipped = problem.with_inputs((problem.inputs[0][::-1, ::-1],))
        swapped = problem.with_inputs((problem.inputs[0].T,))
    yield from rows(subject, "time reversal", [Case((flipped,))])
    if not spec.kind.single:
        yield from rows(subject, "exchange of x and y", [Case((swapped,))])
    if spec.inputs == "costs":
        larger = [
            Case(
                (
                    replace(
                        problem.with_inputs((factor * problem.inputs[0],)),
                        options={k: factor * value for k, value in problem.options.items()},
                    ),
                )
            )
            for factor in (2.0**-30, 2.0**30)
        ]
        yield from rows(subject, "scaling of costs and gamma", larger)
