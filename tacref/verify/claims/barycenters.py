"""Claims about barycenters: stationary, no worse than the start, sequences of several lengths."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tacref.verify.cases import Case
from tacref.verify.draw import draw
from tacref.verify.guard import SubjectError, guarded
from tacref.verify.judge import rows
from tacref.verify.kinds.barycenter import LEFT_OF_SLOPE
from tacref.verify.readers import READERS
from tacref.verify.report import Row
from tacref.verify.snippets import function_code, import_lines
from tacref.verify.subject import Subject

# Sequences, and frames of the barycenter.
_SIZES = ((1, 1), (1, 4), (2, 3), (3, 6), (5, 8))


def stationary_point(subject: Subject, seed: int) -> Iterator[Row]:
    """Check the gradient of the sum, at several sizes, and that the sum is not above the start's.

    The order of the sequences has no influence on that.
    """
    cases = [Case((draw(subject.spec, (seed, K, n), K, n),)) for K, n in _SIZES]
    last = cases[-1].problems[0]
    turned = last.with_inputs((last.inputs[0][::-1].copy(), last.inputs[1]))
    cases.append(Case((turned,), "sequences in another order"))
    yield from rows(subject, "stationary point", cases)
    yield from rows(replace(subject, reader="rise_over_start"), "no worse than the start", cases)


def several_lengths(subject: Subject, seed: int) -> Iterator[Row]:
    """Pass a list of sequences of several lengths; they may weigh the same, or 1 / length."""
    claim = "sequences of several lengths"
    options = {name: option.default for name, option in subject.spec.numbers.items()}
    (sequences, start) = draw(subject.spec, (seed, 4), 4, 5).inputs
    ragged = [each[: 3 + number].copy() for number, each in enumerate(sequences)]
    changed = set[str]()
    try:
        with guarded(changed):
            returned = subject.fn([each.copy() for each in ragged], start.copy(), **options)
            slopes = {
                "the same": READERS["slope_of_objective"](returned, ragged, start, **options),
                "1 / its length": READERS["slope_by_length"](returned, ragged, start, **options),
            }
    except SubjectError as error:
        yield Row(claim, "refused", note=str(error)[:120])
        return
    finite = {each: slope for each, slope in slopes.items() if math.isfinite(slope)}
    weight, least = min(finite.items(), key=lambda item: item[1], default=("", math.inf))
    if least <= LEFT_OF_SLOPE:
        yield Row(claim, "pass", least, LEFT_OF_SLOPE, f"each weighs {weight}")
        return
    note = "stationary neither if all weigh the same, nor 1 / their lengths"
    listed = ", ".join(f"np.array({each.tolist()})" for each in ragged)
    case = Case((draw(subject.spec, (seed, 4), 4, 5),))
    call = f"{function_code(subject)}(sequences, start, **{options})"
    shown = "\n".join(
        [
            *import_lines(subject, case),
            f"sequences, start = [{listed}], np.array({np.array(start).tolist()})",
            f"print(slope_of_objective({call}, sequences, start, **{options}))",
            "# right: 0.0",
        ]
    )
    yield Row(claim, "FAIL", least, LEFT_OF_SLOPE, note, shown)
