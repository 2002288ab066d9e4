"""What a loss must hold to on batches: items apart, lengths, padding."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tacref.verify.compare import Deviation, call_code, deviation, inputs_code
from tacref.verify.problems import Problem, draw
from tacref.verify.report import Row
from tacref.verify.subject import Outcome, Subject, SubjectError

# Frames of the items of a batch, small batches first.
_SIZES = (((2, 1), (1, 2)), ((2, 2), (3, 1)), ((5, 4), (3, 4), (2, 1), (1, 3)))
_EQUAL = (((2, 2), (2, 2)), ((5, 4), (5, 4), (5, 4)))


def batches(subject: Subject, seed: int) -> Iterator[Row]:
    """Items of one length, of several, and of several within a band."""
    if subject.framework != "torch":
        for claim in ("items of a batch", "lengths and padding", "band and lengths"):
            yield Row(claim, "not offered", note="a NumPy function takes one item")
        return
    yield _row("items of a batch", subject, seed, _EQUAL, ())
    names = ("lengths",) if subject.spec.loss == "contrastive_idm" else ("lengths_x", "lengths_y")
    if not all(subject.offers(name) for name in names):
        note = f"takes no {' and '.join(names)}"
        yield Row("lengths and padding", "not offered", note=note)
        return
    yield _row("lengths and padding", subject, seed, _SIZES, names)
    if subject.spec.loss == "soft_dtw" and subject.offers("band"):
        sizes = (((3, 3), (2, 2)), ((5, 4), (3, 4), (2, 1)))
        yield _row("band and lengths", subject, seed, sizes, names, {"band": 1})
    else:
        yield Row("band and lengths", "not offered", note="takes no band")


def source_times(subject: Subject, seed: int) -> Iterator[Row]:
    """Hold "official" with frame numbers of the source video, some of them exactly sigma apart."""
    claim, spec = "source frame times", subject.spec
    if (spec.loss, spec.variant, subject.framework) != ("contrastive_idm", "official", "torch"):
        return
    if not (subject.offers("times") and subject.offers("video_lengths")):
        yield Row(claim, "not offered", note="takes no times and video_lengths")
        return
    drawn = draw(spec, (seed, 5), 5, 5, sigma=4.0)
    times, length = [0, 3, 4, 9, 13], 15
    problem = replace(drawn, options=drawn.options | {"times": times, "video_length": length})
    arrays = [problem.inputs[0][None]]
    options = drawn.options | {"times": np.array([times]), "video_lengths": np.array([length])}
    yield _try_batch(claim, subject, arrays, options, [problem])


def _row(
    claim: str,
    subject: Subject,
    seed: int,
    sizes: Sequence[Sequence[tuple[int, int]]],
    lengths: Sequence[str],
    extra: dict[str, Any] | None = None,
) -> Row:
    """Try batches, small ones first; the row tells the worst, and shows the first that fails."""
    rows = []
    for number, batch in enumerate(sizes):
        problems = [
            draw(subject.spec, (seed, number, item), n, m) for item, (n, m) in enumerate(batch)
        ]
        problems = [replace(each, options=each.options | (extra or {})) for each in problems]
        arrays = [_padded(list(each)) for each in zip(*(p.inputs for p in problems), strict=True)]
        columns = (np.array(column) for column in zip(*batch, strict=True))
        options = problems[0].options | dict(zip(lengths, columns, strict=False))
        row = _try_batch(claim, subject, arrays, options, problems)
        if row.error is None:  # it raised, or gave one number for the batch
            return row
        rows.append(row)
    failing = [row for row in rows if row.status == "FAIL"]
    worst = max(failing or rows, key=_ratio)
    return replace(worst, snippet=failing[0].snippet) if failing else worst


def _ratio(row: Row) -> float:
    assert row.error is not None
    assert row.allowed is not None
    return Deviation(row.error, row.allowed).ratio


def _try_batch(
    claim: str,
    subject: Subject,
    arrays: list[np.ndarray],
    options: dict[str, Any],
    problems: list[Problem],
) -> Row:
    """Call the function once; hold each item to its own problem, and the padding to 0."""
    try:
        outcome = subject.run_batch(arrays, options)
    except SubjectError as error:
        shown = _snippet(subject, arrays, options, problems)
        return Row(claim, "FAIL", note=str(error), snippet=shown)
    if len(outcome.values) < len(problems):
        return Row(claim, "not offered", note="returns one number for the batch")
    worst = max(_deviations(outcome, problems), key=lambda each: each.ratio)
    beyond = _beyond(outcome, problems)
    if worst.ratio <= 1 and not beyond:
        return Row(claim, "pass", worst.error, worst.allowed)
    note = "a gradient in the padding is not 0" if beyond else ""
    if not np.isfinite(worst.error):
        note = "not a finite number"
    shown = _snippet(subject, arrays, options, problems)
    return Row(claim, "FAIL", worst.error, worst.allowed, note, shown)


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    """Stack arrays of several shapes; what is beyond an item is NaN."""
    shape = np.max([array.shape for array in rows], axis=0)
    whole = np.full((len(rows), *shape), np.nan)
    for item, array in zip(whole, rows, strict=True):
        item[_inside(array)] = array
    return whole


def _inside(array: np.ndarray) -> tuple[slice, ...]:
    return tuple(slice(size) for size in array.shape)


def _deviations(outcome: Outcome, problems: list[Problem]) -> Iterator[Deviation]:
    for item, problem in enumerate(problems):
        gradients = tuple(
            None if whole is None else whole[item][_inside(array)][None]
            for whole, array in zip(outcome.gradients, problem.inputs, strict=True)
        )
        alone = Outcome(outcome.values[item : item + 1], gradients)
        for which in (None, *range(len(problem.spec.gradients))):
            yield deviation(alone, problem, which)


def _beyond(outcome: Outcome, problems: list[Problem]) -> bool:
    """Whether a gradient beyond an item is anything else than 0."""
    for index, whole in enumerate(outcome.gradients):
        if whole is None:
            continue
        for item, problem in enumerate(problems):
            rest = whole[item].copy()
            rest[_inside(problem.inputs[index])] = 0.0
            if not (rest == 0.0).all():
                return True
    return False


def _snippet(
    subject: Subject, arrays: list[np.ndarray], options: dict[str, Any], problems: list[Problem]
) -> str:
    names = subject.spec.names
    lines = inputs_code(subject, arrays, names)
    right = [problem.answer[0] for problem in problems]
    lines.append(f"value = {call_code(subject, names, options)}")
    if not subject.spec.gradients:
        return "\n".join([*lines, "print(value)", f"# right: {right}"])
    gradients = [problem.answer[1][0].tolist() for problem in problems]
    lines += [
        "value.sum().backward()",
        f"print(value, {names[0]}.grad)",
        f"# right: {right}, and item by item {gradients}; 0 in the padding",
    ]
    return "\n".join(lines)
