"""Claims about batches: one number or one value per item, independent items, lengths."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tacref.verify.band_cells import FRACTIONS, OFFSET
from tacref.verify.calls import run_case
from tacref.verify.cases import Case
from tacref.verify.claims.values import draw_upstream
from tacref.verify.draw import draw
from tacref.verify.findings import Finding
from tacref.verify.guard import SubjectError
from tacref.verify.judge import as_exact_as, rows
from tacref.verify.report import Row
from tacref.verify.snippets import snippet
from tacref.verify.subject import Subject

Sizes = Sequence[tuple[int, int]]
# Frames of the items of a batch, small batches first.
_EQUAL_LENGTHS: tuple[Sizes, ...] = (((2, 2),) * 2, ((5, 4),) * 3, ((6, 5),) * 8, ((3, 2),) * 70)
_MIXED_LENGTHS: tuple[Sizes, ...] = (
    ((2, 1), (1, 2)),
    ((2, 2), (3, 1)),
    ((5, 4),),
    ((5, 4), (3, 4), (2, 1), (1, 3)),
    tuple((1 + k % 7, 1 + (3 * k) % 5) for k in range(8)),
    tuple((1 + k % 4, 1 + (2 * k) % 3) for k in range(70)),
    ((150, 140), (90, 128)),
)
_NEAR_DIAGONAL: tuple[Sizes, ...] = (
    ((3, 3), (2, 2)),
    ((5, 4), (3, 4), (2, 1)),
    tuple((2 + k % 5, 2 + (k + k // 5 % 2) % 5) for k in range(8)),
    tuple((1 + k % 4, 1 + k % 3) for k in range(70)),
)
_LARGE = 99.0  # times the costs of its neighbors
_ONE_ITEM = "a function of NumPy or JAX takes one item"


def one_number(subject: Subject, seed: int) -> Iterator[Row]:
    """Check that one number for a batch is the sum or the mean over its items."""
    claim = "sum or mean"
    if subject.framework != "torch":
        return
    if subject.reduction == "none":
        yield Row(claim, "not offered", note="returns one value per item")
        return
    if subject.reduction != "neither":
        yield Row(claim, "pass", note=f"the {subject.reduction} over the items")
        return
    case = _batch_of_three(subject, seed)
    right = [float(case.right_values(each)[0][0]) for each in ("sum", "mean")]
    text = f"the sum {right[0]!r}, or the mean {right[1]!r}"
    note = "one number for a batch, neither the sum nor the mean over its items"
    shown = snippet(replace(subject, reduction="sum"), Finding(case, None), text)
    yield Row(claim, "FAIL", note=note, snippet=shown)


def find_reduction(subject: Subject, seed: int) -> None:
    """Set the reduction of a batch, found from the results of its items alone."""
    if subject.framework != "torch":
        return
    case = _batch_of_three(subject, seed)
    try:
        reduced = run_case(subject, case).values
        if len(reduced) > 1:
            return
        alone = [
            run_case(subject, replace(case, problems=(each,))).values for each in case.problems
        ]
    except SubjectError:  # a row says so
        return
    subject.reduction = "neither"
    for values in (np.concatenate(alone), np.array([each.answer[0] for each in case.problems])):
        for name, right in (("sum", values.sum()), ("mean", values.mean())):
            if abs(reduced[0] - right) <= 1e-3 * np.abs(values).min():
                subject.reduction = name
                return


def items_of_a_batch(subject: Subject, seed: int) -> Iterator[Row]:
    """Items of the same length: each is computed as if it were alone."""
    claim = "items of a batch"
    if subject.takes_batches:
        tried = draw_cases(subject, seed, _EQUAL_LENGTHS)
        pair = tried[0]
        swapped = replace(pair, problems=pair.problems[::-1])
        alone = replace(pair, problems=pair.problems[:1], upstream=None)
        tried.append(replace(pair, label="a batch after another", before=(swapped,)))
        tried.append(replace(pair, label="a batch after one of its items", before=(alone,)))
        yield from rows(subject, claim, tried)
    elif subject.framework == "numpy":
        yield Row(claim, "not offered", note=_ONE_ITEM)


def lengths_and_padding(subject: Subject, seed: int) -> Iterator[Row]:
    """Items of several lengths: the padding has no influence on values, nor on gradients."""
    claim, names = "lengths and padding", subject.spec.length_names
    if subject.framework != "torch":
        yield Row(claim, "not offered", note=_ONE_ITEM)
    elif not subject.has_parameters(*names):
        yield Row(claim, "not offered", note=f"takes no {' and '.join(names)}")
    elif subject.takes_batches:
        tried = draw_cases(subject, seed, _MIXED_LENGTHS, lengths=True)
        long = tried[-1]
        tried += [replace(each, dtype="float32") for each in tried[1:-1]]
        tried.append(replace(long, label=f"{long.label}, 150 frames", dtype="float32", digits=2))
        yield from rows(subject, claim, tried, by_part=True)


def band_and_lengths(subject: Subject, seed: int) -> Iterator[Row]:
    """Pass a band together with items of several lengths."""
    claim = "band and lengths"
    kind = subject.spec.kind
    if not (kind.takes_band and kind.has_gradients) or subject.framework != "torch":
        return
    if subject.band_cells in FRACTIONS:  # a batch has one band, items have several lengths
        return
    if not subject.has_parameters("band", *subject.spec.length_names):
        yield Row(claim, "not offered", note="takes no band, or no lengths")
    elif subject.takes_batches:
        if subject.band_cells is None:  # its row says so
            return
        note, batches = "", _NEAR_DIAGONAL
        if subject.band_cells != OFFSET:
            note = "items of n = m frames"
            batches = tuple(tuple((n, n) for n, _ in sizes) for sizes in _NEAR_DIAGONAL)
        tried = []
        for width, some in ((1, batches[:3]), (3, batches[2:])):
            tried += draw_cases(subject, seed, some, lengths=True, band=width, **_meaning(subject))
        yield from rows(subject, claim, tried, note)


def _meaning(subject: Subject) -> dict[str, str]:
    definition = subject.band_cells
    return {} if definition in (None, OFFSET) else {"cells": str(definition)}


def every_place(subject: Subject, seed: int) -> Iterator[Row]:
    """Put an item of far larger costs at every place of a batch."""
    claim = "every place of a batch"
    if not subject.takes_batches:
        return
    B = 5
    tried = []
    for place in range(B):
        problems = [draw(subject.spec, (seed, 9, item), 4, 3) for item in range(B)]
        problems[place] = draw(subject.spec, (seed, 9, B), 4, 3, scale=_LARGE)
        above = draw_upstream(seed + place, B)
        label = f"a large item at place {place} of {B}"
        tried.append(Case(tuple(problems), label, above))
    yield from rows(subject, claim, as_exact_as(subject, tried))


def source_times(subject: Subject, seed: int) -> Iterator[Row]:
    """Check "official" with frame numbers of the source video, some exactly sigma apart."""
    claim, spec = "source frame times", subject.spec
    if (spec.loss, spec.variant, subject.framework) != ("contrastive_idm", "official", "torch"):
        return
    if not subject.has_parameters("times", "video_lengths"):
        yield Row(claim, "not offered", note="takes no times and video_lengths")
        return
    if not subject.takes_batches:
        return
    tried = []
    for sigma, videos in (
        (4.0, [([0, 3, 4, 9, 13], 15)]),
        (4.0, [([0, 3, 4, 9, 13], 15), ([2, 6, 7, 20, 24], 49), ([1, 2, 3, 4, 5], 6)]),
        (7.0, [([0, 7, 14, 20, 21], 22), ([0, 1, 2, 3, 104], 1000)]),
    ):
        problems = []
        for item, (times, length) in enumerate(videos):
            drawn = draw(spec, (seed, 5, item), 5, 5, sigma=sigma)
            source = {"times": times, "video_length": length}
            problems.append(replace(drawn, options=drawn.options | source))
        tried.append(Case(tuple(problems), upstream=draw_upstream(seed, len(problems))))
    yield from rows(subject, claim, tried)


def draw_cases(
    subject: Subject, seed: int, batches: Sequence[Sizes], *, lengths: bool = False, **options: Any
) -> list[Case]:
    """Return a case per batch; batches of 8 items or more have other options than the defaults."""
    cases = []
    for sizes in batches:
        spec = subject.spec
        others = subject.other_options() if len(sizes) >= 8 else {}
        problems = tuple(
            draw(spec, (seed, len(sizes), item), n, m, dtype="float32", **others, **options)
            for item, (n, m) in enumerate(sizes)
        )
        label = f"a batch of {len(sizes)}"
        cases.append(Case(problems, label, draw_upstream(seed, len(sizes)), lengths=lengths))
    return cases


def _batch_of_three(subject: Subject, seed: int) -> Case:
    problems = (draw(subject.spec, (seed, 3, item), 3, 2).rounded(2) for item in range(3))
    return Case(tuple(problems))
