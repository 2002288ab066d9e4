"""Steps that a path may take, and what each costs: pairs of rows and columns with a weight."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from tacref.checks import in_one_line

__all__ = ["STEPS", "Steps", "check_steps", "steps_from_text"]

# Each (rows, columns, weight); ties take the first that is listed.
STEPS = {
    "any": ((1, 1, 1.0), (1, 0, 1.0), (0, 1, 1.0)),
    "slope": ((1, 1, 1.0), (1, 2, 1.0), (2, 1, 1.0)),
    "asymmetric": ((1, 0, 1.0), (1, 1, 1.0), (1, 2, 1.0)),
}
# The kernel keeps this many rows of accumulated costs, and a direction in a byte.
MAX_STRIDE, MAX_STEPS = 64, 64
MAX_STEP_WEIGHT = 1e6


class Steps(NamedTuple):
    """Steps by which a path leads from cell to cell, in the order in which ties take them.

    Step k goes `rows[k]` rows and `columns[k]` columns on, to a cell (i, j), and costs
    `weights[k] * D[i, j]`; cells between cost nothing. `label` is what messages call the steps, and
    `are_any` tells whether these are the steps of equation 2, with its ties.
    """

    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    label: str
    are_any: bool


def check_steps(steps: str | Sequence[Sequence[float]]) -> Steps:
    """Return the steps of a name or a list.

    Parameters
    ----------
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        A name of `STEPS`; or (rows, columns, weight) of each step.

    Returns
    -------
    Steps
        In the order of the list.

    Raises
    ------
    ValueError
        If it is neither; names the step that is wrong.
    """
    if isinstance(steps, str):
        if steps not in STEPS:
            raise ValueError(
                f"steps must be one of {', '.join(STEPS)} or a list of (rows, columns, weight), "
                f"got {steps!r}"
            )
        return _NAMED[steps]
    try:
        listed = [tuple(step) for step in steps]
    except TypeError:
        raise ValueError(
            f"steps must be a name or a list of (rows, columns, weight), got {in_one_line(steps)}"
        ) from None
    if not 1 <= len(listed) <= MAX_STEPS:
        raise ValueError(f"steps must be 1 to {MAX_STEPS}, got {len(listed)}")
    for number, step in enumerate(listed):
        _check_step(step, f"steps[{number}]")
    if len({step[:2] for step in listed}) < len(listed):
        raise ValueError(f"steps must differ in rows or columns, got {in_one_line(listed)}")
    label = " ".join(f"{rows},{columns},{float(weight):g}" for rows, columns, weight in listed)
    return _make_steps(listed, label)


def steps_from_text(text: str) -> str | list[tuple[int, int, float]]:
    """Read steps from text: a name, or rows, columns and weight of each as "1,1,1 1,2,1 2,1,1".

    Raises
    ------
    ValueError
        If it is neither, or the steps are not such that `check_steps` takes them.
    """
    if text in STEPS:
        return text
    listed = []
    for part in text.split():
        try:
            rows, columns, weight = part.split(",")
            listed.append((int(rows), int(columns), float(weight)))
        except ValueError:
            raise ValueError(
                f"steps must be {', '.join(STEPS)}, or rows,columns,weight of each as in "
                f"'1,1,1 1,2,1 2,1,1', got {text!r}"
            ) from None
    check_steps(listed)
    return listed


def _check_step(step: tuple[Any, ...], name: str) -> None:
    if len(step) != 3:
        raise ValueError(f"{name} must be (rows, columns, weight), got {in_one_line(step)}")
    for number, what in enumerate(("rows", "columns")):
        count: Any = step[number]
        if isinstance(count, bool) or not isinstance(count, Integral) or int(count) < 0:
            raise ValueError(
                f"{name} must go a whole number >= 0 of {what}, got {in_one_line(count)}"
            )
        if int(count) > MAX_STRIDE:
            raise ValueError(f"{name} must go at most {MAX_STRIDE} {what}, got {count}")
    if step[0] == step[1] == 0:
        raise ValueError(f"{name} must go on by a row or a column, got {in_one_line(step)}")
    weight = step[2]
    number = isinstance(weight, Real) and not isinstance(weight, bool)
    if not number or not 0.0 <= float(weight) < math.inf:
        raise ValueError(f"{name} must have a weight >= 0 and finite, got {in_one_line(weight)}")
    if float(weight) > MAX_STEP_WEIGHT:
        raise ValueError(f"{name} must have a weight of at most {MAX_STEP_WEIGHT:g}, got {weight}")


def _make_steps(listed: Sequence[Sequence[float]], label: str) -> Steps:
    rows, columns, weights = zip(*listed, strict=True)
    return Steps(
        np.array(rows, np.int64),
        np.array(columns, np.int64),
        np.array(weights, np.float64),
        label,
        tuple(map(tuple, listed)) == STEPS["any"],
    )


_NAMED = {name: _make_steps(listed, f'"{name}"') for name, listed in STEPS.items()}
