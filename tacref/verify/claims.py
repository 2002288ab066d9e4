"""What a loss must hold to: one function a claim, each returns its row of the card."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from tacref.verify import oracle
from tacref.verify.compare import EPSILON, Deviation, claim_row, deviation, snippet
from tacref.verify.problems import SHAPES, Problem, Spec, draw
from tacref.verify.report import Row
from tacref.verify.subject import InputModifiedError, Outcome, Subject, SubjectError

# For each argument, the gradients of each item.
Gradients = Sequence[Sequence[np.ndarray] | np.ndarray | None]

LONG = 600
SECONDS_A_RUN = 5.0
DIGITS_OF_FLOAT32 = 4.0


def value_and_gradients(subject: Subject, seed: int) -> Iterator[Row]:
    """Value and each gradient, at small shapes and several gammas, to 50 digits."""
    problems = list(_everyday(subject.spec, seed))
    yield claim_row("value", subject, problems, None)
    for index, name in enumerate(subject.spec.names):
        yield claim_row(f"gradient to {name}", subject, problems, index)


def dead_terms(subject: Subject, seed: int) -> Row:
    """No term of the loss has a gradient that is zero wherever one looks."""
    claim = "no dead term"
    rng = np.random.default_rng(seed)
    dead = []
    for term, index, problem, without in _terms(subject.spec, rng):
        try:
            gradient = subject.run(problem).gradients[index]
            rest = 0.0 if without is None else subject.run(without).gradients[index]
        except SubjectError as error:
            return Row(claim, "FAIL", note=f"{term}: {error}")
        moved = 0.0 if gradient is None or rest is None else float(np.abs(gradient - rest).max())
        if moved == 0.0:
            dead.append((term, index, problem))
    if not dead:
        return Row(claim, "pass")
    _, index, problem = dead[0]
    return Row(
        claim,
        "FAIL",
        note="zero gradient: " + ", ".join(term for term, _, _ in dead),
        snippet=snippet(subject, problem, index),
    )


def second_order(subject: Subject, seed: int) -> Row:
    """Expect a second derivative that is right or refused, never wrong without a word."""
    claim = "second order"
    if subject.framework != "torch":
        return Row(claim, "not offered", note="a NumPy function has no double backward")
    import torch

    rng = np.random.default_rng(seed)
    problem = draw(subject.spec, rng, 4, 3)
    directions = [rng.normal(size=array.shape) for array in problem.inputs]
    leaves = [torch.tensor(array[None], requires_grad=True) for array in problem.inputs]
    try:
        values = subject.values(leaves, problem.options)
        first = torch.autograd.grad(values.sum(), leaves, create_graph=True, allow_unused=True)
        along = torch.stack(
            [
                (gradient * torch.from_numpy(direction)).sum()
                for gradient, direction in zip(first, directions, strict=True)
                if gradient is not None
            ]
        )
        second: Sequence[torch.Tensor | None] = [None for _ in leaves]
        if along.requires_grad:  # else the gradient was taken for a constant, without a word
            second = torch.autograd.grad(along.sum(), leaves, allow_unused=True)
    except Exception as raised:  # refusing is the point, and each does it in its own way
        cause = " ".join(str(raised.__cause__ or raised).split())[:120]
        return Row(claim, "refused", note=cause)
    # By differences of order 4 of the right gradient; its own error is near 1e-11.
    step = 1e-3
    moved = {
        k: replace(
            problem,
            inputs=tuple(
                array + k * step * direction
                for array, direction in zip(problem.inputs, directions, strict=True)
            ),
        ).answer[1]
        for k in (-2, -1, 1, 2)
    }
    error = scale = 0.0
    for index, given in enumerate(second):
        right = (
            moved[-2][index] - 8 * moved[-1][index] + 8 * moved[1][index] - moved[2][index]
        ) / (12 * step)
        found = np.zeros_like(right) if given is None else given[0].detach().numpy()
        error = max(error, float(np.abs(found - right).max()))
        scale = max(scale, float(np.abs(right).max()))
    allowed = 1e-5 * max(scale, 1.0)
    if error <= allowed:
        return Row(claim, "pass", error, allowed)
    return Row(claim, "FAIL", error, allowed, "wrong, without an error")


def batch(subject: Subject, seed: int) -> Row:
    """Each item of a batch is computed as if it were alone."""
    claim = "items of a batch"
    if subject.framework != "torch":
        return Row(claim, "not offered", note="a NumPy function takes one item")
    rng = np.random.default_rng(seed)
    problems = [draw(subject.spec, rng, 5, 4) for _ in range(3)]
    stacked = [np.stack(arrays) for arrays in zip(*(p.inputs for p in problems), strict=True)]
    try:
        outcome = subject.run_batch(stacked, problems[0].options)
    except SubjectError as error:
        return Row(claim, "FAIL", note=str(error))
    if len(outcome.values) == 1:
        return Row(claim, "not offered", note="returns one number for the batch")
    return _worst(claim, _each_item(outcome.values, outcome.gradients, problems))


def ragged(subject: Subject, seed: int) -> Row:
    """Lengths: what lies beyond them has no influence, even if NaN, and a gradient of 0."""
    claim = "lengths and padding"
    names = ("lengths",) if len(subject.spec.names) == 1 else ("lengths_x", "lengths_y")
    if subject.spec.inputs == "costs":
        names = ("lengths_x", "lengths_y")
    if subject.framework != "torch" or not all(subject.offers(name) for name in names):
        return Row(claim, "not offered", note=f"takes no {' and '.join(names)}")
    import torch

    rng = np.random.default_rng(seed)
    sizes = [(5, 4), (3, 4), (2, 1), (1, 3)]
    problems = [draw(subject.spec, rng, n, m) for n, m in sizes]
    padded = []
    for arrays in zip(*(problem.inputs for problem in problems), strict=True):
        shape = np.max([array.shape for array in arrays], axis=0)
        whole = np.full((len(arrays), *shape), np.nan)
        for row, array in zip(whole, arrays, strict=True):
            row[tuple(slice(size) for size in array.shape)] = array
        padded.append(whole)
    lengths = [torch.tensor(column) for column in zip(*sizes, strict=True)]
    options = problems[0].options | dict(zip(names, lengths, strict=False))
    try:
        outcome = subject.run_batch(padded, options)
    except SubjectError as error:
        return Row(claim, "FAIL", note=str(error))
    beyond = 0.0
    for index, gradient in enumerate(outcome.gradients):
        if gradient is None:
            continue
        for item, problem in enumerate(problems):
            outside = np.ones(gradient[item].shape, bool)
            outside[tuple(slice(size) for size in problem.inputs[index].shape)] = False
            worst = float(np.abs(gradient[item][outside]).max(initial=0.0))
            beyond = max(beyond, np.inf if np.isnan(worst) else worst)
    if beyond > 0:
        return Row(claim, "FAIL", beyond, 0.0, "a gradient in the padding is not 0")
    cut = []
    for index, gradient in enumerate(outcome.gradients):
        if gradient is not None:
            cut.append(
                [
                    gradient[item][tuple(slice(size) for size in problem.inputs[index].shape)]
                    for item, problem in enumerate(problems)
                ]
            )
    if len(outcome.values) == 1:
        return Row(claim, "not offered", note="returns one number for the batch")
    return _worst(claim, _each_item(outcome.values, cut, problems))


def band(subject: Subject, seed: int) -> Row:
    """Hold a Sakoe-Chiba band, which forbids cells with |i - j| > band, to the oracle."""
    claim = "band"
    if subject.spec.inputs != "costs" or not subject.offers("band"):
        return Row(claim, "not offered", note="takes no band")
    rng = np.random.default_rng(seed)
    deviations = []
    for n, m, width in ((4, 4, 0), (5, 4, 1), (6, 6, 2), (3, 4, 9)):
        problem = draw(subject.spec, rng, n, m)
        with oracle.working():
            gamma = Decimal(problem.options["gamma"])
            value, E = oracle.soft_dtw(oracle.exactly(problem.inputs[0]), gamma, width)
        banded = replace(problem, options=problem.options | {"band": width})
        try:
            outcome = subject.run(banded)
        except SubjectError as error:
            return Row(claim, "FAIL", note=f"band {width}, {n} x {m}: {error}")
        deviations.append(
            Deviation(
                abs(float(outcome.values[0]) - float(value)), problem.value_tolerance(EPSILON)
            )
        )
        gradient = outcome.gradients[0]
        right = oracle.rounded(E)
        found = np.zeros_like(right) if gradient is None else gradient[0]
        deviations.append(
            Deviation(float(np.abs(found - right).max()), problem.gradient_tolerance(EPSILON))
        )
    return _worst(claim, deviations)


def laws(subject: Subject, seed: int) -> Iterator[Row]:
    """Symmetries, and the scaling of costs and gamma together."""
    spec, rng = subject.spec, np.random.default_rng(seed)
    problem = draw(spec, rng, 6, 5)
    flipped = replace(problem, inputs=tuple(np.flip(a, 0) for a in problem.inputs))
    if spec.inputs == "costs":
        flipped = replace(problem, inputs=(problem.inputs[0][::-1, ::-1],))
        swapped = replace(problem, inputs=(problem.inputs[0].T,))
    else:
        swapped = replace(problem, inputs=problem.inputs[::-1])
    yield claim_row("time reversal", subject, [flipped], None)
    if spec.loss != "contrastive_idm":
        yield claim_row("exchange of x and y", subject, [swapped], None)
    if spec.inputs == "costs":
        larger = [
            replace(
                problem,
                inputs=(factor * problem.inputs[0],),
                options={"gamma": factor * problem.options["gamma"]},
            )
            for factor in (2.0**-30, 2.0**30)
        ]
        yield claim_row("scaling of costs and gamma", subject, larger, None)


def extremes(subject: Subject, seed: int) -> Iterator[Row]:
    """Small gamma, large costs and long sequences, where copies of soft-DTW lose their digits."""
    spec, rng = subject.spec, np.random.default_rng(seed)
    if spec.loss != "contrastive_idm":
        small = [draw(spec, rng, 5, 4, gamma=gamma) for gamma in (1e-2, 1e-3, 1e-6)]
        yield from _both("small gamma", subject, small)
        large = [draw(spec, rng, 5, 4, scale=scale) for scale in (9e2, 1e4, 1e6)]
        yield from _both("large cost", subject, large)
    long = [draw(spec, rng, n, n - n // 10, d=16) for n in (100, LONG)]
    start = time.monotonic()
    with contextlib.suppress(SubjectError):  # it shows in the row
        subject.run(long[0])
    pairs = (LONG / 100) ** 2
    note = ""
    if pairs * (time.monotonic() - start) > SECONDS_A_RUN:
        long, note = long[:1], f"up to 100 frames; it is too slow for {LONG}"
    yield from _both("long sequences", subject, long, note)


def single_precision(subject: Subject, seed: int) -> Row:
    """float32 inputs: how many digits of the value and of the gradients are kept."""
    claim = "float32 inputs"
    rng = np.random.default_rng(seed)
    problem = draw(subject.spec, rng, 64, 60, d=16, dtype=np.float32)
    try:
        outcome = subject.run(problem, np.float32)
    except SubjectError as error:
        return Row(claim, "FAIL", note=str(error))
    value, gradients = problem.answer
    errors = [abs(float(outcome.values[0]) - value) / max(abs(value), 1e-300)]
    for given, right in zip(outcome.gradients, gradients, strict=True):
        found = np.zeros_like(right) if given is None else given[0]
        errors.append(float(np.abs(found - right).max() / np.abs(right).max()))
    digits = -np.log10(max(*errors, 1e-16)) if np.isfinite(errors).all() else 0.0
    return Row(
        claim,
        "pass" if digits >= DIGITS_OF_FLOAT32 else "FAIL",
        max(errors),
        10**-DIGITS_OF_FLOAT32,
        f"{digits:.1f} digits at 64 x 60",
    )


def inputs_unchanged(subject: Subject, seed: int) -> Row:
    """Watch that the function does not write into its arguments."""
    claim = "inputs left unchanged"
    try:
        subject.run(draw(subject.spec, np.random.default_rng(seed), 4, 3))
    except InputModifiedError as error:
        return Row(claim, "FAIL", note=str(error))
    except SubjectError as error:
        return Row(claim, "FAIL", note=str(error))
    return Row(claim, "pass")


def _everyday(spec: Spec, seed: int) -> Iterator[Problem]:
    rng = np.random.default_rng(seed)
    for n, m in SHAPES:
        if spec.loss == "contrastive_idm":
            for sigma in (0, 1, 2.5, 20):
                yield draw(spec, rng, n, m, sigma=sigma)
        else:
            for gamma in (0.1, 1.0, 0.01, 10.0):
                yield draw(spec, rng, n, m, gamma=gamma)


def _terms(
    spec: Spec, rng: np.random.Generator
) -> Iterator[tuple[str, int, Problem, Problem | None]]:
    """Each term: its name, the argument, a problem that it moves, and one without the term."""
    if spec.loss == "soft_dtw":
        for index, name in enumerate(spec.names):
            yield f"alignment to {name}", index, draw(spec, rng, 3, 2), None
        return
    near = draw(spec, rng, 3, 3, sigma=20, margin=2.0)
    # With sigma 0 only a frame and itself are near, and they are at distance 0.
    far = draw(spec, rng, 3, 3, sigma=0, margin=1e3)
    if spec.loss == "contrastive_idm":
        yield "near frames", 0, near, None
        yield "far frames", 0, far, None
        return
    for index, name in enumerate(spec.names):
        alone = replace(near, options=near.options | {"alpha": 0.0})
        yield f"alignment to {name}", index, alone, None
        for term, problem in (("near", near), ("far", far)):
            without = replace(problem, options=problem.options | {"alpha": 0.0})
            yield f"regularizer, {term} frames, to {name}", index, problem, without


def _each_item(
    values: np.ndarray, gradients: Gradients, problems: list[Problem]
) -> list[Deviation]:
    deviations = []
    for item, problem in enumerate(problems):
        alone = Outcome(
            values[item : item + 1],
            tuple(
                None if gradient is None else np.asarray(gradient[item])[None]
                for gradient in gradients
            ),
        )
        deviations += [
            deviation(alone, problem, which) for which in (None, *range(len(alone.gradients)))
        ]
    return deviations


def _both(claim: str, subject: Subject, problems: list[Problem], note: str = "") -> Iterator[Row]:
    yield claim_row(f"{claim}: value", subject, problems, None, note)
    for index, name in enumerate(subject.spec.names):
        yield claim_row(f"{claim}: gradient to {name}", subject, problems, index, note)


def _worst(claim: str, deviations: list[Deviation]) -> Row:
    worst = max(deviations, key=lambda each: each.ratio)
    return Row(claim, "pass" if worst.ratio <= 1 else "FAIL", worst.error, worst.allowed)
