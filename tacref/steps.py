"""Steps that a path may take, and what each costs: pairs of rows and columns with a weight."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from tacref.bands import Columns, band_columns
from tacref.checks import in_one_line

__all__ = ["STEPS", "Steps", "check_moves", "check_steps", "check_steps_reach", "steps_from_text"]

# Each (rows, columns, weight); ties take the first that is listed.
STEPS = {
    "any": ((1, 1, 1.0), (1, 0, 1.0), (0, 1, 1.0)),
    "slope": ((1, 1, 1.0), (1, 2, 1.0), (2, 1, 1.0)),
    "asymmetric": ((1, 0, 1.0), (1, 1, 1.0), (1, 2, 1.0)),
}
# The kernel keeps this many rows of accumulated costs, and a direction in a byte.
MAX_STRIDE, MAX_STEPS = 64, 64
MAX_STEP_WEIGHT = 1e6
# Up to this many cells, a message says how wide a band must be.
_MAX_CELLS_SEARCHED = 2**26


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


def check_steps_reach(
    steps: Steps, n: int, m: int, band: float | None, band_shape: str = "diagonal"
) -> Columns:
    """Return the columns of each row inside a band, if the steps lead through it.

    Parameters
    ----------
    steps : Steps
        The steps.
    n, m : int
        Lengths of the sequences.
    band, band_shape
        As `band_columns` takes them.

    Returns
    -------
    Columns
        As `band_columns` returns them.

    Raises
    ------
    ValueError
        As `band_columns`; or if no path by these steps leads from the first cell to the last one
        inside the band: says how far the steps reach, or how wide the band must be.
    """
    columns = band_columns(n, m, band, band_shape)
    if steps.are_any:
        return columns
    least, most = _columns_reached(steps, n)
    if not least <= m <= most:
        raise ValueError(_far_off_message(steps, n, m, least, most))
    if leads_through(steps, columns, m):
        return columns
    if band is None or not leads_through(steps, band_columns(n, m, None), m):
        raise ValueError(f"steps {steps.label} do not lead from (0, 0) to {(n - 1, m - 1)}")
    wanted = "wider"
    if n * m <= _MAX_CELLS_SEARCHED:
        enough = _wide_enough(steps, n, m, math.floor(band), band_shape)
        wanted = wanted if enough is None else f">= {enough}"
    raise ValueError(
        f"band must be {wanted} for steps {steps.label}, n = {n} and m = {m}, or no path fits, "
        f"got {band!r}"
    )


def check_moves(
    steps: Steps, shape: tuple[int, int], band: float | None, band_shape: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and weights of steps that lead to the last cell inside a band.

    Raises
    ------
    ValueError
        As `check_steps_reach`, or if the band is out of range.
    """
    check_steps_reach(steps, *shape, band, band_shape)
    return steps.rows, steps.columns, steps.weights


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


def _columns_reached(steps: Steps, n: int) -> tuple[float, float]:
    """Return the least and the most columns that n rows of a path may take, about."""
    ratios = [
        columns / rows if rows else math.inf
        for rows, columns in zip(steps.rows.tolist(), steps.columns.tolist(), strict=True)
    ]
    if n == 1:
        return 1, math.inf if math.inf in ratios else 1
    finite = [ratio for ratio in ratios if ratio < math.inf]
    if not finite:
        return math.inf, -math.inf
    most = math.inf if math.inf in ratios else math.floor(max(finite) * (n - 1) + 1e-9) + 1
    return math.ceil(min(finite) * (n - 1) - 1e-9) + 1, most


def _far_off_message(steps: Steps, n: int, m: int, least: float, most: float) -> str:
    if least > most:
        return f"steps {steps.label} never go to another row, but n = {n}"
    bound, which = (most, "at most") if m > most else (least, "at least")
    slopes = steps.columns[steps.rows > 0] / steps.rows[steps.rows > 0]
    slope = slopes.max() if m > most else slopes.min()
    formula = f"{slope:.4g} (n - 1) + 1 = " if n > 1 else ""
    return f"steps {steps.label} reach {which} {formula}{bound} columns for n = {n}, got m = {m}"


def leads_through(steps: Steps, band: Columns, m: int) -> bool:
    """Tell whether a path by these steps fits inside a band.

    The cells that are reached are bits of one whole number per row, from the band's first column.
    """
    first, stop = band.first.tolist(), band.stop.tolist()
    moves = list(zip(steps.rows.tolist(), steps.columns.tolist(), strict=True))
    strides = [columns for rows, columns in moves if rows == 0]
    reached: list[int] = []
    for i, (start, end) in enumerate(zip(first, stop, strict=True)):
        inside = (1 << (end - start)) - 1
        bits = 1 if i == 0 and start == 0 else 0
        for rows, columns in moves:
            if 0 < rows <= i:
                shift = first[i - rows] + columns - start
                before = reached[i - rows]
                bits |= before << shift if shift >= 0 else before >> -shift
        bits &= inside
        reached.append(_spread(bits, strides, inside))
        if i >= MAX_STRIDE:
            reached[i - MAX_STRIDE] = 0  # no step looks back so far
    return bool(reached[-1] >> (m - 1 - first[-1]) & 1) if stop[-1] == m else False


def _repeat(bits: int, stride: int, inside: int) -> int:
    """Add what any number of steps of one stride along the row reach."""
    while (bits | bits << stride) & inside != bits:
        bits = (bits | bits << stride) & inside
        stride *= 2
    return bits


def _spread(bits: int, strides: Sequence[int], inside: int) -> int:
    """Add what any number of steps along the row reach."""
    while True:
        before = bits
        for stride in strides:
            bits = _repeat(bits, stride, inside)
        if bits == before:
            return bits


def _wide_enough(steps: Steps, n: int, m: int, too_narrow: int, band_shape: str) -> int | None:
    """Return the least whole width of a band that leaves a path, None if even the widest does not.

    `too_narrow` is below it; all that are wider leave a path by the steps of equation 2.
    """

    def leads(width: int) -> bool:
        return leads_through(steps, band_columns(n, m, width, band_shape), m)

    widest = max(n, m)
    if not leads(widest):
        return None
    while widest - too_narrow > 1:
        middle = (too_narrow + widest) // 2
        if leads(middle):
            widest = middle
        else:
            too_narrow = middle
    return widest
