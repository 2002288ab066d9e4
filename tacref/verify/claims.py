"""What a loss must hold to on one item: a function a claim, each gives rows of the card."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tacref.verify.compare import call_code, claim_row, inputs_code, snippet
from tacref.verify.problems import SHAPES, Problem, Spec, draw
from tacref.verify.report import Row
from tacref.verify.subject import InputModifiedError, Subject, SubjectError

LONG = 600
SECONDS_A_RUN = 5.0
DIGITS_OF_FLOAT32 = 4.0


def value_and_gradients(subject: Subject, seed: int) -> Iterator[Row]:
    """Value and each gradient, at small shapes and several gammas, to 50 digits."""
    spec, problems = subject.spec, []
    name = "gamma"
    settings: list[float | None] = [0.1, 1.0, 0.01, 10.0]
    if spec.loss == "dtw":
        settings = [None]
    if spec.loss == "contrastive_idm":
        name, settings = "sigma", [0.0, 1.0, 2.5, 20.0]
    for n, m in SHAPES:
        for value in settings:
            problem = draw(spec, (seed, n, m), n, m)
            given = {} if value is None else {name: value}
            problems.append(replace(problem, options=problem.options | given))
    return _rows("", subject, problems)


def dead_terms(subject: Subject, seed: int) -> Row:
    """No term of the loss has a gradient that is zero wherever one looks."""
    claim = "no dead term"
    dead = []
    for term, index, problem, without in _terms(subject.spec, seed):
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
    note = "zero gradient: " + ", ".join(term for term, _, _ in dead)
    return Row(claim, "FAIL", note=note, snippet=snippet(subject, problem, index))


def second_order(subject: Subject, seed: int) -> Row:
    """Expect a second derivative that is right or refused, never wrong without a word."""
    claim = "second order"
    if subject.framework != "torch" or not subject.spec.gradients:
        return Row(claim, "not offered", note="has no double backward")
    worst: Row | None = None
    for n, m in ((2, 2), (4, 3)):
        problem = draw(subject.spec, (seed, n, m), n, m)
        rng = np.random.default_rng([seed, n, m, 2])
        directions = [rng.normal(size=array.shape).round(1) for array in problem.inputs]
        row = _second_derivative(claim, subject, problem, directions)
        if row.status != "pass":
            return row
        worst = row if worst is None or (row.error or 0) > (worst.error or 0) else worst
    assert worst is not None
    return worst


def laws(subject: Subject, seed: int) -> Iterator[Row]:
    """Symmetries, and the scaling of costs and gamma together."""
    spec = subject.spec
    problem = draw(spec, (seed, 6), 6, 5)
    flipped = replace(problem, inputs=tuple(np.flip(a, 0) for a in problem.inputs))
    swapped = replace(problem, inputs=problem.inputs[::-1])
    if spec.inputs == "costs":
        flipped = replace(problem, inputs=(problem.inputs[0][::-1, ::-1],))
        swapped = replace(problem, inputs=(problem.inputs[0].T,))
    yield claim_row("time reversal", subject, [flipped], None)
    if spec.loss != "contrastive_idm":
        yield claim_row("exchange of x and y", subject, [swapped], None)
    if spec.inputs == "costs":
        larger = [
            replace(
                problem,
                inputs=(factor * problem.inputs[0],),
                options={name: factor * value for name, value in problem.options.items()},
            )
            for factor in (2.0**-30, 2.0**30)
        ]
        yield claim_row("scaling of costs and gamma", subject, larger, None)


def band(subject: Subject, seed: int) -> Iterator[Row]:
    """Hold a Sakoe-Chiba band, which forbids cells with |i - j| > band, to the oracle."""
    if subject.spec.loss != "soft_dtw" or not subject.offers("band"):
        yield Row("band", "not offered", note="takes no band")
        return
    problems = []
    for n, m, width in ((3, 3, 1), (4, 3, 1), (3, 4, 9), (6, 6, 2)):
        problem = draw(subject.spec, (seed, n, m), n, m)
        problems.append(replace(problem, options=problem.options | {"band": width}))
    yield from _rows("band: ", subject, problems)


def extremes(subject: Subject, seed: int) -> Iterator[Row]:
    """Small gamma, large costs and long sequences, where copies of soft-DTW lose their digits."""
    spec = subject.spec
    if "gamma" in spec.options:
        small = [draw(spec, (seed, 1), 5, 4, gamma=gamma) for gamma in (1e-2, 1e-3, 1e-6)]
        yield from _rows("small gamma: ", subject, small)
    if spec.loss != "contrastive_idm":
        large = [draw(spec, (seed, 2), 5, 4, scale=scale) for scale in (9e2, 1e4, 1e6)]
        yield from _rows("large cost: ", subject, large)
    long = [draw(spec, (seed, n), n, n - n // 10, d=16) for n in (100, LONG)]
    start, note = time.monotonic(), ""
    with contextlib.suppress(SubjectError):  # it shows in the row
        subject.run(long[0])
    if (LONG / 100) ** 2 * (time.monotonic() - start) > SECONDS_A_RUN:
        long, note = long[:1], f"up to 100 frames; too slow for {LONG}"
    yield from _rows("long sequences: ", subject, long, note)


def single_precision(subject: Subject, seed: int) -> Row:
    """float32 inputs: how many digits of the value and of the gradients are kept."""
    claim = "float32 inputs"
    note, worst = "", 0.0
    for n in (2, 8, 64):
        problem = draw(subject.spec, (seed, n), n, n - n // 16, d=16, dtype=np.float32)
        try:
            outcome = subject.run(problem, np.float32)
        except SubjectError as error:
            return Row(claim, "FAIL", note=str(error))
        value, gradients = problem.answer
        errors: list[float] = [abs(float(outcome.values[0]) - value) / max(abs(value), 1e-300)]
        for given, right in zip(outcome.gradients, gradients, strict=False):
            found = np.zeros_like(right) if given is None else given[0]
            errors.append(float(np.abs(found - right).max() / np.abs(right).max()))
        finite = bool(np.isfinite(errors).all())
        worst = max(errors) if finite else np.inf
        digits = -np.log10(max(worst, 1e-16)) if finite else 0.0
        note = f"{digits:.1f} digits at length {n}"
        if digits < DIGITS_OF_FLOAT32:
            which = int(np.argmax(errors)) - 1
            shown = snippet(subject, problem, None if which < 0 else which, "float32")
            return Row(claim, "FAIL", worst, 10**-DIGITS_OF_FLOAT32, note, shown)
    return Row(claim, "pass", worst, 10**-DIGITS_OF_FLOAT32, note)


def inputs_unchanged(subject: Subject, seed: int) -> Row:
    """Watch that the function does not write into its arguments."""
    claim = "inputs left unchanged"
    problem = draw(subject.spec, (seed, 0), 2, 2)
    try:
        subject.run(problem)
    except InputModifiedError as error:
        return Row(claim, "FAIL", note=str(error), snippet=snippet(subject, problem, None))
    except SubjectError as error:
        return Row(claim, "FAIL", note=str(error))
    return Row(claim, "pass")


def _second_derivative(
    claim: str, subject: Subject, problem: Problem, directions: Sequence[np.ndarray]
) -> Row:
    import torch

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
    moved = {k: _moved(problem, directions, k * step).answer[1] for k in (-2, -1, 1, 2)}
    rights, error, scale = [], 0.0, 0.0
    for index, given in enumerate(second):
        right = (
            moved[-2][index] - 8 * moved[-1][index] + 8 * moved[1][index] - moved[2][index]
        ) / (12 * step)
        found = np.zeros_like(right) if given is None else given[0].detach().numpy()
        error = max(error, float(np.abs(found - right).max()))
        scale = max(scale, float(np.abs(right).max()))
        rights.append(right)
    allowed = 1e-5 * max(scale, 1.0)
    if error <= allowed:
        return Row(claim, "pass", error, allowed)
    names = problem.spec.names
    lines = inputs_code(subject, problem.inputs, names, problem.origin)
    lines += [
        f"value = {call_code(subject, names, problem.options)}.sum()",
        f"first = torch.autograd.grad(value, ({', '.join(names)},), create_graph=True)",
        f"directions = {[direction.tolist() for direction in directions]}",
        "along = sum((g * torch.tensor(z)).sum() for g, z in zip(first, directions))",
        f"print(along.requires_grad and torch.autograd.grad(along, ({', '.join(names)},)))",
        f"# right: {[right.tolist() for right in rights]}",
    ]
    return Row(claim, "FAIL", error, allowed, "wrong, without an error", "\n".join(lines))


def _moved(problem: Problem, directions: Sequence[np.ndarray], step: float) -> Problem:
    pairs = zip(problem.inputs, directions, strict=True)
    return replace(problem, inputs=tuple(array + step * way for array, way in pairs))


def _terms(spec: Spec, seed: int) -> Iterator[tuple[str, int, Problem, Problem | None]]:
    """Each term: its name, the argument, a problem that it moves, and one without the term."""
    if spec.loss in ("dtw", "soft_dtw"):
        for index, name in enumerate(spec.gradients):
            yield f"alignment to {name}", index, draw(spec, (seed,), 3, 2), None
        return
    near = draw(spec, (seed,), 3, 3, sigma=20.0, margin=2.0)
    # With sigma 0 only a frame and itself are near, and they are at distance 0.
    far = draw(spec, (seed,), 3, 3, sigma=0.0, margin=1e3)
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


def _rows(claim: str, subject: Subject, problems: list[Problem], note: str = "") -> Iterator[Row]:
    yield claim_row(f"{claim}value", subject, problems, None, note)
    for index, name in enumerate(subject.spec.gradients):
        yield claim_row(f"{claim}gradient to {name}", subject, problems, index, note)
